"""What this process uses of its machine."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

_STATM = Path("/proc/self/statm")
_DESCRIPTORS = Path("/dev/fd")


def memory_bytes() -> int:
    """Resident memory; its peak where the system does not say how much it is now."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def cpu_s() -> float:
    """CPU time since the start, of the user and of the system for it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def open_files() -> int:
    """Open file descriptors, without the one that looks."""
    return len(os.listdir(_DESCRIPTORS)) - 1 if _DESCRIPTORS.exists() else 0
