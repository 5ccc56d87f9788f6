"""Moves the write-ahead log into the database, in a thread and on a connection of its own.

A checkpoint that runs in the writer stops every stream of the process while the disk works. Here it runs beside
the writer (PASSIVE: it takes no lock that a writer wants). A passive one never catches up with a writer that
never rests, so a log that has grown far is then reset (RESTART): that does stop writers, but only while the few
pages since the passive pass are moved.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from asyncio import to_thread

# 16 MiB: the pages that most commits touch are then moved once for hundreds of them.
PAGES_DUE = 4_000
PAGES_RESTART = 16_000
_STATEMENT = "PRAGMA wal_checkpoint(%s)"


class Checkpointer:
    """Woken by the writer through `wrote`; owns its connection."""

    def __init__(self, connection: sqlite3.Connection, *, pages_due: int, pages_restart: int) -> None:
        """`pages_due` written pages wake it; a log longer than `pages_restart` pages is reset."""
        self._connection = connection
        self._pages_due = pages_due
        self._pages_restart = pages_restart
        self._pages = 0
        self._closed = False
        self._due = threading.Event()
        self._thread = threading.Thread(target=self._work, name="store-checkpoint", daemon=True)
        self._thread.start()

    def wrote(self, pages: int) -> None:
        """About so many pages went into the log. Called by the writer's thread, and only there."""
        self._pages += pages
        if self._pages >= self._pages_due:
            self._pages = 0
            self._due.set()

    async def close(self) -> None:
        """End the thread; the last connection to close moves the rest of the log by itself."""
        self._closed = True
        self._due.set()
        await to_thread(self._thread.join)

    def _work(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._closed:
                break
            # A checkpoint that fails (disk full, file locked) loses nothing: the log is read as before, and the
            # next one comes when as many pages are due again.
            with contextlib.suppress(sqlite3.Error):
                self._checkpoint()
        self._connection.close()

    def _checkpoint(self) -> None:
        (_, pages, _) = self._connection.execute(_STATEMENT % "PASSIVE").fetchone()
        if pages > self._pages_restart:
            self._connection.execute(_STATEMENT % "RESTART").fetchone()
