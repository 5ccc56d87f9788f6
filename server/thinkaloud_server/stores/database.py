"""Opening a database file: its lock, its schema, its connections."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from thinkaloud_server.stores.connection import (
    Durability,
    open_checkpointer,
    open_reader,
    open_writer,
    prepare_commits,
)
from thinkaloud_server.stores.errors import unavailable
from thinkaloud_server.stores.lock import OwnerLock
from thinkaloud_server.stores.migrate import known_migrations, migrate


@dataclass(frozen=True, slots=True)
class Database:
    """An owned database; whoever has it closes the connections, and then releases the lock."""

    lock: OwnerLock
    writer: sqlite3.Connection
    readers: tuple[sqlite3.Connection, ...]
    checkpointer: sqlite3.Connection


def open_database(path: Path, *, durability: Durability, owner: str, busy_timeout_s: float, readers: int) -> Database:
    """Own the database at this path. Blocks; raises ChatError(STORAGE_UNAVAILABLE), and then holds nothing."""
    with _mapped(path), ExitStack() as undo:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = OwnerLock.acquire(path, owner)
        undo.callback(lock.release)
        writer = open_writer(path, durability, busy_timeout_s)
        undo.callback(writer.close)
        migrate(writer, known_migrations())
        prepare_commits(writer)
        connections = []
        for _ in range(readers):
            connections.append(open_reader(path, busy_timeout_s))
            undo.callback(connections[-1].close)
        database = Database(lock, writer, tuple(connections), open_checkpointer(path, durability))
        undo.pop_all()
    return database


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise unavailable(f"the database {path} cannot be opened: {error}") from error
