"""The API keys of a running server: all of them in memory, and a thread that keeps them as the file has them.

The thread asks once a second whether anybody has changed the file, which costs no read of it; so a key that is revoked
on the command line counts no more within two seconds, and a call that brings one waits for nothing. Who brings a key
that nobody knows may ask for a look at once (`look`), so that a new key counts when it is first used.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import msgspec

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.key import Key
from thinkaloud_server.stores.errors import unavailable
from thinkaloud_server.stores.key_file import KeyFile

_log = logging.getLogger(__name__)

LOOK_S = 1.0
# Looks that are asked for come at most so often, whoever asks: strangers cannot keep the thread from its work.
LOOK_AGAIN_S = 0.2
# Uses of keys are kept at most this often.
NOTE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Spend:
    nonce: str
    expires_at: float
    answer: asyncio.Future[bool]


@dataclass(frozen=True, slots=True)
class _Look:
    answer: asyncio.Future[bool]


class KeyStore:
    """Satisfies identity.authority.Keys. Used from one event loop; `close` it there."""

    def __init__(
        self, file: KeyFile, version: int, keys: Mapping[str, Key], *, now: Callable[[], float], look_s: float
    ) -> None:
        self._file = file
        self._now = now
        self._look_s = look_s
        self._loop = asyncio.get_running_loop()
        self._version = version
        self._keys = keys
        self._changed: Callable[[], None] = lambda: None
        self._used: dict[str, float] = {}
        self._noted_at = now()
        self._failing = self._closed = False
        self._looking: asyncio.Future[bool] | None = None
        self._looked_at = float("-inf")
        self._queue: SimpleQueue[_Spend | _Look | None] = SimpleQueue()
        # A daemon: a process that ends without closing it must not hang.
        self._thread = threading.Thread(target=self._work, name="keys", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, *, now: Callable[[], float], look_s: float = LOOK_S) -> KeyStore:
        """Raises ChatError(STORAGE_UNAVAILABLE)."""
        return cls(*await asyncio.to_thread(_opened, path), now=now, look_s=look_s)

    def find(self, key_id: str) -> Key | None:
        """The key with this public id."""
        return self._keys.get(key_id)

    def all(self) -> list[Key]:
        """Every key, also revoked and expired ones."""
        return list(self._keys.values())

    async def look(self) -> None:
        """Take notice of what was made or revoked just now, unless that was done a moment ago. All who ask meanwhile
        wait for the same look."""
        if self._looking is None or self._looking.done():
            now = self._loop.time()
            if self._closed or now - self._looked_at < LOOK_AGAIN_S:
                return
            self._looked_at = now
            self._looking = self._loop.create_future()
            self._queue.put(_Look(self._looking))
        await asyncio.shield(self._looking)

    def used(self, key_id: str) -> None:
        """Note that a key was used; kept now and then."""
        self._used[key_id] = self._now()

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Say, on the event loop, when keys were made or revoked."""
        self._changed = changed

    async def spend(self, nonce: str, expires_at: float) -> bool:
        """True for the first to spend it, on any replica that shares the file."""
        if self._closed:
            raise unavailable("the file of API keys is closed")
        answer: asyncio.Future[bool] = self._loop.create_future()
        self._queue.put(_Spend(nonce, expires_at, answer))
        return await answer

    async def close(self) -> None:
        """Keep what is left to keep, and end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        more = True
        while more:
            try:
                job = self._queue.get(timeout=self._look_s)
            except Empty:
                self._keep_up(last=False)
                continue
            more = job is not None
            if isinstance(job, _Spend):
                self._spend(job)
            self._keep_up(last=not more)
            if isinstance(job, _Look):
                # After what was found: the loop does the one, then the other.
                self._tell(_answer, job.answer, True)
        self._file.close()

    def _keep_up(self, *, last: bool) -> None:
        try:
            version = self._file.version()
            if version != self._version:
                keys = _by_id(self._file)
                self._version = version
                self._tell(self._replace, keys)
            if self._used and (last or self._now() - self._noted_at >= NOTE_S):
                used, self._used = self._used, {}  # the loop may still be writing into it: a copy is taken
                self._noted_at = self._now()
                self._file.note_use(dict(used))
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            if not self._failing:
                # Until it can be read again, what was known last holds.
                _log.error("keys_unreadable", extra={"error": str(error)})
            self._failing = True
        else:
            self._failing = False

    def _spend(self, job: _Spend) -> None:
        try:
            first: bool | ChatError = self._file.spend(job.nonce, job.expires_at, self._now())
        except sqlite3.Error as error:
            _log.error("nonce_not_kept", extra={"error": str(error)})
            first = unavailable("the file of API keys cannot be written at the moment")
        self._tell(_answer, job.answer, first)

    def _replace(self, keys: Mapping[str, Key]) -> None:
        self._keys = keys
        self._changed()

    def _tell(self, tell: Callable[..., None], *said: object) -> None:
        # A closed loop has nobody who waits.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(tell, *said)


def _opened(path: Path) -> tuple[KeyFile, int, Mapping[str, Key]]:
    file = KeyFile.open(path)
    # In this order: what changes between the two is seen at the next look.
    version = file.version()
    return file, version, _by_id(file)


def _by_id(file: KeyFile) -> Mapping[str, Key]:
    return {key.key_id: key for key in file.all()}


def _answer(answer: asyncio.Future[bool], first: bool | ChatError) -> None:
    if answer.done():  # its caller was cancelled
        return
    if isinstance(first, ChatError):
        answer.set_exception(first)
    else:
        answer.set_result(first)
