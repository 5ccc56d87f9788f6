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
    """A fresh identifier: the prefix of its type and 128 random bits, of which neighbours share the first six."""
    return f"{prefix}_{next(_digits)}"


def _drawn() -> Iterator[str]:
    """Hex digits of one identifier after the other; the system is asked for many at once, because a run needs four.

    What is drawn together begins alike, so that rows which are written together lie near each other in the store's
    indexes: a commit of several runs then writes fewer pages. The other 122 bits are each one's own.
    """
    while True:
        digits = os.urandom(16 * _DRAWN).hex()
        alike = int(digits[:2], 16) & 0xFC
        for at in range(0, len(digits), 32):
            yield f"{alike | int(digits[at + 1], 16) & 3:02x}{digits[at + 2 : at + 32]}"


_DRAWN = 256
_digits = _drawn()
