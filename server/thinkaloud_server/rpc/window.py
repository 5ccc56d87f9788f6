"""Requests in a window of time that moves: what is counted, and how callers are told of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc.call import Call

_PREFIX = "x-ratelimit-"
_REMAINING = f"{_PREFIX}remaining"


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of one request. After `reset_s` the oldest one of the window is forgotten, so one more has room."""

    admitted: bool
    limit: int
    remaining: int
    reset_s: float


class Window(Protocol):
    """Counts requests by who sends them; those that it refuses are not counted."""

    async def hit(self, who: str, limit: int) -> Counted:
        """One more request."""


class Tally(Window, Protocol):
    """One that can be asked without being told of anything."""

    async def look(self, who: str, limit: int) -> Counted:
        """What `hit` would say of one more, and nothing is counted."""


def admit(call: Call, counted: Counted, whose: str) -> None:
    """Tell the caller of its limit; of two limits the one that is nearer. Raises ChatError(RATE_LIMITED)."""
    headers = call.answer_headers
    if headers is not None:
        told = next((int(value) for name, value in headers if name == _REMAINING), None)
        if told is None or counted.remaining < told or not counted.admitted:
            headers[:] = [header for header in headers if not header[0].startswith(_PREFIX)]
            headers.append((f"{_PREFIX}limit", str(counted.limit)))
            headers.append((_REMAINING, str(counted.remaining)))
            headers.append((f"{_PREFIX}reset", str(math.ceil(counted.reset_s))))
    if not counted.admitted:
        raise ChatError(
            ErrorReason.RATE_LIMITED,
            f"{counted.limit} requests a minute is the limit of {whose}: try again in {math.ceil(counted.reset_s)} s",
            retry_after_s=counted.reset_s,
        )
