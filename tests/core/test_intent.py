"""What is wanted where a policy says nothing."""

from app.core.intent import Intent


def test_an_intent_without_a_word_asks_for_what_the_built_in_policy_asks_for() -> None:
    intent = Intent()
    assert intent.languages == ("auto",)
    assert intent.diarization == "separate-streams"
    assert intent.punctuation
    assert not intent.fillers
    assert intent.unsupported == "best-effort"
