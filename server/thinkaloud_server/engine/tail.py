"""The shared tail: the last committed events of a live run, in memory, and who waits for more.

Cursors at the tail never touch the store; a cursor that fell behind it pages from there (`page` answers None).
What lies here is always committed: nothing enters but what the store acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.event import Event, Logged, Reasoning, Token

TAIL_BYTES_MAX = 256 * 1024
PAGE_BYTES_MAX = 64 * 1024

# What a small event costs beside its text: the value, its number and its place in the list.
_EVENT_BYTES = 200
_TEXT = (Token, Reasoning)


class RunTail:
    """The end of one run's log. `failure` is set when the log broke: there will be no more events."""

    __slots__ = ("_bytes", "_events", "_first", "_waiters", "failure", "last_sequence", "on_caught_up", "watchers")

    def __init__(self, last_sequence: int) -> None:
        self.last_sequence = last_sequence
        self.failure: ChatError | None = None
        self.watchers = 0
        self.on_caught_up: Callable[[], None] | None = None
        self._first = last_sequence + 1
        self._events: list[Logged] = []
        self._bytes = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def extend(self, events: Sequence[Event]) -> None:
        """Add what was committed and wake everyone who waits."""
        sequence = self.last_sequence
        for event in events:
            sequence += 1
            self._events.append(Logged(sequence, event))
            self._bytes += event_bytes(event)
        self.last_sequence = sequence
        if self._bytes > TAIL_BYTES_MAX:
            self._trim()
        self.wake()

    def fail(self, failure: ChatError) -> None:
        """The log of this run takes no more events here."""
        self.failure = failure
        self.wake()

    def page(self, after_sequence: int) -> Sequence[Logged] | None:
        """The next events after this number, at most a page; None when they are no longer in memory."""
        start = after_sequence + 1 - self._first
        if start < 0:
            return None
        if start >= len(self._events):
            return ()
        page = self._events[start:]
        if self._bytes > PAGE_BYTES_MAX:
            size = 0
            for count, logged in enumerate(page):
                size += event_bytes(logged.event)
                if size > PAGE_BYTES_MAX and count:
                    return page[:count]
        return page

    @property
    def caught_up(self) -> bool:
        """Whether somebody has read everything and waits, or nobody reads at all."""
        return bool(self._waiters) or not self.watchers

    def waiter(self) -> asyncio.Future[None]:
        """A future that is done when there is something new."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(future)
        if self.on_caught_up is not None:
            self.on_caught_up()
        return future

    def forget(self, waiter: asyncio.Future[None]) -> None:
        """The watcher of this future left."""
        self._waiters.discard(waiter)

    def wake(self) -> None:
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _trim(self) -> None:
        # A quarter at a time, so that the cost of moving the list is spread over many commits.
        dropped = 0
        while self._bytes > TAIL_BYTES_MAX * 3 // 4 and dropped < len(self._events) - 1:
            self._bytes -= event_bytes(self._events[dropped].event)
            dropped += 1
        del self._events[:dropped]
        self._first += dropped


def event_bytes(event: Event) -> int:
    """About what an event weighs in memory."""
    if isinstance(event, _TEXT):
        return _EVENT_BYTES + len(event.token)
    return _EVENT_BYTES * 4
