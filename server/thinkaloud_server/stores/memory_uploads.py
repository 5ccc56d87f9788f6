"""Rows of uploads in this process's memory: the same meaning as SQLite's, gone with the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from thinkaloud_server.core.run import Page
from thinkaloud_server.core.upload import Quota, Upload
from thinkaloud_server.stores.errors import key_reused, over_quota
from thinkaloud_server.stores.page import TimeKey, time_key, time_token


class MemoryUploadRows:
    """Satisfies UploadRows (upload_rows.py). Bounded by the quota of each tenant."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        """`check_open` raises once the store is closed."""
        self._check_open = check_open
        self._uploads: dict[str, Upload] = {}

    async def check_room(self, tenant: str, quota: Quota) -> None:
        self._check_open()
        self._check_room(tenant, 0, quota)

    async def add(self, tenant: str, upload: Upload, quota: Quota) -> Upload:
        self._check_open()
        assert upload.tenant == tenant
        for found in self._of(tenant):
            if upload.idempotency_key and found.idempotency_key == upload.idempotency_key:
                if not found.is_same_file(upload):
                    raise key_reused()
                return found
        self._check_room(tenant, upload.size_bytes, quota)
        self._uploads[upload.upload_id] = upload
        return upload

    async def get(self, tenant: str, upload_id: str) -> Upload | None:
        self._check_open()
        found = self._uploads.get(upload_id)
        return found if found is not None and found.tenant == tenant else None

    async def list_page(self, tenant: str, *, page_size: int, page_token: str) -> Page[Upload]:
        self._check_open()
        after = time_key("uploads", page_token)
        below = {key: each for each in self._of(tenant) if (key := TimeKey(each.created_at, each.upload_id)) < after}
        keys = sorted(below, reverse=True)
        token = time_token("uploads", keys[page_size - 1]) if len(keys) > page_size else ""
        return Page(tuple(below[key] for key in keys[:page_size]), token)

    async def delete(self, tenant: str, upload_id: str) -> bool:
        if await self.get(tenant, upload_id) is None:
            return False
        del self._uploads[upload_id]
        return True

    async def trim(self, created_before: float, most: int) -> Sequence[str]:
        self._check_open()
        old = sorted((each for each in self._uploads.values() if each.created_at < created_before), key=_age)[:most]
        for upload in old:
            del self._uploads[upload.upload_id]
        return [upload.upload_id for upload in old]

    async def ids(self) -> frozenset[str]:
        self._check_open()
        return frozenset(self._uploads)

    def _of(self, tenant: str) -> list[Upload]:
        return [each for each in self._uploads.values() if each.tenant == tenant]

    def _check_room(self, tenant: str, size_bytes: int, quota: Quota) -> None:
        sizes = [each.size_bytes for each in self._of(tenant)]
        if len(sizes) + 1 > quota.files or sum(sizes) + size_bytes > quota.bytes:
            raise over_quota(len(sizes), sum(sizes), quota)


def _age(upload: Upload) -> float:
    return upload.created_at
