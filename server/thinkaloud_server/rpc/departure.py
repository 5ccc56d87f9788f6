"""The server leaves, and whoever waits for it is told at once: time to go elsewhere before anything is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Waiting(Protocol):
    """Something that waits: a watch in its `read`, say."""

    def wake(self) -> None: ...


class Departure:
    """Knows who waits. They are woken when it begins, and find `begun` set."""

    def __init__(self) -> None:
        self.begun = False
        self._waiting: set[Waiting] = set()

    def begin(self) -> None:
        """From now on the server is leaving."""
        self.begun = True
        for each in self._waiting:
            each.wake()

    @contextmanager
    def concerns(self, waiting: Waiting) -> Iterator[None]:
        """As long as this waits."""
        self._waiting.add(waiting)
        try:
            yield
        finally:
            self._waiting.discard(waiting)

    async def wait(self) -> None:
        """Until it begins."""
        begun = _Begun()
        with self.concerns(begun):
            if not self.begun:
                await begun.wait()


class _Begun(asyncio.Event):
    wake = asyncio.Event.set
