"""What each answer makes of what is known of a provider's form."""

from __future__ import annotations

from app.orchestrator.provider_forms import KnownForm

DAY_S, HOLD_S = 86_400.0, 60.0


def test_one_recording_holds_it_for_a_minute_and_the_others_wait() -> None:
    held = KnownForm().held("a", now=100.0, hold_s=HOLD_S)
    assert not held.is_awaited("a")
    assert held.is_awaited("b")
    assert held.held("b", now=159.0, hold_s=HOLD_S) is held
    assert held.held("b", now=160.0, hold_s=HOLD_S).held_by == "b"
    assert held.held("a", now=130.0, hold_s=HOLD_S).held_until == 190.0


def test_a_hold_of_another_clock_holds_up_nothing() -> None:
    held = KnownForm(held_by="a", held_until=9_000.0)
    assert held.held("b", now=100.0, hold_s=HOLD_S).held_by == "b"


def test_what_is_accepted_is_known_and_held_by_none() -> None:
    known = KnownForm(refused="vendor", held_by="a", held_until=100.0).accepted("recall")
    assert known == KnownForm("recall")
    assert known.held("b", now=1.0, hold_s=HOLD_S) is known
    assert known.refused_in("recall", now=1.0, quiet_s=DAY_S) is known


def test_after_one_refusal_the_other_form_is_tried_and_after_both_none_for_a_day() -> None:
    once = KnownForm(held_by="a", held_until=90.0).refused_in("vendor", now=50.0, quiet_s=DAY_S)
    assert (once.refused, once.held_by) == ("vendor", "a")
    assert once.refused_in("vendor", now=51.0, quiet_s=DAY_S) is once  # one that was under way
    both = once.refused_in("recall", now=52.0, quiet_s=DAY_S)
    assert (both.form, both.refused, both.held_by) == (None, None, None)
    assert both.is_quiet(52.0 + DAY_S - 1)
    assert both.held("b", now=60.0, hold_s=HOLD_S) is both
    assert both.refused_in("vendor", now=60.0, quiet_s=DAY_S) is both
    assert both.held("b", now=53.0 + DAY_S, hold_s=HOLD_S).held_by == "b"


def test_a_refused_model_is_left_out_for_a_while() -> None:
    known = KnownForm().without_model("a", now=10.0, for_s=DAY_S).without_model("a", now=10.0, for_s=DAY_S)
    assert known.refused_models == ("a",)
    assert known.at(DAY_S) == known
    assert known.at(10.0 + DAY_S).refused_models == ()


def test_a_refused_form_is_forgotten_after_a_while() -> None:
    """It may have been refused for another reason, and the other one never be tried."""
    known = KnownForm().refused_in("vendor", now=10.0, quiet_s=DAY_S)
    assert known.at(9.0 + DAY_S).refused == "vendor"
    assert known.at(10.0 + DAY_S).refused is None


def test_it_is_read_back_from_its_record() -> None:
    known = KnownForm("vendor", None, "r", 1.0, 2.0, ("m",), 3.0)
    assert KnownForm.from_record({**known.to_record(), "of_another_version": 1}) == known
    assert KnownForm.from_record({}) == KnownForm()
