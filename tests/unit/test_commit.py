"""How a group of writes is committed, on a connection and without threads."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.stored import TENANT, a_closing, a_conversation, a_new_run, a_run, an_append, an_error, tokens
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Token
from thinkaloud_server.core.run import Conversation, Run
from thinkaloud_server.stores import run_rows
from thinkaloud_server.stores.commit import AppendBatch, Failed, Operation, Work, commit_group
from thinkaloud_server.stores.connection import open_writer, prepare_commits
from thinkaloud_server.stores.migrate import known_migrations, migrate


class Traced:
    """The statements that a connection ran, as SQLite reports them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.statements: list[str] = []
        connection.set_trace_callback(self.statements.append)

    def transactions(self) -> int:
        return sum(statement.startswith("BEGIN") for statement in self.statements)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = open_writer(tmp_path / "a.db", "process", 0.05)
    migrate(opened, known_migrations())
    prepare_commits(opened)
    yield opened
    opened.close()


def creation(run: Run, conversation: Conversation | None = None) -> Operation:
    new = a_new_run(run, new_conversation=conversation)
    return lambda connection: run_rows.create_run(connection, run.tenant, new)


def started(connection: sqlite3.Connection, count: int) -> list[Run]:
    runs = [a_run(number) for number in range(count)]
    assert commit_group(connection, [creation(run) for run in runs]) == ["[]"] * count
    return runs


def batch(*runs: Run) -> AppendBatch:
    return AppendBatch(tuple(an_append(run, Token("x")) for run in runs))


def events_of(connection: sqlite3.Connection, run: Run) -> int:
    (count,) = connection.execute("SELECT count(*) FROM run_events WHERE run_id = ?", (run.run_id,)).fetchone()
    assert isinstance(count, int)
    return count


def test_events_of_many_runs_are_one_statement(connection: sqlite3.Connection) -> None:
    runs = started(connection, 6)
    traced = Traced(connection)
    assert commit_group(connection, [batch(*runs[:3]), batch(*runs[3:])]) == [["committed"] * 3] * 2
    assert len(set(traced.statements)) == 1  # reported again for each of its triggers' statements
    assert traced.transactions() == 0  # outside a transaction, a statement is one by itself
    assert not connection.in_transaction


def test_more_rows_than_a_statement_takes_are_still_one_transaction(connection: sqlite3.Connection) -> None:
    (run,) = started(connection, 1)
    traced = Traced(connection)
    many = AppendBatch((an_append(run, *tokens(*map(str, range(1_234)))),))
    assert commit_group(connection, [many]) == [["committed"]]
    assert traced.transactions() == 1
    assert events_of(connection, run) == 1_235


def test_everything_of_a_group_is_one_transaction(connection: sqlite3.Connection) -> None:
    runs = started(connection, 3)
    traced = Traced(connection)
    works: list[Work] = [batch(runs[0]), creation(a_run(9)), AppendBatch((a_closing(runs[1]),)), batch(runs[2])]
    assert commit_group(connection, works) == [["committed"], "[]", ["committed"], ["committed"]]
    assert traced.transactions() == 1


def test_an_operation_that_says_no_is_answered_and_the_group_goes_on(connection: sqlite3.Connection) -> None:
    runs = started(connection, 2)
    traced = Traced(connection)
    lost = replace(a_run(9), conversation_id="conv_missing")
    first, refused, second = commit_group(connection, [batch(runs[0]), creation(lost), batch(runs[1])])
    assert (first, second) == (["committed"], ["committed"])
    assert isinstance(refused, Failed)
    assert isinstance(refused.error, ChatError)
    assert refused.error.reason is ErrorReason.NOT_FOUND
    assert traced.transactions() == 1


def test_a_fenced_run_hurts_only_itself_in_any_company(connection: sqlite3.Connection) -> None:
    runs = started(connection, 4)
    old = replace(runs[1], epoch=0)
    works: list[Work] = [batch(runs[0], old), creation(a_run(9)), AppendBatch((a_closing(runs[2]),)), batch(runs[3])]
    outcomes = commit_group(connection, works)
    assert outcomes == [["committed", "fenced"], "[]", ["committed"], ["committed"]]
    assert [events_of(connection, run) for run in runs] == [2, 1, 2, 2]


def test_an_operation_that_breaks_hurts_only_itself(connection: sqlite3.Connection) -> None:
    runs = started(connection, 2)

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM run_events")
        raise ZeroDivisionError

    before, failed, after = commit_group(connection, [batch(runs[0]), broken, batch(runs[1])])
    assert (before, after) == (["committed"], ["committed"])
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, ZeroDivisionError)
    assert [events_of(connection, run) for run in runs] == [2, 2]


def test_an_event_that_cannot_be_written_fails_its_run_and_is_logged(
    connection: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    runs = started(connection, 2)
    unwritable = a_closing(runs[0], terminal=replace(an_error(runs[0]), details={"bug": object()}))
    with caplog.at_level(logging.ERROR):
        outcome = commit_group(connection, [AppendBatch((unwritable, an_append(runs[1], Token("x"))))])
    assert outcome == [["failed", "committed"]]
    assert [record.message for record in caplog.records] == ["append_failed"]


def test_a_message_id_that_exists_fails_the_end_of_its_run_and_writes_nothing_of_it(
    connection: sqlite3.Connection,
) -> None:
    conversations = [a_conversation(number) for number in (1, 2)]
    runs = [
        a_run(number, conversation_id=conversation.conversation_id)
        for number, conversation in enumerate(conversations, 1)
    ]
    for run, conversation in zip(runs, conversations, strict=True):
        commit_group(connection, [creation(run, conversation)])
    twin = replace(runs[1], message_id=runs[0].message_id)
    outcome = commit_group(connection, [AppendBatch((a_closing(runs[0]), a_closing(twin)))])
    assert outcome == [["committed", "failed"]]
    found = run_rows.get_run(connection, TENANT, runs[1].run_id)
    assert found is not None
    assert (found.state, found.last_sequence) == ("running", 1)


def test_a_full_disk_fails_what_does_not_fit_and_nothing_is_lost_when_there_is_room(
    connection: sqlite3.Connection,
) -> None:
    runs = started(connection, 2)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    big = AppendBatch((an_append(runs[0], Token("x" * 500_000)),))
    assert commit_group(connection, [big]) == [["failed"]]
    refused = commit_group(connection, [lambda c: c.execute("CREATE TABLE t (x)"), big])
    assert isinstance(refused[0], Failed)
    assert isinstance(refused[0].error, ChatError)
    assert refused[0].error.reason is ErrorReason.STORAGE_UNAVAILABLE
    connection.execute("PRAGMA max_page_count = 100000")
    assert commit_group(connection, [big]) == [["committed"]]


@pytest.mark.parametrize("closing", [False, True], ids=["one statement", "transaction"])
def test_a_lock_held_elsewhere_fails_the_group_after_one_wait(
    connection: sqlite3.Connection, tmp_path: Path, closing: bool
) -> None:
    runs = started(connection, 3)
    work = AppendBatch(tuple(a_closing(run) if closing else an_append(run, Token("x")) for run in runs))
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert commit_group(connection, [work]) == [["failed"] * 3]
    outcome = commit_group(connection, [work, creation(a_run(9))])
    assert outcome[0] == ["failed"] * 3
    assert isinstance(outcome[1], Failed)
    assert isinstance(outcome[1].error, ChatError)
    assert outcome[1].error.reason is ErrorReason.STORAGE_UNAVAILABLE
    other.execute("ROLLBACK")
    other.close()
    assert commit_group(connection, [work]) == [["committed"] * 3]
