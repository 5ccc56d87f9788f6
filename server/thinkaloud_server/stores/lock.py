"""The lock that makes one process the owner of a database.

The kernel drops an flock with the process that held it, however that process died. So whoever holds it knows
that earlier owners are gone, and that every run they left running is an orphan.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from thinkaloud_server.stores.errors import unavailable


class OwnerLock:
    """Held from `acquire` until `release`; a second one for the same database is refused."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, database: Path, owner: str) -> OwnerLock:
        """Take the lock of this database; raises ChatError(STORAGE_UNAVAILABLE) when another process has it."""
        path = database.with_name(database.name + ".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip()
            os.close(descriptor)
            raise unavailable(
                f"another process owns {database} ({holder or 'unknown'}): stop it, or choose another data directory"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}, {owner}\n".encode("utf-8", "replace"), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Give it up. The file stays: removing it would let two processes lock two files of one name."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
