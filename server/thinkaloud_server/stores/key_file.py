"""The file of API keys: one small SQLite database beside the server's, shared with whoever makes and revokes keys.

It is under no lock of its owner, since `thinkaloud keys` writes into it while the server runs; SQLite's own locks are
enough for rows that change a few times a day. Everything here blocks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import msgspec

from thinkaloud_server.core.identity import Allowance, Identity
from thinkaloud_server.core.key import Key
from thinkaloud_server.stores.connection import open_writer, roll_back
from thinkaloud_server.stores.errors import unavailable
from thinkaloud_server.stores.migrate import known_migrations, migrate

_BUSY_TIMEOUT_S = 10.0


class _Row(msgspec.Struct, array_like=True, frozen=True):
    """A row of `keys`; the lists and the allowance are JSON."""

    key_id: str
    hash: bytes
    pepper: str
    tenant: str
    name: str
    scopes: str
    models: str
    allowance: str
    created_at: float
    expires_at: float
    revoked_at: float
    last_used_at: float


_COLUMNS = ", ".join(_Row.__struct_fields__)
_MARKS = ", ".join("?" * len(_Row.__struct_fields__))


class KeyFile:
    """An open file of keys. Used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: Path) -> KeyFile:
        """Open it, and make it where it is not there. Raises ChatError(STORAGE_UNAVAILABLE)."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A key that was revoked must stay revoked, also when the power fails.
            connection = open_writer(path, "power", _BUSY_TIMEOUT_S)
            connection.execute("PRAGMA wal_autocheckpoint = 1000")
            migrate(connection, known_migrations("key_migrations"))
        except (sqlite3.Error, OSError) as error:
            raise unavailable(f"the file of API keys {path} cannot be opened: {error}") from error
        return cls(connection)

    def close(self) -> None:
        self._connection.close()

    def version(self) -> int:
        """Another number after anybody else has changed the file."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def all(self) -> list[Key]:
        """All of them, those that were made last first; also revoked and expired ones."""
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM keys ORDER BY created_at DESC, key_id")
        return [_key(msgspec.convert(row, _Row)) for row in rows]

    def add(self, key: Key) -> None:
        """Keep a new one."""
        identity = key.identity
        row = _Row(
            key_id=key.key_id,
            hash=key.hash,
            pepper=key.pepper,
            tenant=identity.tenant,
            name=key.name,
            scopes=_json(sorted(identity.scopes)),
            models=_json(identity.models),
            allowance=_json(_given(identity.allowance)),
            created_at=key.created_at,
            expires_at=identity.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )
        self._connection.execute(f"INSERT INTO keys ({_COLUMNS}) VALUES ({_MARKS})", msgspec.structs.astuple(row))

    def revoke(self, key_id: str, at: float) -> bool:
        """Take it back, for good; False when there is none, or it was taken back before."""
        done = self._connection.execute(
            "UPDATE keys SET revoked_at = ? WHERE key_id = ? AND revoked_at = 0", (at, key_id)
        )
        return done.rowcount == 1

    def note_use(self, used: Mapping[str, float]) -> None:
        """When keys were last used."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE keys SET last_used_at = max(last_used_at, ?) WHERE key_id = ?",
                [(at, key_id) for key_id, at in used.items()],
            )

    def spend(self, nonce: str, expires_at: float, now: float) -> bool:
        """True for the first who spends this one. Those whose tokens have expired are forgotten."""
        with self._transaction():
            self._connection.execute("DELETE FROM used_nonces WHERE expires_at < ?", (now,))
            done = self._connection.execute(
                "INSERT INTO used_nonces (nonce, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING", (nonce, expires_at)
            )
        return done.rowcount == 1

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            roll_back(self._connection)
            raise


def _key(row: _Row) -> Key:
    identity = Identity(
        tenant=row.tenant,
        key_id=row.key_id,
        scopes=msgspec.json.decode(row.scopes, type=frozenset[str]),
        models=msgspec.json.decode(row.models, type=tuple[str, ...]),
        allowance=msgspec.json.decode(row.allowance, type=Allowance),
        expires_at=row.expires_at,
    )
    return Key(identity, row.name, row.hash, row.pepper, row.created_at, row.revoked_at, row.last_used_at)


def _given(allowance: Allowance) -> dict[str, float]:
    return {name: value for name, value in asdict(allowance).items() if value is not None}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
