"""Threads that own a SQLite connection, fed by a queue and answering on the event loop.

SQLite blocks, so it never runs on the loop. Everything that waits in the queue when a worker becomes free is
served as one group and answered with one wake-up of the loop. The queue has no bound of its own: each entry is a
coroutine that waits for its answer, and callers bound those.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from thinkaloud_server.stores.commit import Failed
from thinkaloud_server.stores.connection import as_chat_error
from thinkaloud_server.stores.errors import unavailable

W = TypeVar("W")
Serve = Callable[[sqlite3.Connection, Sequence[W]], list[object]]


@dataclass(frozen=True, slots=True)
class _Job(Generic[W]):
    work: W
    future: asyncio.Future[Any]


class Worker(Generic[W]):
    """One or more threads that serve one queue. Used from one event loop; `close` it there."""

    def __init__(
        self, name: str, connections: Sequence[sqlite3.Connection], serve: Serve[W], *, group_max: int
    ) -> None:
        """Start a thread for each connection. `serve` answers every work of a group, in order."""
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Job[W] | None] = SimpleQueue()
        self._serve = serve
        self._group_max = group_max
        self._closed = False
        # Daemons: a process that ends without closing its store must not hang. What was answered is committed.
        self._threads = [
            threading.Thread(target=self._work, args=(connection,), name=f"{name}-{number}", daemon=True)
            for number, connection in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    async def ask(self, work: W) -> Any:
        """The outcome of this work; raises what it failed with, or ChatError(STORAGE_UNAVAILABLE) when closed.

        A caller that is cancelled leaves at once; its work may be done all the same.
        """
        if self._closed:
            raise unavailable("the store is closed")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put(_Job(work, future))
        return await future

    def refuse(self) -> None:
        """Take no more work; what was asked before is still done."""
        if not self._closed:
            self._closed = True
            for _ in self._threads:
                self._queue.put(None)

    async def close(self) -> None:
        """Do what was asked before, refuse what comes after, and end the threads."""
        self.refuse()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _work(self, connection: sqlite3.Connection) -> None:
        more = True
        while more:
            group, more = self._gather()
            if group:
                self._tell(group, self._outcomes(connection, group))
            # Nothing that an answer holds may live on while this thread sleeps.
            del group
        connection.close()

    def _gather(self) -> tuple[list[_Job[W]], bool]:
        """Wait for work, then take all there is; False when there will be no more."""
        group: list[_Job[W]] = []
        job = self._queue.get()
        while job is not None:
            group.append(job)
            if len(group) == self._group_max:
                return group, True
            try:
                job = self._queue.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _outcomes(self, connection: sqlite3.Connection, group: list[_Job[W]]) -> list[object]:
        try:
            return self._serve(connection, [job.work for job in group])
        except Exception as error:
            return [Failed(as_chat_error(error))] * len(group)

    def _tell(self, group: list[_Job[W]], outcomes: list[object]) -> None:
        # A closed loop has nobody who waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_answer, group, outcomes)


def _answer(group: list[_Job[W]], outcomes: list[object]) -> None:
    for job, outcome in zip(group, outcomes, strict=True):
        if job.future.done():  # its caller was cancelled
            continue
        if isinstance(outcome, Failed):
            job.future.set_exception(outcome.error)
        else:
            job.future.set_result(outcome)
