"""SQL of conversations, messages, settings and token totals: plain functions of a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from thinkaloud_server.core.message import Message
from thinkaloud_server.core.run import Conversation, Page, StoredMessage, TokenTotals
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.stores.codec import (
    decode_message,
    decode_text_map,
    encode_json,
    storable,
)
from thinkaloud_server.stores.page import TimeKey, position_of, position_token, time_key, time_token

# The fields of Conversation, in their order; metadata is decoded.
_COLUMNS = (
    "conversation_id, tenant, title, created_at, updated_at, message_count, metadata,"
    " coalesce((SELECT r.run_id FROM runs r WHERE r.conversation_id = conversations.conversation_id"
    " AND r.state = 'running' AND r.conversation_id <> ''), '')"
)


def insert(connection: sqlite3.Connection, conversation: Conversation) -> None:
    """A new conversation has no messages and no run, whatever the value says."""
    connection.execute(
        "INSERT INTO conversations"
        " (conversation_id, tenant, title, created_at, updated_at, message_count, metadata)"
        " VALUES (?, ?, ?, ?, ?, 0, ?)",
        (
            conversation.conversation_id,
            conversation.tenant,
            storable(conversation.title),
            conversation.created_at,
            conversation.updated_at,
            encode_json(conversation.metadata).decode(),
        ),
    )


def exists(connection: sqlite3.Connection, tenant: str, conversation_id: str) -> bool:
    row = connection.execute(
        "SELECT 1 FROM conversations WHERE conversation_id = ? AND tenant = ?", (conversation_id, tenant)
    ).fetchone()
    return row is not None


def get(connection: sqlite3.Connection, tenant: str, conversation_id: str) -> Conversation | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM conversations WHERE conversation_id = ? AND tenant = ?",
        (conversation_id, tenant),
    ).fetchone()
    return row and _conversation(row)


def list_page(connection: sqlite3.Connection, tenant: str, page_size: int, page_token: str) -> Page[Conversation]:
    """Last used first."""
    after = time_key("conversations", page_token)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM conversations"
        " WHERE tenant = ? AND (updated_at, conversation_id) < (?, ?)"
        " ORDER BY updated_at DESC, conversation_id DESC LIMIT ?",
        (tenant, *after, page_size + 1),
    ).fetchall()
    found = tuple(_conversation(row) for row in rows[:page_size])
    if len(rows) <= page_size:
        return Page(found)
    return Page(found, time_token("conversations", TimeKey(found[-1].updated_at, found[-1].conversation_id)))


def update(
    connection: sqlite3.Connection,
    tenant: str,
    conversation_id: str,
    title: str | None,
    metadata: Mapping[str, str] | None,
) -> Conversation | None:
    """What is None stays as it is."""
    connection.execute(
        "UPDATE conversations SET title = coalesce(?, title), metadata = coalesce(?, metadata)"
        " WHERE conversation_id = ? AND tenant = ?",
        (
            None if title is None else storable(title),
            None if metadata is None else encode_json(metadata).decode(),
            conversation_id,
            tenant,
        ),
    )
    return get(connection, tenant, conversation_id)


def delete(connection: sqlite3.Connection, tenant: str, conversation_id: str) -> bool:
    if not exists(connection, tenant, conversation_id):
        return False
    key = (conversation_id,)
    connection.execute(
        "DELETE FROM run_events WHERE run_id IN"
        " (SELECT run_id FROM runs WHERE conversation_id = ? AND conversation_id <> '')",
        key,
    )
    connection.execute("DELETE FROM runs WHERE conversation_id = ? AND conversation_id <> ''", key)
    connection.execute("DELETE FROM messages WHERE conversation_id = ?", key)
    connection.execute("DELETE FROM conversations WHERE conversation_id = ?", key)
    return True


def newest_first(connection: sqlite3.Connection, conversation_id: str) -> Iterator[Message]:
    """What was said, from the end, each message read only when it is asked for."""
    rows = connection.execute(
        "SELECT document FROM messages WHERE conversation_id = ? ORDER BY position DESC", (conversation_id,)
    )
    for (document,) in rows:
        yield decode_message(document, conversation_id=conversation_id, parent_id="").message


def all_messages(connection: sqlite3.Connection, conversation_id: str) -> str:
    """The whole history as a JSON array of [parent_id, document]: one row, so one step (see commit.sql)."""
    (messages,) = connection.execute(
        """
        SELECT '[' || coalesce(group_concat('["' || parent_id || '",' || document || ']'), '') || ']'
        FROM (SELECT parent_id, document FROM messages WHERE conversation_id = ? ORDER BY position)
        """,
        (conversation_id,),
    ).fetchone()
    assert isinstance(messages, str)
    return messages


def history(
    connection: sqlite3.Connection, tenant: str, conversation_id: str, page_size: int, page_token: str
) -> Page[StoredMessage]:
    """Oldest first; empty when there is no such conversation."""
    after = position_of("history", page_token)
    rows = connection.execute(
        "SELECT position, parent_id, document FROM messages WHERE conversation_id = ? AND position > ?"
        " AND EXISTS (SELECT 1 FROM conversations WHERE conversation_id = ? AND tenant = ?)"
        " ORDER BY position LIMIT ?",
        (conversation_id, after, conversation_id, tenant, page_size + 1),
    ).fetchall()
    found = tuple(
        decode_message(document, conversation_id=conversation_id, parent_id=parent_id)
        for _, parent_id, document in rows[:page_size]
    )
    return Page(found, position_token("history", rows[page_size - 1][0]) if len(rows) > page_size else "")


def get_setting(connection: sqlite3.Connection, tenant: str, name: str) -> str | None:
    row = connection.execute("SELECT value FROM settings WHERE tenant = ? AND name = ?", (tenant, name)).fetchone()
    return row and str(row[0])


def put_setting(connection: sqlite3.Connection, tenant: str, name: str, value: str) -> None:
    connection.execute(
        "INSERT INTO settings (tenant, name, value) VALUES (?, ?, ?)"
        " ON CONFLICT (tenant, name) DO UPDATE SET value = excluded.value",
        (tenant, name, storable(value)),
    )


def token_totals(connection: sqlite3.Connection, tenant: str) -> dict[str, TokenTotals]:
    rows = connection.execute(
        "SELECT model, runs, input_tokens, output_tokens, reasoning_tokens, cached_tokens, cost_usd"
        " FROM token_totals WHERE tenant = ?",
        (tenant,),
    ).fetchall()
    return {model: TokenTotals(runs, Usage(*usage)) for model, runs, *usage in rows}


def last_usage(connection: sqlite3.Connection, tenant: str) -> Usage | None:
    row = connection.execute(
        "SELECT input_tokens, output_tokens, reasoning_tokens, cached_tokens, cost_usd"
        " FROM last_usages WHERE tenant = ?",
        (tenant,),
    ).fetchone()
    return row and Usage(*row)


def _conversation(row: tuple[Any, ...]) -> Conversation:
    fields: list[Any] = [*row[:-2], decode_text_map(row[-2]), row[-1]]
    return Conversation(*fields)
