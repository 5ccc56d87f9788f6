"""A live run: its task, who watches it, and what is to happen when nobody does any more.

A run belongs to nobody's connection. Leaving only counts: when the last watcher leaves, the run's `detach` decides
whether it is abandoned at once, after a while, or never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from thinkaloud_server.core.run import Run
from thinkaloud_server.engine.log import RunWriter

if TYPE_CHECKING:
    from thinkaloud_server.engine.ports import Store

Ending = Literal["stopped", "abandoned", "deadline", "interrupted", "lost"]

# A run that nobody came to watch at all ends after its detach, but not sooner than this: a busy server may need a
# moment to bring a caller from its begun run to its first event.
UNCLAIMED_S = 10.0


class LiveRun:
    """One run of this process that has not ended."""

    __slots__ = (
        "_detach",
        "_on_unwatched",
        "_timers",
        "begun",
        "closing",
        "ending",
        "run",
        "store",
        "task",
        "watchers",
        "writer",
    )

    def __init__(self, run: Run, writer: RunWriter, store: Store, on_unwatched: Callable[[LiveRun], None]) -> None:
        self.run = run
        self.writer = writer
        self.store = store
        self.watchers = 0
        self.ending: Ending | None = None
        self.begun = False
        self.closing = False
        self.task: asyncio.Task[None] | None = None
        self._on_unwatched = on_unwatched
        self._detach: asyncio.TimerHandle | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._arm(max(run.detach_s, UNCLAIMED_S) if run.detach_s >= 0 else None)

    @property
    def ended(self) -> asyncio.Event:
        """Set once the terminal event is committed (or the log broke)."""
        return self.writer.ended

    def open(self) -> None:
        """Somebody watches."""
        self.watchers += 1
        self._disarm()

    def close(self) -> None:
        """Somebody left."""
        self.watchers -= 1
        if self.watchers or self.closing:
            return
        if self.run.detach_s == 0:
            self._on_unwatched(self)
        elif self.run.detach_s > 0:
            self._arm(self.run.detach_s)

    def unclaimed(self) -> None:
        """The caller left while its run was being made."""
        if not self.watchers and self.run.detach_s >= 0:
            self._arm(self.run.detach_s)

    def rearm(self, seconds: float) -> None:
        """Look again later whether somebody watches."""
        self._arm(seconds)

    def deadline(self, seconds: float) -> None:
        """The caller's own deadline stops the run, unless it was told to run to its end."""
        if self.run.detach_s >= 0:
            loop = asyncio.get_running_loop()
            self._timers.append(loop.call_later(max(seconds, 0.0), self.stop, "deadline"))

    def stop(self, ending: Ending) -> None:
        """End the run now; its task closes the provider's connection and the log. The first word counts.

        A task that is cancelled before its first step never takes one, and would leave the run without its end: until
        `begun`, it finds the word when it begins.
        """
        if self.ending is None and not self.closing and self.task is not None:
            self.ending = ending
            if self.begun:
                self.task.cancel()

    def settled(self) -> None:
        """The run ended: no timer of it fires any more."""
        self.task = None
        self.writer.part()
        self._disarm()
        for timer in self._timers:
            timer.cancel()

    def _arm(self, seconds: float | None) -> None:
        self._disarm()
        if seconds is not None:
            self._detach = asyncio.get_running_loop().call_later(seconds, self._fire)

    def _disarm(self) -> None:
        if self._detach is not None:
            self._detach.cancel()
            self._detach = None

    def _fire(self) -> None:
        self._detach = None
        if not self.watchers and not self.closing:
            self._on_unwatched(self)
