"""A watcher: a cursor into a run's log, and nothing else. No queue, so a slow reader costs a number.

Where the run lives in this process the cursor follows its tail, and pages from the store only when it fell behind;
a run that lives elsewhere, or ended, is read from the store, which is asked again at each hint and 4 times a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete, Error, Logged
from thinkaloud_server.core.run import Run
from thinkaloud_server.engine.tail import PAGE_BYTES_MAX, RunTail

if TYPE_CHECKING:
    from thinkaloud_server.engine.ports import Clock, Store

# Wake-up hints may be lost; a watcher of a run in another process looks this often all the same.
POLL_S = 0.25
# How long a watcher in another process is believed to be there, and how often it says that it is.
WATCHED_FOR_S = 15.0
MARK_WATCHED_S = 5.0


class Watch:
    """One reader of one run. `ended` is true once the terminal event has been read."""

    __slots__ = (
        "_clock",
        "_idle_until",
        "_marked_at",
        "_run_id",
        "_store",
        "_tail",
        "_tenant",
        "_timer",
        "_waiter",
        "ended",
        "last_sequence",
    )

    def __init__(
        self, store: Store, clock: Clock, tenant: str, run_id: str, after_sequence: int, tail: RunTail | None
    ) -> None:
        self.last_sequence = after_sequence
        self.ended = False
        self._store = store
        self._clock = clock
        self._tenant = tenant
        self._run_id = run_id
        self._tail = tail
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._idle_until = 0.0
        self._marked_at = 0.0
        if tail is not None:
            tail.watchers += 1

    async def read(self, idle_s: float) -> Sequence[Logged]:
        """The next committed events in order; () when `idle_s` passed with none, after `wake`, or after the terminal
        event.

        Raises ChatError: STORAGE_UNAVAILABLE when the run's log broke, EVENTS_EXPIRED when events were trimmed.
        """
        self._idle_until = asyncio.get_running_loop().time() + idle_s
        while not self.ended:
            page = await self._page()
            if page:
                last = page[-1]
                self.last_sequence = last.sequence
                self.ended = isinstance(last.event, Complete | Error)
                return page
            if not self.ended and not await self._more():
                break
        return ()

    def wake(self) -> None:
        """Let a `read` that waits answer now; one of a run that lives elsewhere does at its next look."""
        self._idle_until = 0.0
        if self._waiter is not None and not self._waiter.done():
            if self._tail is not None:
                self._tail.forget(self._waiter)
            self._waiter.set_result(None)

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._tail is not None:
            self._tail.watchers -= 1
            if self._waiter is not None:
                self._tail.forget(self._waiter)

    async def _page(self) -> Sequence[Logged]:
        tail = self._tail
        if tail is not None:
            page = tail.page(self.last_sequence)
            if page is None:
                return await self._stored()
            if not page and tail.failure is not None:
                raise tail.failure
            return page
        page = await self._stored()
        if not page:
            await self._check_ended()
        return page

    async def _stored(self) -> Sequence[Logged]:
        return await self._store.read_events(self._tenant, self._run_id, self.last_sequence, PAGE_BYTES_MAX)

    async def _check_ended(self) -> None:
        """Nothing more is stored: the run lives elsewhere, or this watcher has seen its end, or it was trimmed."""
        run = await self._store.get_run(self._tenant, self._run_id)
        if run is None:
            raise ChatError(ErrorReason.NOT_FOUND, "the run was deleted")
        if run.state == "running":
            return
        if self.last_sequence < run.last_sequence:
            if await self._stored():
                return  # it ended between the two looks; the next page has the rest
            raise expired(run)
        self.ended = True

    async def _more(self) -> bool:
        """Wait until there may be more; False when the idle time passed first."""
        loop = asyncio.get_running_loop()
        if self._tail is None:
            left = self._idle_until - loop.time()
            if left <= 0:
                return False
            if loop.time() - self._marked_at >= MARK_WATCHED_S:
                self._marked_at = loop.time()
                until = self._clock.time() + WATCHED_FOR_S
                await self._store.mark_watched(self._tenant, self._run_id, until)
            await asyncio.sleep(min(POLL_S, left))
            return True
        if self._timer is None:
            self._timer = loop.call_at(self._idle_until, self._on_idle)
        waiter = self._waiter = self._tail.waiter()
        try:
            await waiter
        finally:
            self._waiter = None
            if not waiter.done() or waiter.cancelled():
                self._tail.forget(waiter)
        return loop.time() < self._idle_until

    def _on_idle(self) -> None:
        # One timer per watcher, moved on lazily: arming one per event would cost more than the event.
        loop = asyncio.get_running_loop()
        self._timer = None
        if loop.time() < self._idle_until:
            self._timer = loop.call_at(self._idle_until, self._on_idle)
        else:
            self.wake()


def expired(run: Run) -> ChatError:
    """The error for a cursor whose next event was trimmed."""
    return ChatError(
        ErrorReason.EVENTS_EXPIRED,
        f"the run's events were trimmed; the earliest that remains is {run.last_sequence + 1}: use GetRun",
        details={"earliest_sequence": run.last_sequence + 1},
    )


def check_after(run_last: int, after_sequence: int) -> None:
    """Raises ChatError(SEQUENCE_AHEAD) for a cursor beyond the end of the log."""
    if after_sequence > run_last:
        raise ChatError(
            ErrorReason.SEQUENCE_AHEAD,
            f"after_sequence is {after_sequence} and the run's log ends at {run_last}",
            details={"last_sequence": run_last},
        )
