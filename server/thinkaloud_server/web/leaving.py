"""The other end of an answer: a caller that leaves ends what is done for it, and one that stops reading is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.types import Message, Receive, Send

# What is answered sooner needs nobody who waits for its caller to leave.
_SOON_S = 0.05
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
    """Do the work; cancel it and raise Gone when the caller leaves or stalls. The body was read before.

    The work is done by the task that asks, for one more for each request, and waiting for it, cost more than a short
    answer does elsewhere; and whether the caller is still there is asked only of work that is not done soon.
    """
    task = asyncio.current_task()
    assert task is not None
    cancelling = task.cancelling()
    watch = _Watch(task, receive, pace, stall_timeout_s / _LOOKS)
    try:
        await work
    except (asyncio.CancelledError, Exception):
        if watch.gone is None:
            raise
    finally:
        watch.close()
    if watch.gone is not None:
        if task.uncancel() > cancelling:
            raise asyncio.CancelledError
        raise watch.gone


class _Watch:
    """Cancels the task once its caller has left, or has taken nothing for so many looks."""

    def __init__(self, task: asyncio.Task[Any], receive: Receive, pace: Pace, every_s: float) -> None:
        self.gone: Gone | None = None
        self._task = task
        self._receive = receive
        self._pace = pace
        self._every_s = every_s
        self._stuck = self._looks = 0
        self._left: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(min(_SOON_S, every_s), self._begin)
        self._closed = False

    def close(self) -> None:
        self._closed = True
        self._timer.cancel()
        if self._left is not None:
            self._left.cancel()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._left = loop.create_task(_left(self._receive))
        self._left.add_done_callback(lambda _: self._end("left"))
        self._timer = loop.call_later(self._every_s, self._look)

    def _look(self) -> None:
        waiting = self._pace.waiting_since
        self._looks = self._looks + 1 if waiting and waiting == self._stuck else 0
        self._stuck = waiting
        if self._looks >= _LOOKS:
            self._end("stalled")
        else:
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self._look)

    def _end(self, how: str) -> None:
        if not self._closed and self.gone is None:
            self.gone = Gone(how)
            self._task.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
