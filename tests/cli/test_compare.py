"""`retranscribe` and `compare`: what they say it costs, what they order, what they make of what is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core import events
from app.core.policy import Order
from app.core.rules_extra import share_of
from app.core.state import Phase, Transcription
from tests.cli.conftest import FIRST, WORKSPACE, Home
from tests.cli.results import stored
from tests.policies import built_in
from tests.transcripts.recall_json import spoke

SECOND = built_in().providers[1].key
THIRD = built_in().providers[2].key


def state(home: Home, recording: str) -> Transcription:
    return home.store.load(WORKSPACE, recording).transcription


@pytest.mark.slow
def test_a_further_transcript_names_its_price_and_is_ordered_once_a_person_agrees(home: Home) -> None:
    recording, _ = stored(home)
    order = ("retranscribe", recording[:8], "--provider", "assemblyai", "--language", "de_ch")
    refused = home.run(*order, typed="n\n")
    assert (refused.code, state(home, recording).extra) == (1, None)
    assert f"a further transcript with {SECOND}: attempt 1, which Recall" in refused.out

    agreed = home.run(*order, "--diarization", "speaker-timeline", "--yes")
    assert agreed.code == 0, agreed.err
    now = state(home, recording)
    assert (now.phase, now.extra is not None) == (Phase.CREATING, True)
    told = (now.intent.provider, now.intent.language, now.intent.diarization)
    assert told == (SECOND, "de-CH", "speaker-timeline")

    again = home.run(*order, "--yes")
    assert (again.code, state(home, recording)) == (1, now)
    assert "Nothing to do: an extra is ordered beside a result: it is creating." in again.out


def test_what_has_no_result_is_not_transcribed_again(home: Home) -> None:
    recording = home.hears()
    said = home.run("retranscribe", recording, "--yes")
    assert (said.code, "Nothing to do" in said.out) == (1, True)
    wrong = home.run("retranscribe", recording, "--provider", "shazam")
    assert "Error: provider: none of " in wrong.err
    assert (wrong.code, "provider: none of" in wrong.err) == (2, True)


@pytest.mark.slow
def test_providers_are_compared_by_what_is_stored_and_the_rest_is_ordered_once(home: Home) -> None:
    recording, _ = stored(home, turns=[spoke("One two three four.")])
    first = state(home, recording).current
    order = ("compare", recording, "--providers", f"{FIRST},assemblyai,deepgram")
    unasked = home.run(*order)
    assert (unasked.code, "say --yes" in unasked.err) == (2, True)
    assert "This creates 2 paid transcripts, which Recall and the providers charge for: " in unasked.out
    assert state(home, recording).extra is None

    idle = home.run(*order, "--yes")
    assert (idle.code, "The service does not run" in idle.out) == (1, True)
    ordered = state(home, recording)
    assert (ordered.intent.provider, ordered.outward.phase) == (SECOND, Phase.STORED)
    assert [each.intent.provider for each in ordered.waiting_extras] == [THIRD]
    again = home.run(*order, "--yes")
    assert ("This creates" in again.out, state(home, recording)) == (False, ordered)
    assert home.run("list", "--phase", "stored").out.count(recording) == 1
    assert home.run("list", "--phase", "creating").out.count(recording) == 0
    assert home.run("show", recording, "--json").json["status"] == "completed"
    assert home.run("render", "--index").code == 0
    assert recording in home.run("search", "three", "--json").out

    stored(home, recording=recording, turns=[spoke("One two four.")], provider=SECOND, ordinal=1)
    home.happens(recording, events.ExtraDue(home.store.now()))
    home.happens(recording, events.RecordingDeleted(home.store.now()))
    home.happens(recording, events.RecordingAsked(home.store.now(), events.RecordingCondition.GONE))
    assert (state(home, recording).current, state(home, recording).waiting_extras) == (first, ())
    done = home.run(*order, "--out", str(home.settings.home / "report.md"), "--yes")
    assert (done.code, "This creates" in done.out) == (1, False)
    assert f"by {THIRD} is not ordered: the recording no longer exists at Recall." in done.out
    report = Path(home.settings.home / "report.md")
    assert report.stat().st_mode & 0o777 == 0o600
    text = report.read_text("utf-8")
    assert f"* {SECOND}, {FIRST}: agreement {2 * 3 / 7:.1%}" in text
    assert "| not made |" in text
    assert "One two" not in text
    shown = home.run("show", recording).out
    assert f"attempt 1  {SECOND}  done  to compare with" in shown
    assert "(spoken, adopted)" in shown


@pytest.mark.slow
def test_an_order_is_known_by_its_number_whatever_became_of_it(home: Home) -> None:
    """Of two calls that both asked before either was agreed to, the later one orders nothing."""
    recording, _ = stored(home)
    order = ("compare", recording, "--providers", SECOND, "--yes")
    home.run(*order)
    now = home.store.now()
    home.happens(recording, events.Listed(now, 0), events.CommandFailed(now, "create_transcript", 1))
    over = state(home, recording)
    assert (over.extra, over.orders) == (None, (f"compare/{SECOND}/0",))
    late = events.ExtraOrdered(now, f"compare/{SECOND}/0", Order(provider=SECOND), is_beside=True)
    home.happens(recording, late)
    assert state(home, recording).extra is None
    home.run(*order)
    assert state(home, recording).orders == (f"compare/{SECOND}/0", f"compare/{SECOND}/1")


@pytest.mark.slow
def test_a_sample_is_the_same_whenever_it_is_taken(home: Home) -> None:
    recordings = [stored(home)[0] for _ in range(3)]
    first = sorted(recordings, key=share_of)[:2]
    said = home.run("compare", "--sample", "2", "--providers", FIRST)
    assert (said.code, "This creates" in said.out) == (0, False)
    report = Path(said.out.partition("Report: ")[2].strip()).read_text("utf-8")
    assert {recording for recording in recordings if recording in report} == set(first)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--providers", FIRST), 2),
        (("x", "--sample", "1", "--providers", FIRST), 2),
        (("--sample", "1", "--providers", FIRST), 1),
        (("--sample", "1"), 2),
    ],
)
def test_what_is_to_be_compared_is_named_once(home: Home, arguments: tuple[str, ...], code: int) -> None:
    assert home.run("compare", *arguments).code == code
