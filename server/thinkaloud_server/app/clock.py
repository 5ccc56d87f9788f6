"""The real clock, and the real source of random ids: the two things that `core` and `engine` are given."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator


class SystemClock:
    """Wall time and monotonic time of this machine."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def new_id(prefix: str) -> str:
    """A fresh identifier: the prefix of its type and 128 random bits."""
    return f"{prefix}_{next(_random)}"


def _parts() -> Iterator[str]:
    """128 random bits at a time, as hex digits. The system is asked for many at once: a run needs four."""
    while True:
        digits = os.urandom(16 * _PARTS).hex()
        for at in range(0, len(digits), 32):
            yield digits[at : at + 32]


_PARTS = 64
_random = _parts()
