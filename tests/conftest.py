"""What holds for all tests."""

from __future__ import annotations

import signal

# A run under nohup, or of a script in the background, ignores it; what a test starts must hear it.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Started in the background by a shell, Ctrl-C is ignored here and in every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
