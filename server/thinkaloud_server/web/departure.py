"""A face that leaves without the service behind it: whoever reads a stream through it is told at once to go elsewhere.

A service that leaves says so itself, in its streams; the face in its own process has nothing to add.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from thinkaloud_server.web import words
from thinkaloud_server.web.write import Event

# For one reader to take the word. Who does not read now is not waited for, and resumes when it is cut.
TELL_S = 1.0

MESSAGE = "the server is shutting down: connect again, and resume"
# Of this connection, so it has no number.
RECONNECT = Event(words.WARNING, msgspec.json.encode({"code": "RECONNECT", "message": MESSAGE}), 0, "")


class Departure:
    """Knows the streams that are open, and how to tell each. One that opens later finds that it has `begun`."""

    def __init__(self) -> None:
        self.begun = False
        self._telling: set[Callable[[], Awaitable[object]]] = set()

    async def begin(self) -> None:
        """Tell them all."""
        self.begun = True
        await asyncio.gather(*map(_told, list(self._telling)))

    @contextmanager
    def concerns(self, tell: Callable[[], Awaitable[object]]) -> Iterator[None]:
        """As long as this stream is open."""
        self._telling.add(tell)
        try:
            yield
        finally:
            self._telling.discard(tell)


async def _told(tell: Callable[[], Awaitable[object]]) -> None:
    # An answer that ended while this waited for its reader takes no more, and the ASGI server says that so.
    with suppress(OSError, RuntimeError, TimeoutError):
        async with asyncio.timeout(TELL_S):
            await tell()
