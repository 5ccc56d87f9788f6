"""Rows of uploads: keys, quotas, pages, age; another tenant's are as those that are not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes.stored import OTHER, TENANT, an_id
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.upload import Quota, Upload
from thinkaloud_server.stores.memory import MemoryStore
from thinkaloud_server.stores.sqlite import SqliteStore
from thinkaloud_server.stores.upload_rows import UploadRows

ROOM = Quota()


@pytest.fixture
def rows(store: MemoryStore | SqliteStore) -> UploadRows:
    return store.uploads


def an_upload(number: int = 1, tenant: str = TENANT, **fields: Any) -> Upload:
    made = Upload(
        an_id("upl", number), tenant, f"file {number}.txt", "text/plain", 10, f"hash-{number}", 100.0 + number
    )
    return replace(made, **fields)


async def refusal(asking: Awaitable[Any]) -> ErrorReason:
    with pytest.raises(ChatError) as refused:
        await asking
    return refused.value.reason


async def test_what_was_added_is_there(rows: UploadRows) -> None:
    upload = an_upload(filename="naïve.txt", idempotency_key="k")
    assert await rows.add(TENANT, upload, ROOM) == upload
    assert await rows.get(TENANT, upload.upload_id) == upload
    assert await rows.get(TENANT, an_id("upl", 2)) is None
    assert await rows.ids() == {upload.upload_id}


async def test_a_key_makes_one_upload_of_one_file(rows: UploadRows) -> None:
    first = await rows.add(TENANT, an_upload(1, idempotency_key="k"), ROOM)
    again = an_upload(1, upload_id=an_id("upl", 2), created_at=999.0, idempotency_key="k")
    assert await rows.add(TENANT, again, ROOM) == first
    others: list[dict[str, Any]] = [{"sha256": "x"}, {"filename": "x"}, {"content_type": "a/b"}, {"size_bytes": 11}]
    for other in (replace(again, **fields) for fields in others):
        assert await refusal(rows.add(TENANT, other, ROOM)) is ErrorReason.IDEMPOTENCY_KEY_REUSED
    assert await rows.ids() == {first.upload_id}


async def test_a_key_is_its_tenants_and_no_key_is_none(rows: UploadRows) -> None:
    for number, (tenant, key) in enumerate([(TENANT, "k"), (OTHER, "k"), (TENANT, ""), (TENANT, "")], 1):
        upload = an_upload(number, tenant, idempotency_key=key)
        assert await rows.add(tenant, upload, ROOM) == upload


async def test_a_deleted_upload_takes_its_key_along(rows: UploadRows) -> None:
    await rows.add(TENANT, an_upload(1, idempotency_key="k"), ROOM)
    assert await rows.delete(TENANT, an_id("upl", 1))
    assert not await rows.delete(TENANT, an_id("upl", 1))
    assert (await rows.add(TENANT, an_upload(2, idempotency_key="k"), ROOM)).upload_id == an_id("upl", 2)


@pytest.mark.parametrize(("quota", "fit"), [(Quota(files=2), 2), (Quota(bytes=35), 3), (Quota(bytes=9), 0)])
async def test_a_tenant_keeps_no_more_than_its_quota(rows: UploadRows, quota: Quota, fit: int) -> None:
    for number in range(1, fit + 1):
        await rows.add(TENANT, an_upload(number), quota)
    assert await refusal(rows.add(TENANT, an_upload(9), quota)) is ErrorReason.QUOTA_EXCEEDED
    assert len(await rows.ids()) == fit
    if fit:
        await rows.add(OTHER, an_upload(10, OTHER), quota)
        await rows.delete(TENANT, an_id("upl", 1))
        await rows.add(TENANT, an_upload(9), quota)


async def test_room_for_a_file_is_told_before_it_comes(rows: UploadRows) -> None:
    quota = Quota(files=1)
    await rows.check_room(TENANT, quota)
    await rows.add(TENANT, an_upload(1), quota)
    assert await refusal(rows.check_room(TENANT, quota)) is ErrorReason.QUOTA_EXCEEDED
    await rows.check_room(OTHER, quota)


async def test_a_repeated_key_needs_no_room(rows: UploadRows) -> None:
    quota = Quota(files=1)
    first = await rows.add(TENANT, an_upload(1, idempotency_key="k"), quota)
    again = an_upload(1, upload_id=an_id("upl", 2), idempotency_key="k")
    assert await rows.add(TENANT, again, quota) == first


async def test_a_list_is_newest_first_and_goes_on_where_its_page_ended(rows: UploadRows) -> None:
    for number in (2, 1, 3):
        await rows.add(TENANT, an_upload(number), ROOM)
    await rows.add(TENANT, an_upload(4, created_at=103.0), ROOM)
    await rows.add(OTHER, an_upload(5, OTHER), ROOM)
    first = await rows.list_page(TENANT, page_size=3, page_token="")
    assert [each.upload_id for each in first.items] == [an_id("upl", number) for number in (4, 3, 2)]
    rest = await rows.list_page(TENANT, page_size=3, page_token=first.next_page_token)
    assert ([each.upload_id for each in rest.items], rest.next_page_token) == ([an_id("upl", 1)], "")
    assert await refusal(rows.list_page(TENANT, page_size=3, page_token="x")) is ErrorReason.INVALID_PAGE_TOKEN


async def test_what_is_old_is_forgotten_oldest_first(rows: UploadRows) -> None:
    for number in (3, 1, 2):
        await rows.add(TENANT, an_upload(number), ROOM)
    await rows.add(OTHER, an_upload(4, OTHER, created_at=50.0), ROOM)
    assert list(await rows.trim(103.0, 2)) == [an_id("upl", 4), an_id("upl", 1)]
    assert list(await rows.trim(103.0, 2)) == [an_id("upl", 2)]
    assert list(await rows.trim(103.0, 2)) == []
    assert await rows.ids() == {an_id("upl", 3)}


Call = Callable[[UploadRows, str, int], Awaitable[Any]]
# Each call is made by OTHER: once for the ids of TENANT's things, and once for ids that nobody has.
CALLS: dict[str, Call] = {
    "get": lambda rows, tenant, n: rows.get(tenant, an_id("upl", n)),
    "list_page": lambda rows, tenant, n: rows.list_page(tenant, page_size=9, page_token=""),
    "delete": lambda rows, tenant, n: rows.delete(tenant, an_id("upl", n)),
    "check_room": lambda rows, tenant, n: rows.check_room(tenant, Quota(files=1)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_another_tenants_upload_is_as_one_that_is_not_there(rows: UploadRows, call: Call) -> None:
    upload = await rows.add(TENANT, an_upload(1), ROOM)
    assert await call(rows, OTHER, 1) == await call(rows, OTHER, 99)
    assert await rows.get(TENANT, upload.upload_id) == upload


async def test_a_closed_store_says_so(store: MemoryStore | SqliteStore) -> None:
    await store.close()
    for call in CALLS.values():
        assert await refusal(call(store.uploads, TENANT, 1)) is ErrorReason.STORAGE_UNAVAILABLE
    assert await refusal(store.uploads.add(TENANT, an_upload(), ROOM)) is ErrorReason.STORAGE_UNAVAILABLE
    assert await refusal(store.uploads.trim(1.0, 1)) is ErrorReason.STORAGE_UNAVAILABLE
    assert await refusal(store.uploads.ids()) is ErrorReason.STORAGE_UNAVAILABLE
