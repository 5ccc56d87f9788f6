"""The keys of a running server."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.rpc import until
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.key import Key
from thinkaloud_server.stores import keys
from thinkaloud_server.stores.key_file import KeyFile
from thinkaloud_server.stores.keys import LOOK_S, KeyStore

KEY = Key(Identity("acme", "tk_1", frozenset({"read"})), "one", b"h", "p", 10.0)
OTHER = Key(Identity("acme", "tk_2", frozenset({"read"})), "two", b"i", "p", 11.0)


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[KeyFile]:
    """The file as `thinkaloud keys` has it."""
    opened = KeyFile.open(tmp_path / "keys.db")
    opened.add(KEY)
    yield opened
    opened.close()


@pytest.fixture
async def store(beside: KeyFile, tmp_path: Path) -> AsyncIterator[KeyStore]:
    opened = await KeyStore.open(tmp_path / "keys.db", now=time.time, look_s=0.01)
    yield opened
    await opened.close()


async def test_what_is_made_and_revoked_elsewhere_is_told(store: KeyStore, beside: KeyFile) -> None:
    told: list[int] = []
    store.subscribe(lambda: told.append(len(store.all())))
    assert store.find("tk_1") == KEY
    assert store.find("tk_2") is None
    beside.add(OTHER)
    await until(lambda: store.find("tk_2") is not None)
    assert beside.revoke("tk_1", 50.0)
    await until(lambda: store.find("tk_1") == replace(KEY, revoked_at=50.0))
    assert told == [2, 2]


async def test_who_asks_finds_at_once_what_was_made_a_moment_ago(beside: KeyFile, tmp_path: Path) -> None:
    store = await KeyStore.open(tmp_path / "keys.db", now=time.time, look_s=60.0)
    beside.add(OTHER)
    assert store.find("tk_2") is None
    await asyncio.gather(*(store.look() for _ in range(20)))
    assert store.find("tk_2") == OTHER
    await store.close()
    await store.look()


async def test_looks_that_are_asked_for_are_bounded_for_all_together(
    beside: KeyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "LOOK_AGAIN_S", 3600.0)
    store = await KeyStore.open(tmp_path / "keys.db", now=time.time, look_s=60.0)
    await store.look()
    beside.add(OTHER)
    for _ in range(20):
        await store.look()
    assert store.find("tk_2") is None
    await store.close()


async def test_an_asker_who_leaves_takes_the_look_from_nobody(beside: KeyFile, tmp_path: Path) -> None:
    store = await KeyStore.open(tmp_path / "keys.db", now=time.time, look_s=60.0)
    beside.add(OTHER)
    leaver, stayer = asyncio.ensure_future(store.look()), asyncio.ensure_future(store.look())
    await asyncio.sleep(0)
    leaver.cancel()
    await stayer
    assert store.find("tk_2") == OTHER
    await store.close()


def test_the_file_is_looked_at_often_enough_for_two_seconds() -> None:
    assert LOOK_S < 2.0


async def test_one_of_two_replicas_spends_a_nonce(store: KeyStore, tmp_path: Path) -> None:
    replica = await KeyStore.open(tmp_path / "keys.db", now=time.time)
    until_then = time.time() + 60
    spent = await asyncio.gather(*(each.spend("n", until_then) for each in (store, replica) * 5))
    assert sorted(spent) == [False] * 9 + [True]
    await replica.close()
    with pytest.raises(ChatError, match="closed"):
        await replica.spend("m", until_then)


async def test_uses_are_kept_at_the_end(beside: KeyFile, tmp_path: Path) -> None:
    store = await KeyStore.open(tmp_path / "keys.db", now=lambda: 77.0)
    store.used("tk_1")
    store.used("tk_1")
    await store.close()
    await store.close()
    assert [key.last_used_at for key in beside.all()] == [77.0]


async def test_uses_are_kept_once_a_minute(beside: KeyFile, tmp_path: Path) -> None:
    clock = [1000.0]
    store = await KeyStore.open(tmp_path / "keys.db", now=lambda: clock[0], look_s=0.005)
    store.used("tk_1")
    clock[0] += keys.NOTE_S
    await until(lambda: beside.all()[0].last_used_at == 1000.0)
    clock[0] += 1
    store.used("tk_1")
    for number in range(3):  # each is a look of the thread
        await store.spend(f"n{number}", 9999.0)
    assert beside.all()[0].last_used_at == 1000.0
    await store.close()


async def test_a_file_that_cannot_be_read_leaves_what_was_known(
    store: KeyStore, beside: KeyFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite3.connect(tmp_path / "keys.db") as shell:
        shell.execute("ALTER TABLE keys RENAME TO gone")
    await until(lambda: any(each.getMessage() == "keys_unreadable" for each in caplog.records))
    assert store.find("tk_1") == KEY
    with sqlite3.connect(tmp_path / "keys.db") as shell:
        shell.execute("ALTER TABLE gone RENAME TO keys")
    beside.add(OTHER)
    await until(lambda: store.find("tk_2") == OTHER)


async def test_nonces_that_cannot_be_kept_open_nothing(store: KeyStore, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "keys.db") as shell:
        shell.execute("DROP TABLE used_nonces")
    with pytest.raises(ChatError) as caught:
        await store.spend("n", time.time() + 60)
    assert caught.value.reason.value == "STORAGE_UNAVAILABLE"
