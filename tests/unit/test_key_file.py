"""The file of API keys."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import Allowance, Identity
from thinkaloud_server.core.key import Key
from thinkaloud_server.stores.key_file import KeyFile

PLAIN = Key(Identity("acme", "tk_1", frozenset({"read"})), "plain", b"\x00\xff", "p1", 10.0)
FULL = Key(
    Identity(
        tenant="other",
        key_id="tk_2",
        scopes=frozenset({"read", "chat", "admin"}),
        models=("openai/*", "demo/plain"),
        allowance=Allowance(requests_per_minute=60, runs=0, cost_usd_per_day=1.25),
        expires_at=99.5,
    ),
    name="fü'll",
    hash=bytes(range(32)),
    pepper="p2",
    created_at=20.0,
)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[KeyFile]:
    opened = KeyFile.open(tmp_path / "data" / "keys.db")
    yield opened
    opened.close()


@pytest.fixture
def other(file: KeyFile, tmp_path: Path) -> Iterator[KeyFile]:
    """The same file, as another process has it."""
    opened = KeyFile.open(tmp_path / "data" / "keys.db")
    yield opened
    opened.close()


def test_what_is_kept_is_read_back_new_ones_first(file: KeyFile, other: KeyFile) -> None:
    file.add(PLAIN)
    file.add(FULL)
    assert other.all() == [FULL, PLAIN]


def test_it_is_for_its_owners_eyes_only(file: KeyFile, tmp_path: Path) -> None:
    file.add(PLAIN)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    found = list((tmp_path / "data").iterdir())
    assert found
    assert all(stat.S_IMODE(each.stat().st_mode) == 0o600 for each in found)


def test_another_ones_change_changes_the_version(file: KeyFile, other: KeyFile) -> None:
    before = file.version()
    assert file.version() == before
    other.add(PLAIN)
    assert file.version() != before


def test_a_key_is_revoked_once(file: KeyFile) -> None:
    file.add(PLAIN)
    file.add(FULL)
    assert file.revoke("tk_1", 50.0)
    assert not file.revoke("tk_1", 60.0)
    assert not file.revoke("tk_3", 60.0)
    assert file.all() == [FULL, replace(PLAIN, revoked_at=50.0)]


def test_a_use_is_never_set_back(file: KeyFile) -> None:
    file.add(PLAIN)
    file.note_use({"tk_1": 30.0, "tk_3": 30.0})
    file.note_use({"tk_1": 20.0})
    assert [key.last_used_at for key in file.all()] == [30.0]


def test_a_nonce_is_spent_once_whoever_spends_it_and_then_forgotten(file: KeyFile, other: KeyFile) -> None:
    assert file.spend("n", 100.0, now=50.0)
    assert not other.spend("n", 100.0, now=60.0)
    assert other.spend("m", 200.0, now=60.0)
    assert file.spend("n", 100.0, now=101.0)
    assert not file.spend("m", 200.0, now=101.0)


def test_an_id_is_never_given_twice(file: KeyFile) -> None:
    file.add(PLAIN)
    with pytest.raises(sqlite3.IntegrityError):
        file.add(replace(FULL, identity=PLAIN.identity))


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "no.db").write_bytes(b"this is no database" * 100)
    for path in (tmp_path / "file" / "keys.db", tmp_path / "no.db"):
        with pytest.raises(ChatError, match=path.name) as caught:
            KeyFile.open(path)
        assert caught.value.reason is ErrorReason.STORAGE_UNAVAILABLE
