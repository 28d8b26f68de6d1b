"""
What Recall says in a run that is not so, kind by kind, and what else changes behind the service's back.

All within what the README stands on: a list is at most 60 minutes late, what is forgotten is back in under
ten minutes or is forgotten together with its recording, and what decides is the database's clock. A lie
changes nothing of what must come of a recording: that stands in its line, as for every fault.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.core import reasons
from app.simulator.meetings.odd_files import KINDS as BODIES
from app.simulator.meetings.odd_files import UNREADABLE
from tests.chaos.script import STORED, End, Fault

# Of all recordings, each kind.
SHARE = 0.02
_LOST: Mapping[str, Any] = {"creates": ["cut_after"]}
_DROPPED: Mapping[str, Any] = {"done_webhook": ["drop"] * 3}
_TWENTY_MINUTES_S = 1200.0


def _told(
    title: str, *lies: Any, is_slow: bool = False, paid: tuple[int, int] = (1, 1), **script: Any
) -> Fault:
    return Fault(title, {**script, "lies": list(lies)}, paid=paid, is_alone=True, is_slow=is_slow)


def _lie(way: str, routes: str, **more: Any) -> Mapping[str, Any]:
    return {"way": way, "routes": routes.split(), **more}


_FORGETS = (
    _told("finished and forgotten for nine minutes", _lie("forget", "retrieve list", for_s=540)),
    _told(
        "once not retrieved, once not listed",
        _lie("forget", "retrieve", times=1),
        _lie("forget", "list", times=1),
        transcribe_s=_TWENTY_MINUTES_S,
        is_slow=True,
    ),
    _told(
        "running, overdue and forgotten for nine minutes",
        _lie("forget", "retrieve list", for_s=540),
        transcribe_s=_TWENTY_MINUTES_S,
        is_slow=True,
    ),
    _told(
        "forgotten with its recording before the create",
        _lie("forget", "create recording retrieve list", for_s=540),
    ),
    _told(
        "forgotten with its recording for half an hour",
        _lie("forget", "recording retrieve list", for_s=1800),
        transcribe_s=_TWENTY_MINUTES_S,
        is_slow=True,
    ),
    _told(
        "made, unanswered and forgotten for nine minutes", _lie("forget", "retrieve list", for_s=540), **_LOST
    ),
    _told("untold and forgotten for nine minutes", _lie("forget", "retrieve list", for_s=540), **_DROPPED),
)
_ANOTHER = (
    *(
        _told(
            f"retrieve answers {kind or 'another'}",
            _lie(f"another:{kind}" if kind else "another", "retrieve", times=2),
        )
        for kind in ("", "marked", "id", "recording", "made_up")
    ),
    _told("retrieve answers the captions", _lie("another:sibling", "retrieve", times=2), captions="done"),
    *(
        _told(
            f"create answers {kind or 'another'}",
            _lie(f"another:{kind}" if kind else "another", "create", times=1),
        )
        for kind in ("", "marked", "id", "recording")
    ),
    *(
        _told(
            f"list answers {kind or 'another'}",
            _lie(f"another:{kind}" if kind else "another", "list", times=2),
            **_LOST,
        )
        for kind in ("", "marked")
    ),
    _told(
        "recording answers another", _lie("another", "recording", times=3), recording_state="processing:120"
    ),
    _told(
        "empty, and the recording answers another",
        _lie("another", "recording", times=2),
        paid=(1, 2),
        transcripts=["empty"],
    ),
)
_CREATE_STATUSES = (
    "status:405",
    "status:410",
    "status:418",
    "html:400",
    "blank:404",
    "status:302",
    "html:200",
)
# 410 is not among those told for twenty minutes: it may be taken for the word that it is gone.
_READ_STATUSES = (
    "status:400", "status:410", "html:400", "status:405", "status:418", "status:302", "html:200",
    "status:500", "blank:204",
)  # fmt: skip
_DOWNLOAD_STATUSES = ("status:410", "status:418")
_STATUSES = (
    *(_told(f"create answered {way}", _lie(way, "create", times=2)) for way in _CREATE_STATUSES),
    *(_told(f"retrieve answered {way}", _lie(way, "retrieve", for_s=120)) for way in _READ_STATUSES),
    *(_told(f"lists answered {way}", _lie(way, "list", for_s=120), **_LOST) for way in _READ_STATUSES),
    *(
        _told(f"retrieve answered {way} for long", _lie(way, "retrieve", for_s=1200), is_slow=True)
        for way in _READ_STATUSES[::2]
    ),
    *(
        _told(f"lists answered {way} for long", _lie(way, "list", for_s=1200), is_slow=True, **_LOST)
        for way in _READ_STATUSES[3::2]
    ),
    *(_told(f"download answered {way}", _lie(way, "download", for_s=90)) for way in _DOWNLOAD_STATUSES),
    *(
        _told(
            f"recording answered {way}", _lie(way, "recording", for_s=120), recording_state="processing:120"
        )
        for way in ("status:400", "html:200", "status:410")
    ),
)
_LATE = (
    _told("listed after 30 minutes", "late:1800", **_LOST),
    _told("listed after 50 minutes", "late:3000", creates=["cut_before", "cut_after"]),
    _told("listed after 59 minutes", "late:3540", creates=["status_after:503"], is_slow=True),
    _told("listed after 59 minutes and untold", "late:3540", **_DROPPED),
    _told(
        "listed after 59 minutes, never answered",
        "late:3540",
        creates=["status_after:503"],
        transcribe_s=5000.0,
        is_slow=True,
    ),
)
_PAGES = (
    _told("pages of one", "pages:1", captions="done", **_LOST),
    _told(
        "a refused cursor",
        "pages:1",
        _lie("status:404", "list", cursor=True, times=2),
        captions="done",
        **_LOST,
    ),
    _told(
        "a cursor answered 400",
        "pages:1",
        _lie("html:400", "list", cursor=True, times=2),
        captions="done",
        **_LOST,
    ),
)
_SEVERAL: Mapping[str, Any] = {"shape": {"provider": "several"}}
_PROVIDERS = (
    Fault("several providers are filled", _SEVERAL, is_alone=True),
    Fault("several providers are filled, answer lost", {**_SEVERAL, **_LOST}, is_alone=True),
    Fault(
        "several providers are filled, fails once",
        {**_SEVERAL, "transcripts": ["failed"]},
        paid=(2, 2),
        is_alone=True,
    ),
)


def _ends_of(kind: str) -> tuple[End, ...]:
    unreadable = End("failed", reasons.RESULT_UNREADABLE)
    if kind == "raw_surrogate":  # no UTF-8: it may be read, and need not
        return (STORED, unreadable)
    return (unreadable,) if kind in UNREADABLE else (STORED,)


_BODIES = tuple(
    Fault(
        f"file {kind}",
        {"bodies": [f"{kind}:100000" if takes else kind]},
        ends=_ends_of(kind),
        is_alone=True,
    )
    for kind, takes in BODIES.items()
    if kind != "ok"
)
_CONTENTION = (
    _told("every answer is slow", _lie("slow:40", "create retrieve list recording", for_s=600)),
    _told(
        "throttled, and told how long",
        _lie("status:429", "create retrieve list", headers={"Retry-After": "1"}, times=3),
    ),
    _told("throttled, and not told how long", _lie("status:429", "create retrieve list", times=3), **_LOST),
    _told("cut at every route", _lie("cut", "retrieve list", times=3), **_LOST),
)

ABOUT_RECORDINGS: Mapping[str, tuple[Fault, ...]] = {
    "forgets": _FORGETS,
    "another": _ANOTHER,
    "statuses": _STATUSES,
    "late": _LATE,
    "pages": _PAGES,
    "providers": _PROVIDERS,
    "bodies": _BODIES,
    "contention": _CONTENTION,
}
ABOUT_ALL = ("addresses", "foreign key", "policy", "clock", "provisional")
"""
addresses: the next page of a list has another host. foreign key: the service is restarted with the key of
another workspace, and back. policy: the first provider is taken out while every create is a 402. clock: the
database's clock steps. provisional: every manifest is held against the first that was seen.
"""
KINDS = (*ABOUT_RECORDINGS, *ABOUT_ALL)


def faults(told: Collection[str]) -> Sequence[tuple[Fault, ...]]:
    """Of each kind told, what it can do to a recording."""
    return [faults for kind, faults in ABOUT_RECORDINGS.items() if kind in told]
