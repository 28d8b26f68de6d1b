"""
What creates have shown of one provider of a workspace: in which form it reads its options, and which models
it refuses. PURE: a row of the store, and what each answer makes of it.

    not known --a create is refused--> the other form is to be tried --it is accepted--> known
    not known --a create is accepted--> known        --it is refused, too--> not asked again for a day

One recording's create at a time finds it out, for a minute at most; the others wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self

Form = Literal["recall", "vendor"]


@dataclass(frozen=True, slots=True)
class KnownForm:
    """Times are seconds since the epoch by the database's clock."""

    form: Form | None = None  # None: not known
    refused: Form | None = None  # the one that a first create was refused in; the other is to be tried
    held_by: str | None = None  # the recording whose create finds it out
    held_until: float = 0.0
    quiet_until: float = 0.0  # both were refused: it is no matter of the form
    refused_models: tuple[str, ...] = ()
    models_until: float = 0.0  # then they are tried again
    refused_until: float = 0.0  # then `refused` is forgotten: it may have been for another reason

    def held(self, by: str, *, now: float, hold_s: float) -> KnownForm:
        """Held by this recording where there is something to find out and no other one is at it."""
        # No hold lies further ahead, unless the clock was set back since.
        is_taken = self.held_by not in (None, by) and now < self.held_until <= now + hold_s
        if self.form is not None or self.is_quiet(now) or is_taken:
            return self
        return replace(self, held_by=by, held_until=now + hold_s)

    def is_quiet(self, now: float) -> bool:
        return self.form is None and now < self.quiet_until

    def is_awaited(self, by: str) -> bool:
        """Whether another recording's create is finding it out."""
        return self.form is None and self.held_by not in (None, by)

    def accepted(self, form: Form) -> KnownForm:
        """A create in this form made a transcript."""
        return replace(self, form=form, refused=None, held_by=None, held_until=0.0, quiet_until=0.0)

    def refused_in(self, form: Form, *, now: float, quiet_s: float) -> KnownForm:
        """A create in this form was refused. With `refused` set afterwards, the other one is to be tried."""
        if self.form is not None or self.is_quiet(now):
            return self
        if self.refused is None:
            return replace(self, refused=form, refused_until=now + quiet_s)
        if self.refused == form:
            return self
        return replace(self, refused=None, held_by=None, held_until=0.0, quiet_until=now + quiet_s)

    def without_model(self, model: str, *, now: float, for_s: float) -> KnownForm:
        """Once it was refused: for a while it is not named."""
        models = tuple(dict.fromkeys((*self.refused_models, model)))
        return replace(self, refused_models=models, models_until=now + for_s)

    def at(self, now: float) -> KnownForm:
        """As it stands now."""
        models = self.refused_models if now < self.models_until else ()
        return replace(
            self, refused=self.refused if now < self.refused_until else None, refused_models=models
        )

    def to_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        known = {field.name: record[field.name] for field in fields(cls) if field.name in record}
        return cls(**{**known, "refused_models": tuple(known.get("refused_models", ()))})


Forms = Mapping[str, KnownForm]  # by provider
