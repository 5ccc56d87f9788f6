"""Checkpoints beside the writer."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from thinkaloud_server.stores.checkpoint import Checkpointer
from thinkaloud_server.stores.connection import open_checkpointer, open_writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path / "a.db", "process", 1.0)
    connection.execute("CREATE TABLE t (x)")
    yield connection
    connection.close()


def write(connection: sqlite3.Connection, rows: int) -> None:
    for _ in range(rows):
        connection.execute("INSERT INTO t VALUES (?)", ("x" * 3_000,))


def database_bytes(path: Path) -> int:
    return (path / "a.db").stat().st_size


def wait_until_moved(path: Path, at_least: int) -> None:
    deadline = time.monotonic() + 10
    while database_bytes(path) < at_least:
        assert time.monotonic() < deadline
        time.sleep(0.002)


async def test_the_log_is_moved_when_enough_pages_were_written(writer: sqlite3.Connection, tmp_path: Path) -> None:
    checkpointer = Checkpointer(open_checkpointer(tmp_path / "a.db", "process"), pages_due=50, pages_restart=10**6)
    write(writer, 60)
    checkpointer.wrote(49)
    before = database_bytes(tmp_path)
    assert before < 60 * 3_000
    checkpointer.wrote(1)
    wait_until_moved(tmp_path, 60 * 3_000)
    await checkpointer.close()


async def test_a_long_log_begins_anew(writer: sqlite3.Connection, tmp_path: Path) -> None:
    checkpointer = Checkpointer(open_checkpointer(tmp_path / "a.db", "process"), pages_due=10, pages_restart=20)
    write(writer, 60)
    log = tmp_path / "a.db-wal"
    grown = log.stat().st_size
    checkpointer.wrote(60)
    wait_until_moved(tmp_path, 60 * 3_000)
    await checkpointer.close()
    write(writer, 10)
    assert log.stat().st_size <= grown


async def test_a_checkpoint_that_fails_is_tried_again_later(writer: sqlite3.Connection, tmp_path: Path) -> None:
    checkpointer = Checkpointer(open_checkpointer(tmp_path / "a.db", "process"), pages_due=1, pages_restart=0)
    write(writer, 60)
    writer.execute("BEGIN IMMEDIATE")  # RESTART cannot have the lock
    checkpointer.wrote(1)
    wait_until_moved(tmp_path, 60 * 3_000)
    writer.execute("COMMIT")
    write(writer, 60)
    checkpointer.wrote(1)
    wait_until_moved(tmp_path, 120 * 3_000)
    await checkpointer.close()


async def test_closing_an_idle_one_ends_its_thread(tmp_path: Path) -> None:
    checkpointer = Checkpointer(open_checkpointer(tmp_path / "a.db", "power"), pages_due=1, pages_restart=1)
    await checkpointer.close()
    await checkpointer.close()
