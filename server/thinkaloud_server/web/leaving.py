"""The other end of an answer: a caller that leaves ends what is done for it, and one that stops reading is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Message, Receive, Send

_CHECKS = 4


class Gone(Exception):
    """The caller is not there any more, or might as well not be."""


class Pace:
    """Sends, and knows since when one send has been waiting for its reader.

    `started` tells that an answer was begun, and can be no other any more. A timer for each send would cost as much as
    writing the event; so the moment is noted, and looked at now and then.
    """

    __slots__ = ("_now", "_send", "since", "started")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._now = asyncio.get_running_loop().time
        self.since = 0.0
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.since = self._now()
        self.started = True
        await self._send(message)
        self.since = 0.0

    def stalled(self, limit_s: float) -> bool:
        """True when a send has been waiting for longer than this."""
        return self.since > 0 and self._now() - self.since > limit_s


async def while_there(receive: Receive, work: Coroutine[Any, Any, None], pace: Pace, stall_timeout_s: float) -> None:
    """Do the work; cancel it and raise Gone when the caller leaves or stalls. The body was read before."""
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_left(receive))
    try:
        while not task.done():
            await asyncio.wait((task, left), timeout=stall_timeout_s / _CHECKS, return_when=asyncio.FIRST_COMPLETED)
            if left.done() and not task.done():
                raise Gone("left")
            if pace.stalled(stall_timeout_s):
                raise Gone("stalled")
        await task
    finally:
        task.cancel()
        left.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
