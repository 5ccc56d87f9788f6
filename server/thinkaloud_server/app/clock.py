"""The real clock, and the real source of random ids: the two things that `core` and `engine` are given."""

from __future__ import annotations

import secrets
import time


class SystemClock:
    """Wall time and monotonic time of this machine."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def new_id(prefix: str) -> str:
    """A fresh identifier: the prefix of its type and 128 random bits."""
    return f"{prefix}_{secrets.token_hex(16)}"
