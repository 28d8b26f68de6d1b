"""What is wanted of a transcript: by the policy, by a rule of it, by what one recording was ordered with."""

from __future__ import annotations

import pytest

from app.core import events as ev
from app.core import reasons
from app.core.intent import Intent
from app.core.policy import Order, Policy, ProviderChoice, Rule
from app.core.state import AttemptStatus, Phase
from tests.core.playbook import Dialogue
from tests.core.scenes.beginnings import A, B

BOTH = (ProviderChoice(A), ProviderChoice(B))
GERMAN = Rule(
    metadata=(("language", "de"),), intent={"languages": ("de-CH",)}, providers=BOTH[1:], attempts=1
)
LONG = Rule(min_duration_s=7200, intent={"diarization": "machine"})
POLICY = Policy(BOTH, 2, rules=(Rule(workspace="other", attempts=5), GERMAN, LONG))


def test_an_intent_without_a_word_asks_for_what_the_built_in_policy_asks_for() -> None:
    intent = Intent()
    assert intent.languages == ("auto",)
    assert intent.diarization == "separate-streams"
    assert intent.punctuation
    assert not intent.fillers
    assert intent.unsupported == "best-effort"


@pytest.mark.parametrize(
    ("order", "languages", "diarization"),
    [
        (Order(), ("auto",), "hybrid"),
        (Order("de"), ("de",), "hybrid"),
        (Order(None, False), ("auto",), "speaker-timeline"),
        (Order("fr", True), ("fr",), "separate-streams"),
        (Order(None, True, None, "machine"), ("auto",), "machine"),
    ],
)
def test_what_one_recording_was_ordered_with_is_above_the_policys_intent(
    order: Order, languages: tuple[str, ...], diarization: str
) -> None:
    told = order.told(Intent(diarization="hybrid", key_terms=("Afterword",)))
    assert (told.languages, told.diarization, told.key_terms) == (languages, diarization, ("Afterword",))


def test_the_first_rule_that_matches_changes_what_it_names_and_nothing_else() -> None:
    german = POLICY.ruled(POLICY.rule_for("default", {"language": "de"}, None))
    assert (german.intent, german.providers, german.attempts) == (
        Intent(languages=("de-CH",)),
        BOTH[1:],
        1,
    )
    assert POLICY.ruled(POLICY.rule_for("default", {}, None)) is POLICY
    assert POLICY.ruled(POLICY.rule_for("other", {}, None)).attempts == 5
    long = POLICY.ruled(POLICY.rule_for("default", {}, 7200.0))
    assert (long.intent.diarization, long.providers, long.attempts) == ("machine", BOTH, 2)


@pytest.mark.parametrize(
    ("duration_s", "is_meant"), [(59.0, False), (60.0, True), (90.0, True), (90.1, False)]
)
def test_a_rule_about_length_has_both_its_ends(duration_s: float, is_meant: bool) -> None:
    rule = Rule(min_duration_s=60, max_duration_s=90)
    assert rule.matches("default", {}, duration_s) is is_meant
    assert rule.matches("default", {}, None) is None


@pytest.mark.parametrize(
    ("rules", "is_wanted"),
    [
        ((), False),
        ((GERMAN,), False),
        ((LONG,), True),
        ((GERMAN, LONG), True),
        ((Rule(metadata=(("room", "7"),)), LONG), False),  # the first matches whatever the length is
        ((Rule(min_duration_s=0.5),), True),
        ((Rule(workspace="default", max_duration_s=5.0),), True),
        ((Rule(workspace="other", max_duration_s=5.0),), False),  # not this workspace's, whatever it is
    ],
)
def test_the_length_is_wanted_only_where_it_decides_which_rule_is_the_first(
    rules: tuple[Rule, ...], is_wanted: bool
) -> None:
    policy = Policy(BOTH, 2, rules=rules)
    assert policy.is_length_wanted("default", {"room": "7"}) is is_wanted


def test_the_providers_of_rules_are_the_policys_too() -> None:
    policy = Policy(BOTH[:1], 1, rules=(GERMAN, LONG))
    assert policy.every_provider == (A, B)


def test_a_provider_that_cannot_do_it_is_not_made_the_first_by_an_order() -> None:
    policy = Policy(BOTH[:1], 2, passed_over=((B, "length: too long"),))
    assert policy.intended(Order(provider=B)).providers == BOTH[:1]


def test_where_no_provider_can_do_it_the_failure_says_which_part_of_the_intent_excluded_whom() -> None:
    d = Dialogue(Policy((), 2, passed_over=((A, "length: too long"), (B, "language: no German"))))
    assert d.told(ev.RecordingDone(1.0)) == ()
    assert (d.phase, d.state.reason) == (Phase.FAILED, reasons.NO_PROVIDER_ABLE)
    assert d.state.detail == f"{A}: length: too long; {B}: language: no German"


def test_a_length_that_is_read_before_the_send_is_kept_and_the_next_provider_planned() -> None:
    d = Dialogue(Policy(BOTH, 2))
    d.told(ev.RecordingDone(1.0))
    d.policy = Policy(BOTH[1:], 2, passed_over=((A, "length: too long"),))
    (create,) = d.told(ev.NoLongerWanted(2.0, 1, "provider_left", A, duration_s=9000.0))
    assert (create.key, d.state.duration_s, d.state.attempts) == ("create:1", 9000.0, ())
    d.told(ev.Sending(3.0, 1, B, 0, None, ("redact: phi",), ("de-CH is said as de",)))
    (line,) = d.state.attempts
    assert (line.status, line.provider, d.state.duration_s) == (AttemptStatus.SENDING, B, 9000.0)
    assert (line.left_out, line.changed) == (("redact: phi",), ("de-CH is said as de",))


def test_a_repetition_under_the_same_key_leaves_what_was_told_as_it_was() -> None:
    d = Dialogue(Policy(BOTH, 2))
    d.told(ev.RecordingDone(1.0))
    d.told(ev.Sending(3.0, 1, A, 0, None, ("fillers",)))
    d.told(ev.CreateUnknown(4.0, 1, "timeout"))
    d.told(ev.Listed(20.0, 1, since_first_send_s=16.0, since_last_send_s=16.0))
    d.told(ev.Sending(30.0, 1, A, 0))
    assert d.state.attempts[0].left_out == ("fillers",)


def test_a_request_under_a_new_key_is_told_anew_what_its_provider_cannot_do() -> None:
    d = Dialogue(Policy(BOTH, 2))
    d.told(ev.RecordingDone(1.0))
    d.told(ev.Sending(3.0, 1, A, 0, None, ("fillers",), ("de-CH is said as de",)))
    d.told(ev.CreateRefused(4.0, 1, ev.Refusal.BUSY, "http_429"))
    d.told(ev.Sending(5.0, 1, A, 1, None, ("redact: phi",)))
    (line,) = d.state.attempts
    assert (line.left_out, line.changed) == (("redact: phi",), ())
