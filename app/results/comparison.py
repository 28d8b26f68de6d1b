"""
The same recordings as several providers heard them, side by side. What is stored is read; Recall is not
asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from app.adapters.sql.queries import Shown
from app.core.cost import Prices, amount_of
from app.core.state import Transcription
from app.errors import BlobMissing, TranscriptUnreadable
from app.orchestrator.ports_blobs import Blobs
from app.results.stored_files import open_result_file
from app.transcripts.agreement import Heard, agreement, coverage, heard_in
from app.transcripts.manifest import Manifest, ManifestUnreadable, parse_manifest
from app.transcripts.result_folder import MANIFEST

_NONE = "–"
COLUMNS = ("words", "speakers", "coverage", "agreement", "time", "price")
_MEANING = """
* **words**: with visible text, as the provider cut them; **speakers**: participants with at least one.
* **coverage**: of the seconds in which any of the compared transcripts has a sentence, the share in which
  this one has.
* **agreement** with each of the others, the mean: the share of words that both have in the same order, of
  the words of both (twice the longest common subsequence by the sum of the lengths). None of them is the
  truth: a low number says that they differ, not which of them is right. Capitals, accents, signs and
  speakers make no difference.
* **time**: from the first create to the stored transcript. **price**: an estimate, by `[cost]` and the
  recording's length.
* Of several recordings: words and price are sums; speakers, coverage, agreement and time are means.
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One provider's transcript of one recording; of several recordings: see `_MEANING`."""

    provider: str
    transcripts: int
    words: int = 0
    speakers: float = 0.0
    coverage: float | None = None
    agreement: float | None = None
    took_s: float | None = None
    price: float | None = None
    note: str = ""

    def cells(self, currency: str) -> tuple[str, ...]:
        """As text, by `COLUMNS`."""
        if not self.transcripts:
            return (_NONE,) * len(COLUMNS)
        speakers = f"{self.speakers:.0f}" if self.speakers == int(self.speakers) else f"{self.speakers:.1f}"
        shares = (_NONE if part is None else f"{part:.1%}" for part in (self.coverage, self.agreement))
        took = _NONE if self.took_s is None else f"{self.took_s:.0f} s"
        price = _NONE if self.price is None else f"{self.price:.4f} {currency}"
        return (str(self.words), speakers, *shares, took, price)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One recording's lines, and the agreement of each pair of providers."""

    recording_id: str
    lines: tuple[Line, ...]
    pairs: Mapping[tuple[str, str], float]


def stored_by(shown: Shown, provider: str) -> Mapping[str, Any] | None:
    """The row of the latest whole transcript that is stored of this provider."""
    rows = (a for a in shown.artifacts if a["provider"] == provider and a["draft"] is None)
    return max((a for a in rows if a["verdict"] != "unreadable"), key=lambda a: a["id"], default=None)


def is_under_way(state: Transcription, provider: str) -> bool:
    """Whether an extra of this provider is being made, or waits for its turn."""
    is_it = state.extra is not None and state.intent.provider == provider
    return is_it or any(each.intent.provider == provider for each in state.waiting_extras)


def compared(shown: Shown, providers: Sequence[str], blobs: Blobs, prices: Prices) -> Comparison:
    """What is stored of each provider. Raises `BlobsUnavailable`."""
    read = {provider: _read(shown, provider, blobs) for provider in providers}
    heard = {provider: found[1] for provider, found in read.items() if found is not None}
    names = sorted(heard)
    pairs = {(a, b): agreement(heard[a], heard[b]) for n, a in enumerate(names) for b in names[n + 1 :]}
    lines = []
    for provider, found in read.items():
        if found is None:
            lines.append(Line(provider, 0, note=_why_none(shown.transcription.state, provider)))
            continue
        manifest, own = found
        agreed = [share for pair, share in pairs.items() if provider in pair]
        line = Line(
            provider,
            1,
            words=manifest.summary.spoken_words,
            speakers=manifest.summary.speakers,
            coverage=coverage(own, heard.values()),
            agreement=fmean(agreed) if agreed else None,
            took_s=_took_s(shown, manifest.transcript_id),
            price=_price(shown, manifest, prices),
            note="adopted: nothing was paid for it here" if manifest.is_adopted else "",
        )
        lines.append(line)
    return Comparison(shown.transcription.state.recording_id, tuple(lines), pairs)


def _read(shown: Shown, provider: str, blobs: Blobs) -> tuple[Manifest, Heard] | None:
    row = stored_by(shown, provider)
    if row is None:
        return None
    with suppress(BlobMissing, ManifestUnreadable, TranscriptUnreadable):
        with blobs.open(f"{row['folder']}/{MANIFEST}") as stream:
            manifest = parse_manifest(stream.read())
        with open_result_file(blobs, row["folder"], "sentences.json") as lines:
            return manifest, heard_in(lines)
    return None


def _why_none(state: Transcription, provider: str) -> str:
    if is_under_way(state, provider):
        return "under way"
    failed = [a for a in state.attempts if a.provider == provider]
    return f"{failed[-1].status.value}: {failed[-1].error or 'no word of it'}" if failed else "not made"


def _took_s(shown: Shown, transcript_id: str) -> float | None:
    """None for one that was adopted: when it was asked for is not known here."""
    line = shown.transcription.state.attempt_of(transcript_id=transcript_id)
    if line is None:
        return None
    told = [(row["event"], row["summary"], row["at"]) for row in shown.history]
    sent = [at for event, said, at in told if (event, said.get("ordinal")) == ("sending", line.ordinal)]
    stored = [
        at for event, said, at in told if (event, said.get("transcript_id")) == ("stored", transcript_id)
    ]
    return stored[0] - sent[0] if sent and stored else None


def _price(shown: Shown, manifest: Manifest, prices: Prices) -> float | None:
    """As it was estimated when it was made, else by the prices of now."""
    line = shown.transcription.state.attempt_of(transcript_id=manifest.transcript_id)
    if line is None:
        return None
    if line.cost is not None:
        return amount_of(line.cost.micros)
    seconds = (manifest.summary.duration_ms or 0) / 1000
    micros = prices.estimate(manifest.provider, seconds, separate_streams=True) if seconds else None
    return None if micros is None else amount_of(micros)


def summed(found: Sequence[Comparison]) -> tuple[Line, ...]:
    """A line for each provider, of all recordings."""
    by_provider: dict[str, list[Line]] = {}
    for comparison in found:
        for line in comparison.lines:
            by_provider.setdefault(line.provider, []).append(line)
    return tuple(_summed(provider, lines) for provider, lines in by_provider.items())


def _summed(provider: str, lines: Sequence[Line]) -> Line:
    made = [line for line in lines if line.transcripts]
    missing = len(lines) - len(made)
    prices = _known(line.price for line in made)
    return Line(
        provider,
        len(made),
        words=sum(line.words for line in made),
        speakers=_mean(line.speakers for line in made) or 0.0,
        coverage=_mean(line.coverage for line in made),
        agreement=_mean(line.agreement for line in made),
        took_s=_mean(line.took_s for line in made),
        price=sum(prices) if prices else None,
        note=lines[0].note if len(lines) == 1 else f"{missing} missing" if missing else "",
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return fmean(known) if known else None


def report(found: Sequence[Comparison], *, currency: str, at: float) -> str:
    """Markdown: ids and numbers, no word of any transcript."""
    when = datetime.fromtimestamp(at, UTC).isoformat(" ", "seconds")
    lines = ["# Transcripts compared", "", f"{len(found)} recordings, {when}.", ""]
    lines += [*_table(summed(found), currency), *_MEANING.splitlines()]
    for comparison in found:
        lines += ["", f"## {comparison.recording_id}", "", *_table(comparison.lines, currency)]
        if comparison.pairs:
            lines += [
                "",
                *(f"* {a}, {b}: agreement {share:.1%}" for (a, b), share in comparison.pairs.items()),
            ]
    return "\n".join(lines) + "\n"


def _table(lines: Iterable[Line], currency: str) -> Iterator[str]:
    heading = ("provider", "transcripts", *COLUMNS, "note")
    yield f"| {' | '.join(heading)} |"
    yield "|---" * len(heading) + "|"
    for line in lines:
        cells = (line.provider, str(line.transcripts), *line.cells(currency), line.note)
        yield f"| {' | '.join(cells)} |"
