"""Rows of uploads in SQLite: plain functions of a connection, and the class that runs them where they belong."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from thinkaloud_server.core.run import Page
from thinkaloud_server.core.upload import Quota, Upload
from thinkaloud_server.stores.codec import storable
from thinkaloud_server.stores.errors import key_reused, over_quota
from thinkaloud_server.stores.page import TimeKey, time_key, time_token

# The fields of Upload, in their order.
_COLUMNS = "upload_id, tenant, filename, content_type, size_bytes, sha256, created_at, idempotency_key"


class UploadRows(Protocol):
    """What is known of uploads, whoever keeps it. Any method raises ChatError(STORAGE_UNAVAILABLE)."""

    async def check_room(self, tenant: str, quota: Quota) -> None:
        """Raises ChatError(QUOTA_EXCEEDED) where not even an empty file has room."""

    async def add(self, tenant: str, upload: Upload, quota: Quota) -> Upload:
        """Store it, or answer with the one that its idempotency key made.

        Raises ChatError: IDEMPOTENCY_KEY_REUSED (for another file), QUOTA_EXCEEDED.
        """

    async def get(self, tenant: str, upload_id: str) -> Upload | None: ...

    async def list_page(self, tenant: str, *, page_size: int, page_token: str) -> Page[Upload]:
        """Newest first. Raises ChatError(INVALID_PAGE_TOKEN)."""

    async def delete(self, tenant: str, upload_id: str) -> bool:
        """False when there was none."""

    async def trim(self, created_before: float, most: int) -> Sequence[str]:
        """Forget the oldest of those, whose ever they are, and say which."""

    async def ids(self) -> frozenset[str]:
        """Of all that there are, whose ever they are."""


class Ask(Protocol):
    """Runs a function with a connection, elsewhere."""

    def __call__(self, function: Callable[..., Any], *args: Any) -> Awaitable[Any]: ...


class SqliteUploadRows:
    """Satisfies UploadRows by the threads of a SqliteStore."""

    def __init__(self, read: Ask, write: Ask) -> None:
        self._read = read
        self._write = write

    async def check_room(self, tenant: str, quota: Quota) -> None:
        await self._read(check_room, tenant, 0, quota)

    async def add(self, tenant: str, upload: Upload, quota: Quota) -> Upload:
        assert upload.tenant == tenant
        stored: Upload = await self._write(add, tenant, upload, quota)
        return stored

    async def get(self, tenant: str, upload_id: str) -> Upload | None:
        found: Upload | None = await self._read(get, tenant, upload_id)
        return found

    async def list_page(self, tenant: str, *, page_size: int, page_token: str) -> Page[Upload]:
        page: Page[Upload] = await self._read(list_page, tenant, page_size, page_token)
        return page

    async def delete(self, tenant: str, upload_id: str) -> bool:
        deleted: bool = await self._write(delete, tenant, upload_id)
        return deleted

    async def trim(self, created_before: float, most: int) -> Sequence[str]:
        dropped: Sequence[str] = await self._write(trim, created_before, most)
        return dropped

    async def ids(self) -> frozenset[str]:
        known: frozenset[str] = await self._read(ids)
        return known


def check_room(connection: sqlite3.Connection, tenant: str, size_bytes: int, quota: Quota) -> None:
    files, size = connection.execute(
        "SELECT count(*), coalesce(sum(size_bytes), 0) FROM uploads WHERE tenant = ?", (tenant,)
    ).fetchone()
    if files + 1 > quota.files or size + size_bytes > quota.bytes:
        raise over_quota(files, size, quota)


def add(connection: sqlite3.Connection, tenant: str, upload: Upload, quota: Quota) -> Upload:
    if upload.idempotency_key:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM uploads WHERE tenant = ? AND idempotency_key = ?", (tenant, upload.idempotency_key)
        ).fetchone()
        if row is not None:
            found = Upload(*row)
            if not found.is_same_file(upload):
                raise key_reused()
            return found
    check_room(connection, tenant, upload.size_bytes, quota)
    connection.execute(
        f"INSERT INTO uploads ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(upload.upload_id, tenant, storable(upload.filename), upload.content_type, upload.size_bytes),
            *(upload.sha256, upload.created_at, upload.idempotency_key),
        ),
    )
    return upload


def get(connection: sqlite3.Connection, tenant: str, upload_id: str) -> Upload | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM uploads WHERE upload_id = ? AND tenant = ?", (upload_id, tenant)
    ).fetchone()
    return row and Upload(*row)


def list_page(connection: sqlite3.Connection, tenant: str, page_size: int, page_token: str) -> Page[Upload]:
    after = time_key("uploads", page_token)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM uploads WHERE tenant = ? AND (created_at, upload_id) < (?, ?)"
        " ORDER BY created_at DESC, upload_id DESC LIMIT ?",
        (tenant, after.time, after.id, page_size + 1),
    ).fetchall()
    found = tuple(Upload(*row) for row in rows[:page_size])
    more = len(rows) > page_size
    return Page(found, time_token("uploads", TimeKey(found[-1].created_at, found[-1].upload_id)) if more else "")


def delete(connection: sqlite3.Connection, tenant: str, upload_id: str) -> bool:
    return bool(
        connection.execute("DELETE FROM uploads WHERE upload_id = ? AND tenant = ?", (upload_id, tenant)).rowcount
    )


def trim(connection: sqlite3.Connection, created_before: float, most: int) -> list[str]:
    rows = connection.execute(
        "SELECT upload_id FROM uploads WHERE created_at < ? ORDER BY created_at LIMIT ?", (created_before, most)
    ).fetchall()
    connection.executemany("DELETE FROM uploads WHERE upload_id = ?", rows)
    return [upload_id for (upload_id,) in rows]


def ids(connection: sqlite3.Connection) -> frozenset[str]:
    return frozenset(upload_id for (upload_id,) in connection.execute("SELECT upload_id FROM uploads"))
