"""SQLite connections, and what their errors mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.stores.connection import as_chat_error, is_busy, open_reader, open_writer, roll_back

CASES: list[tuple[Exception, ErrorReason]] = [
    (sqlite3.OperationalError("database or disk is full"), ErrorReason.STORAGE_UNAVAILABLE),
    (sqlite3.DatabaseError("database disk image is malformed"), ErrorReason.STORAGE_UNAVAILABLE),
    (sqlite3.ProgrammingError("cannot operate on a closed database"), ErrorReason.STORAGE_UNAVAILABLE),
    (sqlite3.IntegrityError("UNIQUE constraint failed"), ErrorReason.ALREADY_EXISTS),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), ErrorReason.VALIDATION_FAILED),
]


@pytest.mark.parametrize(("error", "reason"), CASES, ids=lambda value: type(value).__name__)
def test_an_error_tells_its_reason_and_not_its_text(error: Exception, reason: ErrorReason) -> None:
    told = as_chat_error(error)
    assert isinstance(told, ChatError)
    assert told.reason is reason
    assert told.__cause__ is error
    assert str(error) not in told.message


def test_an_error_that_is_not_sqlites_stays_itself() -> None:
    error = ZeroDivisionError()
    assert as_chat_error(error) is error
    assert not is_busy(error)


def test_a_lock_held_elsewhere_is_told_from_other_errors(tmp_path: Path) -> None:
    writer, other = (open_writer(tmp_path / "a.db", "process", 0.0) for _ in range(2))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as caught:
        writer.execute("BEGIN IMMEDIATE")
    assert is_busy(caught.value)
    with pytest.raises(sqlite3.OperationalError) as caught:
        writer.execute("SELECT * FROM nothing")
    assert not is_busy(caught.value)
    writer.close()
    other.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    open_writer(tmp_path / "a.db", "process", 0.0).close()
    reader = open_reader(tmp_path / "a.db", 0.0)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("CREATE TABLE t (x)")
    reader.close()


def test_rolling_back_without_a_transaction_does_nothing(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "a.db", "power", 0.0)
    roll_back(writer)
    writer.execute("BEGIN")
    roll_back(writer)
    assert not writer.in_transaction
    writer.close()
