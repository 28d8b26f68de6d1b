"""
The Recall workspaces of one installation, by name: how each is reached, and what is wanted there.

A recording belongs to one of them, and its policy, its key and its secrets are that one's. The `RECALL_*`
settings are the workspace `default`, the only one that settings can name today; nothing else knows that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from app.core.policy import Policy
from app.recall.signatures import Secret, fingerprint_of
from app.settings.environment import Settings

DEFAULT_WORKSPACE = "default"


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    """One workspace as the operator described it. Secrets are kept out of `repr`."""

    name: str
    api_base_url: str
    api_key: str = field(repr=False)
    webhook_secrets: tuple[Secret, ...] = field(repr=False)
    policy: Policy

    @property
    def fingerprint(self) -> str:
        """Of the API key."""
        return fingerprint_of(self.api_key.encode())


def workspaces_of(settings: Settings) -> dict[str, WorkspaceSettings]:
    """By name."""
    default = WorkspaceSettings(
        DEFAULT_WORKSPACE, settings.api_base_url, settings.api_key, settings.webhook_secrets, settings.policy
    )
    return {default.name: default}
