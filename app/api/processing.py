"""
`/v1/projects/{workspace}/config/processing`: whether recordings are transcribed by themselves, and by which
provider first. Kept in the database, above the policy. Who may write it can start paying for everything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from flask import Response

from app.adapters.sql.access import Access
from app.api.calls import Call
from app.api.problems import Problem
from app.api.transcribing import provider_of
from app.api.types import ProcessingConfig
from app.core.policy import Policy

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ProcessingConfigs:
    store: Access
    policies: Mapping[str, Policy]

    def show(self, call: Call) -> Response:
        workspace, policy = self._of(call)
        policy = policy.processed(self.store.processing(workspace))
        auto = {"enabled": policy.select.default == "all", "provider": policy.providers[0].key}
        return Response(json.dumps({"auto_transcription": auto}), content_type="application/json")

    def change(self, call: Call) -> Response:
        workspace, _ = self._of(call)
        config: ProcessingConfig = call.body
        auto = config.auto_transcription
        provider = provider_of(auto.provider)
        self.store.set_processing(workspace, is_enabled=auto.enabled, provider=provider, by=call.key.name)
        log.warning(
            "processing_changed",
            key=call.key.name,
            workspace=workspace,
            enabled=auto.enabled,
            provider=provider,
            what_follows="every new recording is transcribed and paid for"
            if auto.enabled
            else "only recordings that the policy includes are transcribed",
        )
        return self.show(call)

    def _of(self, call: Call) -> tuple[str, Policy]:
        workspace = call.path["workspace"]
        policy = self.policies.get(workspace)
        if policy is None or call.key.workspace not in (None, workspace):
            raise Problem("not_found", "There is no such workspace, or this key may not see it.")
        return workspace, policy
