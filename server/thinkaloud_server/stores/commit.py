"""One transaction for all that waits: how a group of writes is committed, and what happens when one fails.

Theory of operation. The group is tried as a whole, in the order in which it was asked. If anything in it fails,
all is rolled back and each member is tried alone (a batch of appends: run by run), so that a failure hurts only
the run or call that caused it. Two failures need no second try: a ChatError, which an operation raises before it
has written anything, is its answer and the group goes on; and a lock that another process holds fails the whole
group, because each member would only wait for it again.

Operations may therefore run twice and must not touch anything but the connection.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.run import Append, AppendResult, Closing, day_of
from thinkaloud_server.stores.codec import encode_event, encode_json, encode_message, storable
from thinkaloud_server.stores.connection import as_chat_error, is_busy, roll_back

Operation = Callable[[sqlite3.Connection], Any]
Row = tuple[object, ...]

_log = logging.getLogger(__name__)

# Rows of one INSERT: each number of rows is a statement of its own to prepare and to cache.
_ROWS_MAX = 100
_APPEND_COLUMNS = "tenant, run_id, epoch, sequence, type, payload"
_CLOSING_COLUMNS = (
    "tenant, run_id, epoch, state, finish_reason, ended_at, result, model, input_tokens, output_tokens,"
    " reasoning_tokens, cached_tokens, cost_usd, day, spent_tokens, spent_usd, message_id, document"
)


@dataclass(frozen=True, slots=True)
class AppendBatch:
    """Events of many runs. Its outcome is a list of AppendResult, never a Failed."""

    appends: tuple[Append, ...]


Work = Operation | AppendBatch


@dataclass(frozen=True, slots=True)
class Failed:
    """The outcome of an operation that raised: what its caller is told."""

    error: Exception


def commit_group(connection: sqlite3.Connection, works: Sequence[Work]) -> list[object]:
    """Do all of it in one transaction if possible; the outcome of each, in order. Does not raise."""
    try:
        return _together(connection, works)
    except Exception as error:
        _abandon(connection)
        if is_busy(error):
            _log.error("commit_failed", exc_info=error, extra={"works": len(works)})
            return [_refused(work, error) for work in works]
    return [_alone(connection, work) for work in works]


def _together(connection: sqlite3.Connection, works: Sequence[Work]) -> list[object]:
    if all(isinstance(work, AppendBatch) for work in works):
        appends = [append for work in works if isinstance(work, AppendBatch) for append in work.appends]
        _commit_appends(connection, appends)
        return [_committed(work) for work in works if isinstance(work, AppendBatch)]
    connection.execute("BEGIN IMMEDIATE")
    outcomes: list[object] = []
    for work in works:
        if isinstance(work, AppendBatch):
            _write(connection, _event_rows(work.appends), _closing_rows(work.appends))
            outcomes.append(_committed(work))
        else:
            outcomes.append(_perform(connection, work))
    connection.execute("COMMIT")
    return outcomes


def _commit_appends(connection: sqlite3.Connection, appends: Sequence[Append]) -> None:
    events, closings = _event_rows(appends), _closing_rows(appends)
    if not closings and len(events) <= _ROWS_MAX:
        # The usual case, and the fast one: a statement outside a transaction is one, in a single step.
        _write(connection, events, closings)
        return
    connection.execute("BEGIN IMMEDIATE")
    _write(connection, events, closings)
    connection.execute("COMMIT")


def _alone(connection: sqlite3.Connection, work: Work) -> object:
    if isinstance(work, AppendBatch):
        return [_append_alone(connection, append) for append in work.appends]
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcome = _perform(connection, work)
        connection.execute("COMMIT")
    except Exception as error:
        _abandon(connection)
        return Failed(as_chat_error(error))
    return outcome


def _append_alone(connection: sqlite3.Connection, append: Append) -> AppendResult:
    try:
        _commit_appends(connection, [append])
    except Exception as error:
        _abandon(connection)
        if isinstance(error, sqlite3.IntegrityError) and str(error) == "fenced":
            return "fenced"
        # The result does not say why, and the run's caller is told no more than STORAGE_UNAVAILABLE.
        _log.error("append_failed", exc_info=error, extra={"run_id": append.run_id})
        return "failed"
    return "committed"


def _perform(connection: sqlite3.Connection, operation: Operation) -> object:
    try:
        return operation(connection)
    except ChatError as error:
        return Failed(error)


def _refused(work: Work, error: Exception) -> object:
    if isinstance(work, AppendBatch):
        return ["failed"] * len(work.appends)
    return Failed(as_chat_error(error))


def _committed(batch: AppendBatch) -> list[AppendResult]:
    return ["committed"] * len(batch.appends)


def _abandon(connection: sqlite3.Connection) -> None:
    try:
        roll_back(connection)
    except sqlite3.Error:
        # A transaction that cannot even be rolled back makes the next BEGIN fail, and that is told to its caller.
        return


def _write(connection: sqlite3.Connection, events: list[Row], closings: list[Row]) -> None:
    """A closing's terminal event is among the events, and goes down first, while its run still runs."""
    for start in range(0, len(events), _ROWS_MAX):
        _insert(connection, "appends", _APPEND_COLUMNS, events[start : start + _ROWS_MAX])
    for start in range(0, len(closings), _ROWS_MAX):
        _insert(connection, "closings", _CLOSING_COLUMNS, closings[start : start + _ROWS_MAX])


def _insert(connection: sqlite3.Connection, view: str, columns: str, rows: list[Row]) -> None:
    statement = _insert_statement(view, columns, len(rows))
    connection.execute(statement, tuple(chain.from_iterable(rows)))


@lru_cache(maxsize=2 * _ROWS_MAX)
def _insert_statement(view: str, columns: str, rows: int) -> str:
    row = "(" + ", ".join("?" * (columns.count(",") + 1)) + ")"
    return f"INSERT INTO {view} ({columns}) VALUES " + ", ".join([row] * rows)


def _event_rows(appends: Sequence[Append]) -> list[Row]:
    rows: list[Row] = []
    for append in appends:
        for sequence, event in enumerate(append.events, append.first_sequence):
            name, payload = encode_event(event)
            rows.append((append.tenant, append.run_id, append.epoch, sequence, name, payload.decode()))
    return rows


def _closing_rows(appends: Sequence[Append]) -> list[Row]:
    return [_closing_row(append, append.closing) for append in appends if append.closing is not None]


def _closing_row(append: Append, closing: Closing) -> Row:
    usage, message = closing.usage, closing.message
    return (
        append.tenant,
        append.run_id,
        append.epoch,
        closing.state,
        storable(closing.finish_reason),
        closing.ended_at,
        encode_json(closing.terminal).decode(),
        storable(closing.model),
        usage.input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.cached_tokens,
        usage.cost_usd,
        day_of(closing.ended_at),
        closing.spent.tokens,
        closing.spent.cost_usd,
        message.message_id if message else "",
        encode_message(message).decode() if message else "",
    )
