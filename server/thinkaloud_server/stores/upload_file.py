"""The files of uploads as threads write, read and remove them; everything here blocks.

Each has a lock: whoever closes it while another thread is at it waits, because a descriptor that was closed may be
another file's by the time it is used.
"""

from __future__ import annotations

import logging
import os
import threading
from hashlib import sha256
from pathlib import Path

_log = logging.getLogger(__name__)

_READ_BYTES = 128 * 1024
_PART = ".part"


class Written:
    """One file as the threads see it. `kept` says that its end is no longer its caller's to decide."""

    def __init__(self, path: Path) -> None:
        self.kept = False
        self.size = 0
        self._path = path
        self._part = path.with_name(path.name + _PART)
        self._lock = threading.Lock()
        self._hash = sha256()
        self._descriptor: int | None = None
        self._dropped = False

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def write(self, gathered: bytearray) -> None:
        with self._lock:
            if self._dropped:
                return
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
                self._descriptor = os.open(self._part, flags, 0o600)
            data = memoryview(gathered)
            self._hash.update(data)
            self.size += len(data)
            while data:
                data = data[os.write(self._descriptor, data) :]

    def finish(self, durable: bool) -> None:
        with self._lock:
            assert self._descriptor is not None
            if durable:
                os.fsync(self._descriptor)
            self._close()
            self._part.rename(self._path)
            if durable:
                directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    os.fsync(directory)
                finally:
                    os.close(directory)

    def drop(self) -> None:
        with self._lock:
            self._dropped = True
            self._close()
            for path in (self._part, self._path):
                remove(path)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class Read:
    """One file that is read. A close that comes while a thread reads waits for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._closed = False

    def open(self, size_bytes: int) -> bool:
        """False when the file is not there, or not as long as it was."""
        with self._lock:
            if self._closed:
                return False
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return False
            return os.fstat(self._descriptor).st_size == size_bytes

    def read(self) -> bytes:
        with self._lock:
            return b"" if self._descriptor is None else os.read(self._descriptor, _READ_BYTES)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)


def sweep(place: Path, known: frozenset[str]) -> int:
    left = [path for path in place.iterdir() if path.name not in known]
    for path in left:
        remove(path)
    return len(left)


def remove(path: Path) -> None:
    """A file that cannot be removed now is one without a row: the next start tries again."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.error("upload_not_removed", exc_info=error, extra={"upload_id": path.name})
