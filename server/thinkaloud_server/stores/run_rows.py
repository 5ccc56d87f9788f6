"""SQL of runs and their events: plain functions of a connection, called by the writer's and the readers' threads.

Functions that write check everything before their first write, as stores/commit.py asks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from thinkaloud_server.core.run import Busy, Existing, NewRun, Page, Renewal, Run, RunState
from thinkaloud_server.core.tool_results import check_results
from thinkaloud_server.core.usage import Spent
from thinkaloud_server.stores import conversation_rows
from thinkaloud_server.stores.codec import decode_text_map, encode_json, encode_message, storable
from thinkaloud_server.stores.errors import conversation_not_found, key_reused
from thinkaloud_server.stores.page import TimeKey, time_key, time_token

# The fields of Run, in their order.
RUN_COLUMNS = (
    "run_id, tenant, kind, state, conversation_id, message_id, model, request_id, last_sequence, created_at,"
    " ended_at, finish_reason, epoch, lease_owner, detach_s, watched_until, stop_requested_at, idempotency_key,"
    " request_hash, key_id, metadata"
)
_OPENING = (
    "INSERT INTO openings (tenant, run_id, kind, conversation_id, message_id, model, request_id, created_at, epoch,"
    " lease_owner, lease_until, detach_s, watched_until, idempotency_key, request_hash, key_id, metadata, start,"
    f" question_id, question, title, conversation_metadata) VALUES ({', '.join('?' * 22)})"
)
# A lease says more where several owners share a database; here the owner's lock is the lease.
LEASE_S = 10.0
# At most so many events in a page, whatever their size.
_PAGE_EVENTS_MAX = 1_000
_EVERY_STATE = ""


def create_run(connection: sqlite3.Connection, tenant: str, new: NewRun) -> Existing | Busy | str:
    """Store the run, or say what stands against it. A str is the history: JSON, as `codec` reads it."""
    run = new.run
    if run.idempotency_key and (found := find_key(connection, tenant, run.idempotency_key)):
        if found.request_hash != run.request_hash:
            raise key_reused()
        return Existing(found)
    history = "[]"
    if new.new_conversation is None and run.conversation_id:
        if not conversation_rows.exists(connection, tenant, run.conversation_id):
            raise conversation_not_found()
        if live := _live_run(connection, run.conversation_id):
            return Busy(live)
        if new.user_message is not None and new.user_message.message.role == "tool":
            check_results(conversation_rows.newest_first(connection, run.conversation_id), new.user_message.message)
        history = conversation_rows.all_messages(connection, run.conversation_id)
    _insert(connection, new)
    return history


def get_run(connection: sqlite3.Connection, tenant: str, run_id: str) -> Run | None:
    row = connection.execute(
        f"SELECT {RUN_COLUMNS} FROM runs WHERE run_id = ? AND tenant = ?", (run_id, tenant)
    ).fetchone()
    return row and _run(row)


def get_result(connection: sqlite3.Connection, tenant: str, run_id: str) -> tuple[str, RunState] | None:
    """The terminal event's payload, and the state that tells its type."""
    row = connection.execute(
        "SELECT result, state FROM runs WHERE run_id = ? AND tenant = ? AND state <> 'running'",
        (run_id, tenant),
    ).fetchone()
    return row and (row[0], row[1])


def find_key(connection: sqlite3.Connection, tenant: str, key: str) -> Run | None:
    if not key:
        return None
    row = connection.execute(
        f"SELECT {RUN_COLUMNS} FROM runs WHERE tenant = ? AND idempotency_key = ? AND idempotency_key <> ''",
        (tenant, storable(key)),
    ).fetchone()
    return row and _run(row)


def list_runs(
    connection: sqlite3.Connection,
    tenant: str,
    conversation_id: str,
    state: RunState | None,
    page_size: int,
    page_token: str,
) -> Page[Run]:
    """Newest first."""
    after = time_key("runs", page_token)
    of_conversation = "AND conversation_id = ? AND conversation_id <> ''" if conversation_id else "AND '' = ?"
    rows = connection.execute(
        f"SELECT {RUN_COLUMNS} FROM runs WHERE tenant = ? {of_conversation} AND (? = '' OR state = ?)"
        " AND (created_at, run_id) < (?, ?) ORDER BY created_at DESC, run_id DESC LIMIT ?",
        (tenant, conversation_id, state or _EVERY_STATE, state or _EVERY_STATE, *after, page_size + 1),
    ).fetchall()
    runs = tuple(_run(row) for row in rows[:page_size])
    more = len(rows) > page_size
    return Page(runs, time_token("runs", TimeKey(runs[-1].created_at, runs[-1].run_id)) if more else "")


def read_events(connection: sqlite3.Connection, tenant: str, run_id: str, after_sequence: int, bytes_max: int) -> str:
    """A JSON array of [sequence, type, payload].

    One row for the whole page: each row would cost the interpreter lock once more (see commit.sql). The inner
    query finds how far the page goes without carrying payloads along.
    """
    (page,) = connection.execute(
        """
        SELECT '[' || coalesce(group_concat('[' || sequence || ',"' || type || '",' || payload || ']'), '') || ']'
        FROM (
            SELECT sequence, type, payload FROM run_events
            WHERE run_id = :run_id AND sequence > :after
                AND EXISTS (SELECT 1 FROM runs WHERE run_id = :run_id AND tenant = :tenant)
                AND sequence <= (
                    SELECT max(sequence) FROM (
                        SELECT sequence, sum(length(payload)) OVER (
                            ORDER BY sequence ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                        ) AS bytes_before
                        FROM run_events WHERE run_id = :run_id AND sequence > :after
                        ORDER BY sequence LIMIT :events_max
                    ) WHERE bytes_before IS NULL OR bytes_before < :bytes_max
                )
            ORDER BY sequence
        )
        """,
        {
            "run_id": run_id,
            "tenant": tenant,
            "after": after_sequence,
            "bytes_max": bytes_max,
            "events_max": _PAGE_EVENTS_MAX,
        },
    ).fetchone()
    assert isinstance(page, str)
    return page


def request_stop(connection: sqlite3.Connection, tenant: str, run_id: str, at: float) -> None:
    """The first request counts."""
    connection.execute(
        "UPDATE runs SET stop_requested_at = ?"
        " WHERE run_id = ? AND tenant = ? AND state = 'running' AND stop_requested_at = 0",
        (at, run_id, tenant),
    )


def mark_watched(connection: sqlite3.Connection, tenant: str, run_id: str, until: float) -> None:
    """The latest mark counts."""
    connection.execute(
        "UPDATE runs SET watched_until = max(watched_until, ?) WHERE run_id = ? AND tenant = ? AND state = 'running'",
        (until, run_id, tenant),
    )


def renew(connection: sqlite3.Connection, owner: str, run_ids: Sequence[str]) -> Renewal:
    """Only reads: the lock on the database is the lease of every run in it."""
    rows = connection.execute(
        """
        SELECT ids.value, coalesce(runs.lease_owner, '') <> :owner
        FROM json_each(:run_ids) AS ids LEFT JOIN runs ON runs.run_id = ids.value
        WHERE coalesce(runs.lease_owner, '') <> :owner OR (runs.state = 'running' AND runs.stop_requested_at > 0)
        """,
        {"owner": owner, "run_ids": json.dumps(list(run_ids))},
    ).fetchall()
    return Renewal(
        stop=tuple(run_id for run_id, lost in rows if not lost),
        lost=tuple(run_id for run_id, lost in rows if lost),
    )


def take_orphans(connection: sqlite3.Connection, owner: str, now: float) -> list[Run]:
    """Live runs of other owners, who are dead: this process holds the database's lock."""
    orphans = connection.execute(
        "SELECT run_id FROM runs WHERE state = 'running' AND lease_owner <> ?", (owner,)
    ).fetchall()
    taken = []
    for (run_id,) in orphans:
        connection.execute(
            "UPDATE runs SET epoch = epoch + 1, lease_owner = ?, lease_until = ? WHERE run_id = ?",
            (owner, now + LEASE_S, run_id),
        )
        row = connection.execute(f"SELECT {RUN_COLUMNS} FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        taken.append(_run(row))
    return taken


def trim_events(connection: sqlite3.Connection, ended_before: float, runs_max: int) -> tuple[int, bool]:
    """Drop the events of some runs that ended before that; how many, and whether there may be more."""
    due = connection.execute(
        "SELECT run_id FROM runs WHERE state <> 'running' AND events_trimmed = 0 AND ended_at < ?"
        " ORDER BY ended_at LIMIT ?",
        (ended_before, runs_max),
    ).fetchall()
    dropped = 0
    for run_id in due:
        dropped += connection.execute("DELETE FROM run_events WHERE run_id = ?", run_id).rowcount
        connection.execute("UPDATE runs SET events_trimmed = 1 WHERE run_id = ?", run_id)
    return dropped, len(due) == runs_max


def trim_keys(connection: sqlite3.Connection, created_before: float) -> int:
    """Forget the idempotency keys of runs made before that."""
    return connection.execute(
        "UPDATE runs SET idempotency_key = '' WHERE idempotency_key <> '' AND created_at < ?",
        (created_before,),
    ).rowcount


def trim_days(connection: sqlite3.Connection, before: int) -> int:
    """Forget what keys spent on the days before that one."""
    return connection.execute("DELETE FROM key_days WHERE day < ?", (before,)).rowcount


def spent(connection: sqlite3.Connection, tenant: str, key_id: str, day: int) -> Spent:
    row = connection.execute(
        "SELECT tokens, cost_usd FROM key_days WHERE tenant = ? AND key_id = ? AND day = ?",
        (tenant, storable(key_id), day),
    ).fetchone()
    return Spent(*row) if row else Spent()


def _live_run(connection: sqlite3.Connection, conversation_id: str) -> Run | None:
    row = connection.execute(
        f"SELECT {RUN_COLUMNS} FROM runs WHERE conversation_id = ? AND state = 'running' AND conversation_id <> ''",
        (conversation_id,),
    ).fetchone()
    return row and _run(row)


def _insert(connection: sqlite3.Connection, new: NewRun) -> None:
    """All that begins with a run, in one step (see commit.sql). A new conversation has no messages but this one."""
    run, question, conversation = new.run, new.user_message, new.new_conversation
    connection.execute(
        _OPENING,
        (
            run.tenant,
            run.run_id,
            run.kind,
            run.conversation_id,
            run.message_id,
            storable(run.model),
            storable(run.request_id),
            run.created_at,
            run.epoch,
            run.lease_owner,
            run.created_at + LEASE_S,
            run.detach_s,
            run.watched_until,
            storable(run.idempotency_key),
            run.request_hash,
            storable(run.key_id),
            encode_json(run.metadata).decode(),
            encode_json(new.start).decode(),
            question.message_id if question and run.conversation_id else "",
            encode_message(question).decode() if question and run.conversation_id else "",
            storable(conversation.title) if conversation else None,
            encode_json(conversation.metadata).decode() if conversation else "",
        ),
    )


def _run(row: tuple[Any, ...]) -> Run:
    fields: list[Any] = [*row[:-1], decode_text_map(row[-1])]
    return Run(*fields)
