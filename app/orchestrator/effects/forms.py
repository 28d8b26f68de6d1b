"""
In which form a provider reads its options, and which of its models it takes: found out by creates that are
refused, which cost nothing, and remembered for the workspace.

Could it pay twice? A refusal is definite: nothing was made, and the same attempt goes on under its next key.
The answer to a create under a key of unknown fate teaches nothing.
"""

from __future__ import annotations

from app.core.policy import ProviderChoice
from app.orchestrator.command_context import CommandContext
from app.orchestrator.outcome import Later
from app.orchestrator.planning import is_form_open
from app.orchestrator.provider_forms import Form, KnownForm
from app.recall.limits import CreateFault
from app.recall.types import CreateAnswer


def why_wait(context: CommandContext, provider: str) -> Later | None:
    """Before a send under a fresh key. None: the form is known, or this create is the one to find it out."""
    known = _known(context, provider)
    if not is_form_open(provider, context.workspace.policy) or known.form is not None:
        return None
    if known.is_quiet(context.now()):
        return None
    recording, durations = context.recording_id, context.policy.durations
    now_known = context.store.update_form(
        context.workspace.name,
        provider,
        lambda known, now: known.held(recording, now=now, hold_s=durations.form_hold_s),
    )
    if now_known.is_awaited(recording):
        return Later(durations.form_wait_s, "form_of_options", ends_by_itself=True)
    if (now_known.form, now_known.refused) != (known.form, known.refused):
        return Later(0.0, "form_of_options", ends_by_itself=True)  # it was planned by what was known before
    return None


def is_said_otherwise(context: CommandContext, choice: ProviderChoice, answer: CreateAnswer) -> bool:
    """Learns from the answer to a fresh create; whether the attempt is to go on in another form."""
    if answer.kind == "created":
        _accepted(context, choice)
    if answer.kind != "refused" or answer.fault is not CreateFault.PROVIDER:
        return False
    return _is_model_refused(context, choice, answer) or _is_form_refused(context, choice)


def _known(context: CommandContext, provider: str) -> KnownForm:
    return context.before.forms.get(provider, KnownForm())


def _form(choice: ProviderChoice) -> Form:
    return "recall" if choice.form == "recall" else "vendor"


def _accepted(context: CommandContext, choice: ProviderChoice) -> None:
    if is_form_open(choice.key, context.workspace.policy) and _known(context, choice.key).form is None:
        form = _form(choice)
        context.store.update_form(
            context.workspace.name, choice.key, lambda known, _now: known.accepted(form)
        )


def _is_model_refused(context: CommandContext, choice: ProviderChoice, answer: CreateAnswer) -> bool:
    model = choice.model
    if model is None or not answer.names_model or model in _known(context, choice.key).refused_models:
        return False
    for_s = context.policy.durations.form_again_s
    context.store.update_form(
        context.workspace.name,
        choice.key,
        lambda known, now: known.without_model(model, now=now, for_s=for_s),
    )
    return True


def _is_form_refused(context: CommandContext, choice: ProviderChoice) -> bool:
    if not is_form_open(choice.key, context.workspace.policy):
        return False
    form, quiet_s = _form(choice), context.policy.durations.form_again_s
    known = context.store.update_form(
        context.workspace.name,
        choice.key,
        lambda known, now: known.refused_in(form, now=now, quiet_s=quiet_s),
    )
    return known.refused is not None if known.form is None else known.form != form
