"""The schema and its steps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import fields

import pytest

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.run import Run
from thinkaloud_server.stores.migrate import Migration, known_migrations, migrate
from thinkaloud_server.stores.run_rows import RUN_COLUMNS

ONE = Migration(1, "one", "CREATE TABLE a (x TEXT);")
TWO = Migration(2, "two", "CREATE TABLE b (x TEXT); INSERT INTO b SELECT x FROM a;")
BROKEN = Migration(2, "broken", "CREATE TABLE b (x TEXT); INSERT INTO nowhere VALUES (1);")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    yield opened
    opened.close()


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def versions(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    return connection.execute("SELECT version, name FROM schema_migrations ORDER BY version").fetchall()


def test_our_own_steps_are_numbered_from_one_without_a_gap() -> None:
    assert [step.version for step in known_migrations()] == list(range(1, len(known_migrations()) + 1))


def test_our_own_steps_apply_to_an_empty_database(connection: sqlite3.Connection) -> None:
    migrate(connection, known_migrations())
    assert {"runs", "run_events", "conversations", "messages", "settings"} <= tables(connection)


def test_the_columns_of_a_run_are_the_fields_of_a_run_in_their_order() -> None:
    assert RUN_COLUMNS.split(", ") == [field.name for field in fields(Run)]


def test_results_of_runs_are_kept_when_a_column_comes_before_them(connection: sqlite3.Connection) -> None:
    steps = known_migrations()
    migrate(connection, steps[:2])
    columns = [name for _, name, *_ in connection.execute("PRAGMA table_info(runs)")]
    for number in range(2):
        values = [f"{name}-{number}" for name in columns]
        connection.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(columns))})", values)
    migrate(connection, steps)
    assert connection.execute("SELECT run_id, key_id, result FROM runs ORDER BY run_id").fetchall() == [
        ("run_id-0", "", "result-0"),
        ("run_id-1", "", "result-1"),
    ]
    assert [name for _, name, *_ in connection.execute("PRAGMA table_info(runs)")][-2:] == ["key_id", "result"]


def test_steps_are_applied_once_and_in_order(connection: sqlite3.Connection) -> None:
    migrate(connection, (ONE,))
    connection.execute("INSERT INTO a VALUES ('kept')")
    migrate(connection, (ONE, TWO))
    migrate(connection, (ONE, TWO))
    assert versions(connection) == [(1, "one"), (2, "two")]
    assert connection.execute("SELECT x FROM b").fetchall() == [("kept",)]


def test_a_step_that_breaks_leaves_nothing_of_itself(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (ONE, BROKEN))
    assert tables(connection) == {"schema_migrations", "a"}
    assert versions(connection) == [(1, "one")]
    migrate(connection, (ONE, TWO))
    assert versions(connection) == [(1, "one"), (2, "two")]


def test_a_newer_schema_is_refused(connection: sqlite3.Connection) -> None:
    migrate(connection, (ONE, TWO))
    with pytest.raises(ChatError, match="made by a newer release") as caught:
        migrate(connection, (ONE,))
    assert caught.value.reason is ErrorReason.STORAGE_UNAVAILABLE
