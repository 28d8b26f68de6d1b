"""In what a fetched transcript falls short, and whether it is held while another provider is asked."""

from __future__ import annotations

from app.core.state import Phase
from app.orchestrator.command_context import CommandContext
from app.orchestrator.effects.evidence import timeline_of
from app.recall.types import RecordingFacts
from app.transcripts.manifest import Manifest
from app.transcripts.model import Summary, Verdict
from app.transcripts.quality import Heard, is_silent, judge


def finding_of(
    context: CommandContext, summary: Summary, heard: Heard, recording: RecordingFacts | None
) -> Verdict | None:
    """
    The verdict that is reported; None for one that its words, or their absence, already say.

    Args:
        recording: Where Recall was asked about it.
    """
    quality = context.policy.quality
    timeline = None
    if recording is not None and quality.evidence == "timeline":
        timeline = timeline_of(context, recording)
    if not summary.spoken_words:
        return Verdict.SILENT if timeline is not None and is_silent(timeline) else None
    found = judge(
        heard,
        summary.languages,
        wanted=context.policy.intent.languages,
        timeline=timeline,
        min_coverage=quality.min_coverage,
        length_s=recording.duration_s if recording is not None else context.state.duration_s,
    )
    named = quality.weightiest(found)
    return None if named is None else Verdict(named)


def is_provisional(context: CommandContext, manifest: Manifest) -> bool:
    """
    Whether another provider may have to be asked: without a word always. With words, where the policy says so
    and there is no result yet; what was ordered beside a result is followed by nothing.
    """
    if not manifest.summary.spoken_words:
        return True
    has_result = context.state.phase is Phase.STORED or context.state.extra is not None
    return context.policy.quality.calls_for_another(manifest.finding) and not has_result
