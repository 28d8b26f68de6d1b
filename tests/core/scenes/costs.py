"""About what attempts cost, and a day's budget."""

from __future__ import annotations

from app.core import events as ev
from app.core.cost import MICROS, Prices
from app.core.events import Refusal
from app.core.policy import Policy
from app.core.state import AtRecall
from tests.core.dialogues import BOTH, Scene
from tests.core.scenes.beginnings import T1, A, B, Events, failed

PRICES = Prices("USD", {A: MICROS, B: 3 * MICROS}, 1.5)
UNLIMITED = Policy(BOTH, 2, prices=PRICES)
LIMITED = Policy(BOTH, 2, prices=Prices("USD", PRICES.per_hour, 1.5, 10 * MICROS))
UNPRICED = Policy(BOTH, 2, prices=Prices("USD", {B: MICROS}))
DAY_S = 86_400.0

DONE: Events = (ev.RecordingDone(100.0),)
SENDING: Events = (*DONE, ev.Sending(101.0, 1, A, 0, 7200.0))
RUNNING: Events = (*SENDING, ev.Created(102.0, 1, T1, A))
REACHED = ev.DailyBudgetReached(101.0, 1, A, 600.0, 7200.0)
WAITING: Events = (*DONE, REACHED)
BUSY: Events = (*SENDING, ev.CreateRefused(102.0, 1, Refusal.BUSY, "http_429"))
UNKNOWN: Events = (*SENDING, ev.CreateUnknown(102.0, 1, "timeout"))
LATER = ev.DailyBudgetReached(102.0 + 2 * DAY_S, 1, A, 600.0)
OVER = ev.RetryAsked(103.0, 0, over_budget=True)
STORED = ev.Stored(200.0, T1, A, "en", is_empty=False, duration_s=1800.0)
TOLD = ev.TranscriptDone(199.0, T1, 1)
ASKED = ev.RecordingAsked(300.0, ev.RecordingCondition.DONE, duration_s=3600.0)

_LIMITED: tuple[tuple[str, Events, Events], ...] = (
    ("a claim has its cost by the recording's length", (SENDING[-1],), DONE),
    ("a length that Recall does not say is an hour", (ev.Sending(101.0, 1, A, 0),), DONE),
    (
        "a definite refusal gives it back, and the next claim is of its own day",
        (
            BUSY[-1],
            ev.Sending(101.0 + DAY_S, 1, A, 1),
        ),
        SENDING,
    ),
    ("refused for good", (ev.CreateRefused(102.0, 1, Refusal.PROVIDER, "http_400"),), SENDING),
    ("an unknown outcome keeps it", (UNKNOWN[-1],), SENDING),
    ("an erased recording keeps it", (ev.EraseAsked(150.0, AtRecall.TRANSCRIPT),), UNKNOWN),
    (
        "a failed transcript keeps it, and the next one has its own",
        (
            failed(200.0, T1, 1, "x"),
            ev.Sending(201.0, 2, B, 0),
        ),
        RUNNING,
    ),
    ("found at Recall, it counts on the day of the news", (ev.Created(DAY_S, 1, T1, A),), DONE),
    ("the day's budget is reached: it comes back", (REACHED, ev.Sending(701.0, 1, A, 0)), DONE),
    ("the next day is far: it comes back before", (ev.DailyBudgetReached(101.0, 1, A, 50_000.0),), DONE),
    ("for a day: it fails by its name", (LATER,), WAITING),
    ("reached after a refusal", (ev.DailyBudgetReached(103.0, 1, A, 600.0), LATER), BUSY),
    ("reached, and nothing is waiting to be sent", (REACHED,), SENDING),
    ("reached in another phase", (REACHED,), (*DONE, ev.RecordingDeleted(101.0))),
    ("beyond the budget by hand while it waits", (OVER,), WAITING),
    (
        "beyond the budget by hand while it waits after a refusal",
        (OVER,),
        (
            *BUSY,
            ev.DailyBudgetReached(103.0, 1, A, 600.0),
        ),
    ),
    (
        "beyond the budget by hand after it failed",
        (ev.RetryAsked(400_000.0, 0, over_budget=True),),
        (*WAITING, LATER),
    ),
    ("beyond the budget by hand, and it waits for something else", (OVER,), DONE),
    (
        "a retry without it keeps to the budget",
        (ev.RetryAsked(400_000.0, 0),),
        (
            *WAITING,
            LATER,
            ev.RetryAsked(390_000.0, 0, over_budget=True),
            ev.Sending(390_001.0, 1, A, 0),
            ev.CreateRefused(390_002.0, 1, Refusal.LIMIT, "http_400"),
        ),
    ),
    (
        "an extra keeps to the budget",
        (ev.ExtraOrdered(500_000.0, "o"),),
        (
            *WAITING,
            OVER,
            ev.Sending(104.0, 1, A, 0),
            ev.Created(105.0, 1, T1, A),
            TOLD,
            STORED,
        ),
    ),
    ("after a long stop the wait begins anew", (ev.DowntimeDetected(50_000.0),), WAITING),
)
_UNLIMITED: tuple[tuple[str, Events, Events], ...] = (
    (
        "without a budget the length is learnt with the words",
        (TOLD, STORED),
        (
            *DONE,
            ev.Sending(101.0, 1, A, 0),
            ev.Created(102.0, 1, T1, A),
        ),
    ),
    (
        "the recording's own length corrects it",
        (ASKED,),
        (
            *DONE,
            ev.Sending(101.0, 1, A, 0),
            ev.Created(102.0, 1, T1, A),
            TOLD,
            ev.Stored(200.0, T1, A, "en", is_empty=False, duration_s=1800.0),
        ),
    ),
    ("old news brings the length along", (ev.RecordingDone(100.0, duration_s=60.0),), ()),
)
SCENES: tuple[Scene, ...] = (
    *(Scene(f"costs: {title}", told, given, LIMITED) for title, told, given in _LIMITED),
    *(Scene(f"costs: {title}", told, given, UNLIMITED) for title, told, given in _UNLIMITED),
    Scene("costs: a provider without a price", (SENDING[-1],), DONE, UNPRICED),
)
