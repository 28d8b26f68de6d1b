"""How long a test waits for what is to happen, before it fails. Only a test that fails waits so long."""

from __future__ import annotations

# Each wait names what it takes on a busy machine of two cores at most; machines stand still for longer.
SLOW_MACHINE = 2.0
