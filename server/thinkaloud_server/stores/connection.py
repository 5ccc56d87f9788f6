"""SQLite connections as this store uses them, and what their errors mean to a caller.

Transactions are begun and ended by hand (isolation_level None). A connection is opened in one thread and then
used by one other, never by two at a time.
"""

from __future__ import annotations

import os
import sqlite3
from importlib import resources
from pathlib import Path
from typing import Literal

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.stores.errors import already_exists, unavailable

Durability = Literal["process", "power"]

# How long a statement waits for a lock that another process holds (a backup, a shell) before it gives up.
BUSY_TIMEOUT_S = 10.0
_STATEMENTS_CACHED = 256
# A write-ahead log that grew beyond this is cut back to it when it begins anew.
_LOG_BYTES_KEPT = 64 * 1024 * 1024
_SYNCHRONOUS: dict[Durability, str] = {"process": "NORMAL", "power": "FULL"}
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def open_writer(path: Path, durability: Durability, busy_timeout_s: float) -> sqlite3.Connection:
    """The connection that writes. The file is made, for its owner's eyes only, when it is not there.

    With the write-ahead log and synchronous=NORMAL a commit survives the death of the process; FULL syncs each
    commit to the disk, and so survives the loss of power.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = _connect(path, busy_timeout_s)
    try:
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise unavailable(f"this file system has no shared memory for SQLite's write-ahead log: {path}")
        connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
        connection.execute("PRAGMA wal_autocheckpoint = 0")  # stores/checkpoint.py does it, elsewhere
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES_KEPT}")
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare_commits(connection: sqlite3.Connection) -> None:
    """Give the writer's connection its procedures; the tables must be there."""
    connection.executescript(resources.files(__package__).joinpath("commit.sql").read_text("utf-8"))


def open_reader(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """A connection that only reads, each statement from the last commit before it."""
    connection = _connect(path, busy_timeout_s)
    connection.execute("PRAGMA query_only = ON")
    return connection


def open_checkpointer(path: Path, durability: Durability) -> sqlite3.Connection:
    """A connection that moves the write-ahead log into the database; it waits for locks only for a moment."""
    connection = _connect(path, 1.0)
    connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
    return connection


def is_busy(error: Exception) -> bool:
    """Another process holds the lock: nothing is wrong with what was to be written."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _BUSY


def as_chat_error(error: Exception) -> Exception:
    """What a failed operation tells its caller; an error that is not SQLite's is a bug and stays itself."""
    match error:
        case sqlite3.IntegrityError():
            told = already_exists()
        case sqlite3.Error():
            told = unavailable("the store cannot answer at the moment")
        case UnicodeEncodeError():
            told = ChatError(ErrorReason.VALIDATION_FAILED, "text holds half a surrogate pair")
        case _:
            return error
    told.__cause__ = error
    return told


def roll_back(connection: sqlite3.Connection) -> None:
    """End the transaction if one is open: after some errors SQLite has ended it already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(
        path,
        timeout=timeout_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS_CACHED,
    )
