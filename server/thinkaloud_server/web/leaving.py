"""The other end of an answer: a caller that leaves ends what is done for it, and one that stops reading is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Message, Receive, Send

# A send that is the same one at so many looks in a row has been waiting for the whole time between them.
_LOOKS = 4


class Gone(Exception):
    """The caller is not there any more, or might as well not be."""


class Pace:
    """Sends, and knows whether one send is waiting for its reader.

    `started` tells that an answer was begun, and can be no other any more. A timer for each send, or even the time of
    it, would cost a good part of what writing the event does; so sends are counted, and the count is looked at.
    """

    __slots__ = ("_send", "_waiting", "count")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._waiting = False
        self.count = 0

    async def __call__(self, message: Message) -> None:
        self.count += 1
        self._waiting = True
        await self._send(message)
        self._waiting = False

    @property
    def started(self) -> bool:
        return self.count > 0

    @property
    def waiting_since(self) -> int:
        """The number of the send that is waiting now; 0 when none is."""
        return self.count if self._waiting else 0


async def while_there(receive: Receive, work: Coroutine[Any, Any, None], pace: Pace, stall_timeout_s: float) -> None:
    """Do the work; cancel it and raise Gone when the caller leaves or stalls. The body was read before."""
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_left(receive))
    stuck, looks = 0, 0
    try:
        while not task.done():
            await asyncio.wait((task, left), timeout=stall_timeout_s / _LOOKS, return_when=asyncio.FIRST_COMPLETED)
            if left.done() and not task.done():
                raise Gone("left")
            looks = looks + 1 if pace.waiting_since and pace.waiting_since == stuck else 0
            stuck = pace.waiting_since
            if looks >= _LOOKS:
                raise Gone("stalled")
        await task
    finally:
        task.cancel()
        left.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
