"""Who may start paying for everything by `/v1`, and who did: told by `check` and `status`."""

from __future__ import annotations

from collections.abc import Iterator

from app.adapters.sql.access import Access
from app.api.keys import Scope
from app.cli.words import time_of
from app.settings.environment import Settings
from app.settings.workspaces import workspaces_of


def access_notes(store: Access, settings: Settings) -> Iterator[str]:
    """No trouble, and to be known. Raises `StoreUnavailable`."""
    able = [key.name for key in settings.api_keys if Scope.CONFIG_WRITE in key.scopes]
    kept = (key for key in store.access_keys() if key.revoked_at is None)
    able += [key.name for key in kept if Scope.CONFIG_WRITE in key.scopes]
    if able:
        yield (
            f"By config:write can start paying for every new recording: {', '.join(able)} "
            "(`./afterword keys list`)."
        )
    for workspace in workspaces_of(settings):
        said = store.processing(workspace)
        if said is not None:
            which = "every new recording" if said.is_enabled else "only what the policy includes"
            first = f", {said.provider} first" if said.provider else ""
            at = time_of(said.at)
            yield f"Workspace {workspace}: {which}{first}. The API key {said.by} said so at {at}."
