"""The schema of the database: numbered SQL files, applied in order, each once and in one transaction."""

from __future__ import annotations

import re
import sqlite3
from importlib import resources
from typing import NamedTuple

from thinkaloud_server.stores.connection import roll_back
from thinkaloud_server.stores.errors import unavailable

_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")


class Migration(NamedTuple):
    """One step of the schema."""

    version: int
    name: str
    sql: str


def known_migrations(directory: str = "migrations") -> tuple[Migration, ...]:
    """The steps that this release knows, in order: of the store, or of another database of ours."""
    found = (
        Migration(int(match[1]), match[2], file.read_text("utf-8"))
        for file in resources.files(__package__).joinpath(directory).iterdir()
        if (match := _FILE_NAME.fullmatch(file.name))
    )
    return tuple(sorted(found))


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...]) -> None:
    """Bring the schema to the newest of `migrations`.

    Raises ChatError(STORAGE_UNAVAILABLE) when the database is newer than that: an older server must not write
    into tables that it does not know.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (version BIGINT PRIMARY KEY NOT NULL, name TEXT NOT NULL, applied_at TEXT NOT NULL)"
    )
    (current,) = connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone()
    newest = migrations[-1].version
    if current > newest:
        raise unavailable(
            f"the database has schema {current}, made by a newer release; this one knows schemas up to {newest}"
        )
    for migration in migrations:
        if migration.version > current:
            _apply(connection, migration)


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    # One script, because executescript() ends a transaction that is already open. The name is a file name of
    # ours, which the pattern above keeps free of quotes.
    record = f"INSERT INTO schema_migrations VALUES ({migration.version}, '{migration.name}', datetime('now'));"
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{migration.sql}\n{record}\nCOMMIT;")
    except sqlite3.Error:
        roll_back(connection)
        raise
