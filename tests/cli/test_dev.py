"""`dev` starts ngrok for the domain of the settings, wherever it stands."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app.cli.up import _start_ngrok
from app.settings.environment import load_settings
from app.settings.program_name import ROOT
from tests.settings.conftest import GOOD


def test_domain_of_the_env_file_is_the_one_ngrok_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NGROK_DOMAIN", raising=False)
    (tmp_path / "ngrok").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "ngrok").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / ".env").write_text("NGROK_DOMAIN=mine.ngrok.app\nPORT=8123\n")
    (tmp_path / "ngrok.yml").write_text((ROOT / "ngrok.yml").read_text("utf-8"))
    settings = load_settings(GOOD, root=tmp_path)
    tunnel = _start_ngrok(settings)
    assert tunnel is not None
    assert tunnel.wait(timeout=9) == 0
    assert "https://mine.ngrok.app/webhooks/recall" in capsys.readouterr().out
    served = (settings.home / "ngrok.yml").read_text("utf-8")
    assert "url: https://mine.ngrok.app" in served
    assert "url: 8123" in served
    assert stat.S_IMODE(settings.home.stat().st_mode) == 0o700
