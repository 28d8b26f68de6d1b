"""Asking after processes that may end while they are asked."""

from __future__ import annotations

import psutil


def is_zombie(process: psutil.Process) -> bool:
    """It has ended and was not waited for. One that was waited for is none any more."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_alive(process: psutil.Process) -> bool:
    """It runs: neither gone nor a zombie."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
