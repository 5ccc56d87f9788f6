"""What only the SQLite store promises: one owner, files, locks, restarts. The rest is in tests/contract."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from fakes.stored import (
    TENANT,
    a_conversation,
    a_new_run,
    a_run,
    all_events,
    an_append,
    an_id,
    begin,
    begin_conversation,
    end,
)
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Token
from thinkaloud_server.core.run import Created
from thinkaloud_server.stores.connection import Durability
from thinkaloud_server.stores.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "thinkaloud.db"


def no_database_at(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database, it only stands there" * 100)


def raised(caught: pytest.ExceptionInfo[ChatError]) -> ErrorReason:
    return caught.value.reason


async def test_what_was_stored_is_there_after_a_restart(path: Path) -> None:
    store = await SqliteStore.open(path)
    run = await begin_conversation(store)
    await end(store, run)
    before = await all_events(store, run)
    await store.close()
    store = await SqliteStore.open(path)
    assert await all_events(store, run) == before
    assert (await store.history(TENANT, run.conversation_id, page_size=9, page_token="")).items
    await store.close()


async def test_runs_of_an_earlier_owner_are_orphans_after_a_restart(path: Path) -> None:
    store = await SqliteStore.open(path, owner="first")
    run = await begin(store, a_run(owner="first"))
    assert await store.take_orphans("first", 1.0) == []
    await store.close()
    store = await SqliteStore.open(path, owner="second")
    (orphan,) = await store.take_orphans("second", 2.0)
    assert (orphan.run_id, orphan.epoch, orphan.lease_owner) == (run.run_id, 2, "second")
    await store.close()


async def test_a_second_owner_is_refused_and_told_who_the_first_is(path: Path) -> None:
    store = await SqliteStore.open(path, owner="the-first")
    with pytest.raises(ChatError, match=f"pid {os.getpid()}, the-first") as caught:
        await SqliteStore.open(path, owner="the-second")
    assert raised(caught) is ErrorReason.STORAGE_UNAVAILABLE
    await store.close()
    await (await SqliteStore.open(path)).close()


async def test_the_files_are_for_their_owner_only(path: Path) -> None:
    store = await SqliteStore.open(path)
    await begin(store, a_run())
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert {"thinkaloud.db", "thinkaloud.db-wal", "thinkaloud.db.lock"} <= set(modes)
    assert set(modes.values()) == {0o600}
    await store.close()


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
async def test_durability_is_how_a_commit_is_synced(path: Path, durability: Durability, level: int) -> None:
    store = await SqliteStore.open(path, durability=durability)
    found = await store._writer.ask(lambda c: c.execute("PRAGMA synchronous").fetchone())
    assert found == (level,)
    await store.close()


async def test_a_path_that_cannot_be_opened_is_unavailable_and_leaves_no_lock(tmp_path: Path) -> None:
    (tmp_path / "thinkaloud.db").mkdir()
    for _ in range(2):
        with pytest.raises(ChatError, match="cannot be opened") as caught:
            await SqliteStore.open(tmp_path / "thinkaloud.db")
        assert raised(caught) is ErrorReason.STORAGE_UNAVAILABLE


async def test_a_file_that_is_no_database_is_unavailable(path: Path) -> None:
    await asyncio.to_thread(no_database_at, path)
    with pytest.raises(ChatError, match="not a database"):
        await SqliteStore.open(path)


async def test_a_database_of_a_newer_release_is_refused_as_it_is(path: Path) -> None:
    await (await SqliteStore.open(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO schema_migrations VALUES (9999, 'future', '')")
    connection.commit()
    connection.close()
    with pytest.raises(ChatError, match="newer release"):
        await SqliteStore.open(path)


async def test_a_lock_held_elsewhere_is_waited_for_then_told(path: Path) -> None:
    store = await SqliteStore.open(path, busy_timeout_s=0.05)
    run = await begin(store, a_run())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert await store.append([an_append(run, Token("x"))]) == ["failed"]
    with pytest.raises(ChatError) as caught:
        await store.put_setting(TENANT, "a", "b")
    assert raised(caught) is ErrorReason.STORAGE_UNAVAILABLE
    assert caught.value.retry_after_s is not None
    assert await store.get_run(TENANT, run.run_id) == run  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    assert await store.append([an_append(run, Token("x"))]) == ["committed"]
    await store.close()


async def test_reads_do_not_wait_behind_writes(path: Path) -> None:
    store = await SqliteStore.open(path)
    run = await begin(store, a_run())
    gate = threading.Event()
    writing = asyncio.create_task(store._writer.ask(lambda c: gate.wait(10)))
    assert await store.get_run(TENANT, run.run_id) == run
    assert len(await all_events(store, run)) == 1
    assert not writing.done()
    gate.set()
    await writing
    await store.close()


async def test_closing_while_operations_wait_hangs_nobody(path: Path) -> None:
    store = await SqliteStore.open(path)
    run = await begin(store, a_run())
    gate = threading.Event()
    writing = asyncio.create_task(store._writer.ask(lambda c: gate.wait(10)))
    waiting = [asyncio.create_task(store.put_setting(TENANT, str(n), "x")) for n in range(20)]
    await asyncio.sleep(0)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    with pytest.raises(ChatError) as caught:
        await store.append([an_append(run, Token("x"))])
    assert raised(caught) is ErrorReason.STORAGE_UNAVAILABLE
    gate.set()
    await asyncio.gather(writing, closing, *waiting)


async def test_a_cancelled_caller_may_have_been_served(path: Path) -> None:
    store = await SqliteStore.open(path)
    gate = threading.Event()
    writing = asyncio.create_task(store._writer.ask(lambda c: gate.wait(10)))
    leaving = asyncio.create_task(store.put_setting(TENANT, "a", "b"))
    await asyncio.sleep(0)
    leaving.cancel()
    gate.set()
    await writing
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await store.put_setting(TENANT, "c", "d")
    assert await store.get_setting(TENANT, "a") == "b"
    await store.close()


async def test_half_a_surrogate_pair_is_stored_as_the_replacement_character(path: Path) -> None:
    store = await SqliteStore.open(path)
    bad, good = "a\ud800b", "a\ufffdb"
    conversation = a_conversation()
    await store.create_conversation(TENANT, conversation)
    updated = await store.update_conversation(TENANT, conversation.conversation_id, title=bad, metadata={bad: bad})
    assert updated is not None
    assert (updated.title, updated.metadata) == (good, {good: good})
    await store.put_setting(TENANT, "a", bad)
    assert await store.get_setting(TENANT, "a") == good
    run = a_run(conversation_id=conversation.conversation_id, key=bad)
    assert isinstance(await store.create_run(TENANT, a_new_run(run, text=bad)), Created)
    assert await store.find_key(TENANT, bad) is not None
    assert await store.append([an_append(run, Token(bad))]) == ["committed"]
    assert (await all_events(store, run))[-1] == Token(good)
    page = await store.history(TENANT, conversation.conversation_id, page_size=9, page_token="")
    assert page.items[0].message.text == good
    await store.close()


async def test_an_id_with_half_a_surrogate_pair_is_refused_and_the_store_goes_on(path: Path) -> None:
    store = await SqliteStore.open(path)
    for call in (store.get_run(TENANT, "\ud800"), store.request_stop(TENANT, "\ud800", 1.0)):
        with pytest.raises(ChatError) as caught:
            await call
        assert raised(caught) is ErrorReason.VALIDATION_FAILED
    assert await store.get_run(TENANT, an_id("run", 1)) is None
    await store.close()


async def test_no_thread_and_no_lock_is_left_after_closing(path: Path) -> None:
    store = await SqliteStore.open(path)
    assert sum(thread.name.startswith("store-") for thread in threading.enumerate()) == 4
    await store.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("store-")]
    assert not path.with_name(path.name + "-wal").exists()
