"""The real clock; implements `ports.Clock`."""

from __future__ import annotations

import functools
import sys
import time
import uuid
from pathlib import Path


class SystemClock:
    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def boottime(self) -> float:
        """
        Seconds that also pass while the machine sleeps.

        Linux's monotonic clock stops in suspend, hence CLOCK_BOOTTIME; macOS's `mach_continuous_time`
        is what Python's CLOCK_MONOTONIC_RAW reads there, and it goes on.
        """
        clock_id = time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC_RAW
        return time.clock_gettime(clock_id)


@functools.cache
def boot_id() -> str:
    """
    Names this start of this machine, the same for all of its processes.

    Linux tells it itself (random(4)); macOS as `kern.bootsessionuuid` (sysctl). Elsewhere the machine's
    address stands for it: a restart, after which `boottime` begins anew, then looks like a step of the clock.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _session_of_macos() or f"{uuid.getnode():x}"


def _session_of_macos() -> str:
    if sys.platform == "darwin":
        import ctypes

        said, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        ask = ctypes.CDLL(None).sysctlbyname
        if ask(b"kern.bootsessionuuid", said, ctypes.byref(size), None, ctypes.c_size_t(0)) == 0:
            return said.value.decode()
    return ""
