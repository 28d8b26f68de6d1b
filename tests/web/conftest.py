from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web import receiver as receivers


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[receivers.Receiver]:
    """The real gunicorn, configured as shipped; whatever a test sent, it must not have logged a traceback."""
    running = receivers.start(tmp_path_factory.mktemp("receiver"))
    yield running
    assert running.process.poll() is None, running.log
    receivers.stop(running)
    assert "Traceback" not in running.log
    assert running.process.returncode == 0, running.log
