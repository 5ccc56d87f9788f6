"""The embedded store: one SQLite database, one process that owns it.

All writes go through one thread that commits whatever waits as one transaction (stores/commit.py); reads have
threads and connections of their own, so that a page never waits behind a commit; checkpoints have theirs. What
stands here is only which function runs on which of them.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast

from thinkaloud_server.core.event import Logged, Terminal
from thinkaloud_server.core.run import (
    Append,
    AppendResult,
    Busy,
    Conversation,
    Created,
    Existing,
    NewRun,
    Page,
    Renewal,
    Run,
    RunState,
    StoredMessage,
    TokenTotals,
    day_of,
)
from thinkaloud_server.core.usage import Spent, Usage
from thinkaloud_server.stores import conversation_rows, run_rows
from thinkaloud_server.stores.checkpoint import PAGES_DUE, PAGES_RESTART, Checkpointer
from thinkaloud_server.stores.codec import decode_messages, decode_page, decode_terminal
from thinkaloud_server.stores.commit import AppendBatch, Failed, Operation, Work, commit_group
from thinkaloud_server.stores.connection import BUSY_TIMEOUT_S, Durability, as_chat_error
from thinkaloud_server.stores.database import Database, open_database
from thinkaloud_server.stores.upload_rows import SqliteUploadRows
from thinkaloud_server.stores.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")

_READERS = 2
_GROUP_MAX = 1_000
# So few that a burst of reads spreads over the readers.
_READ_GROUP_MAX = 8
# What a write puts into the log, roughly: a page of runs, one of run_events, now and then one above them.
_PAGES_A_WRITE = 3
_TRIM_RUNS_MAX = 20


class SqliteStore:
    """A `Store` (engine/ports.py). Made by `open`, and used on the loop that ran it, until `close`."""

    kind = "sqlite"

    def __init__(self, database: Database) -> None:
        self._lock = database.lock
        self._checkpointer = Checkpointer(database.checkpointer, pages_due=PAGES_DUE, pages_restart=PAGES_RESTART)
        self._writer: Worker[Work] = Worker("store-writer", [database.writer], self._commit, group_max=_GROUP_MAX)
        self._reader: Worker[Operation] = Worker(
            "store-reader", database.readers, _read_group, group_max=_READ_GROUP_MAX
        )
        self.uploads = SqliteUploadRows(self._read, self._write)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        durability: Durability = "process",
        owner: str = "",
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> SqliteStore:
        """Take the database at this path, making it and bringing its schema up to date where needed.

        `owner` names this process in the message that another one gets. Raises ChatError(STORAGE_UNAVAILABLE)
        when another process owns the database, when it is newer than this release, or cannot be opened.
        """
        database = await asyncio.to_thread(
            open_database,
            path,
            durability=durability,
            owner=owner,
            busy_timeout_s=busy_timeout_s,
            readers=_READERS,
        )
        return cls(database)

    async def close(self) -> None:
        """Finish what was asked before, refuse what comes after, give the database up."""
        self._writer.refuse()
        await self._reader.close()
        await self._writer.close()
        await self._checkpointer.close()
        self._lock.release()

    async def create_run(self, tenant: str, new: NewRun) -> Created | Existing | Busy:
        assert new.run.tenant == tenant
        answer = await self._write(run_rows.create_run, tenant, new)
        if isinstance(answer, str):
            return Created(decode_messages(answer, conversation_id=new.run.conversation_id))
        return answer

    async def append(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        assert all(append.events for append in batch)
        return cast(list[AppendResult], await self._writer.ask(AppendBatch(tuple(batch))))

    async def read_events(self, tenant: str, run_id: str, after_sequence: int, bytes_max: int) -> Sequence[Logged]:
        return decode_page(await self._read(run_rows.read_events, tenant, run_id, after_sequence, bytes_max))

    async def get_run(self, tenant: str, run_id: str) -> Run | None:
        return await self._read(run_rows.get_run, tenant, run_id)

    async def get_result(self, tenant: str, run_id: str) -> Terminal | None:
        found = await self._read(run_rows.get_result, tenant, run_id)
        return found and decode_terminal(found[0].encode(), failed=found[1] == "failed")

    async def find_key(self, tenant: str, idempotency_key: str) -> Run | None:
        return await self._read(run_rows.find_key, tenant, idempotency_key)

    async def list_runs(
        self, tenant: str, *, conversation_id: str, state: RunState | None, page_size: int, page_token: str
    ) -> Page[Run]:
        return await self._read(run_rows.list_runs, tenant, conversation_id, state, page_size, page_token)

    async def request_stop(self, tenant: str, run_id: str, at: float) -> None:
        await self._write(run_rows.request_stop, tenant, run_id, at)

    async def mark_watched(self, tenant: str, run_id: str, until: float) -> None:
        await self._write(run_rows.mark_watched, tenant, run_id, until)

    async def renew(self, owner: str, run_ids: Sequence[str], now: float) -> Renewal:
        return await self._read(run_rows.renew, owner, run_ids)

    async def take_orphans(self, owner: str, now: float) -> Sequence[Run]:
        return await self._write(run_rows.take_orphans, owner, now)

    def listen(self, notify: Callable[[str], None]) -> None:
        """No other process appends to this database."""

    async def create_conversation(self, tenant: str, conversation: Conversation) -> None:
        assert conversation.tenant == tenant
        await self._write(conversation_rows.insert, conversation)

    async def get_conversation(self, tenant: str, conversation_id: str) -> Conversation | None:
        return await self._read(conversation_rows.get, tenant, conversation_id)

    async def list_conversations(self, tenant: str, *, page_size: int, page_token: str) -> Page[Conversation]:
        return await self._read(conversation_rows.list_page, tenant, page_size, page_token)

    async def update_conversation(
        self, tenant: str, conversation_id: str, *, title: str | None, metadata: Mapping[str, str] | None
    ) -> Conversation | None:
        return await self._write(conversation_rows.update, tenant, conversation_id, title, metadata)

    async def delete_conversation(self, tenant: str, conversation_id: str) -> bool:
        return await self._write(conversation_rows.delete, tenant, conversation_id)

    async def history(
        self, tenant: str, conversation_id: str, *, page_size: int, page_token: str
    ) -> Page[StoredMessage]:
        return await self._read(conversation_rows.history, tenant, conversation_id, page_size, page_token)

    async def get_setting(self, tenant: str, name: str) -> str | None:
        return await self._read(conversation_rows.get_setting, tenant, name)

    async def put_setting(self, tenant: str, name: str, value: str) -> None:
        await self._write(conversation_rows.put_setting, tenant, name, value)

    async def token_totals(self, tenant: str) -> Mapping[str, TokenTotals]:
        return await self._read(conversation_rows.token_totals, tenant)

    async def last_usage(self, tenant: str) -> Usage | None:
        return await self._read(conversation_rows.last_usage, tenant)

    async def spent(self, tenant: str, key_id: str, day: int) -> Spent:
        return await self._read(run_rows.spent, tenant, key_id, day)

    async def trim(self, *, events_before: float, keys_before: float) -> int:
        """In small steps, between which the writer does other work."""
        rows = await self._write(run_rows.trim_keys, keys_before)
        rows += await self._write(run_rows.trim_days, day_of(keys_before))
        more = True
        while more:
            dropped, more = await self._write(run_rows.trim_events, events_before, _TRIM_RUNS_MAX)
            rows += dropped
        return rows

    async def _write(
        self, function: Callable[Concatenate[sqlite3.Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        return cast(R, await self._writer.ask(lambda connection: function(connection, *args, **kwargs)))

    async def _read(
        self, function: Callable[Concatenate[sqlite3.Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        return cast(R, await self._reader.ask(lambda connection: function(connection, *args, **kwargs)))

    def _commit(self, connection: sqlite3.Connection, works: Sequence[Work]) -> list[object]:
        outcomes = commit_group(connection, works)
        writes = sum(len(work.appends) if isinstance(work, AppendBatch) else 1 for work in works)
        self._checkpointer.wrote(_PAGES_A_WRITE * writes)
        return outcomes


def _read_group(connection: sqlite3.Connection, operations: Sequence[Operation]) -> list[object]:
    return [_read_one(connection, operation) for operation in operations]


def _read_one(connection: sqlite3.Connection, operation: Operation) -> object:
    try:
        return operation(connection)
    except Exception as error:
        return Failed(as_chat_error(error))
