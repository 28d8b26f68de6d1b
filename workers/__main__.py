"""
`python -m workers`: the workers alone (N for commands, one for the inbox), forked from one parent that
has everything imported; those that die are started again. For a Procfile or a machine of its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from app.processes.supervisor import Supervisor
from workers.entry import run
from workers.storage_at_start import refuse_unfit_storage
from workers.up import preload, refuse_unfit_redis, worker_specs

if TYPE_CHECKING:
    from app.settings.environment import Settings


def main() -> int:
    """Returns the exit code; see `app.processes.supervisor.Supervisor.run`."""
    return run("workers", _work)


def _work(settings: Settings) -> int:
    refuse_unfit_redis(settings)
    store = preload(settings, is_with_web=False)
    refuse_unfit_storage(settings)
    return Supervisor(worker_specs(settings, store)).run()


if __name__ == "__main__":
    sys.exit(main())
