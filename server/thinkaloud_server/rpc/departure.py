"""The server leaves, and whoever watches a run is told at once: time to go elsewhere before anything is cut."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from thinkaloud_server.rpc.ports import Watch


class Departure:
    """Knows the open watches. One that waits in its `read` is woken when it begins, and finds `begun` set."""

    def __init__(self) -> None:
        self.begun = False
        self._watches: set[Watch] = set()

    def begin(self) -> None:
        """From now on the server is leaving."""
        self.begun = True
        for watch in self._watches:
            watch.wake()

    @contextmanager
    def concerns(self, watch: Watch) -> Iterator[None]:
        """While this watch is open."""
        self._watches.add(watch)
        try:
            yield
        finally:
            self._watches.discard(watch)
