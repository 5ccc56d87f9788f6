"""Files of uploads: kept whole or not at all, whoever leaves, whatever fails, and after a restart."""

from __future__ import annotations

import asyncio
import resource
import stat
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from fakes.rpc import until
from fakes.stored import OTHER, TENANT, an_id
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.upload import Quota, Upload
from thinkaloud_server.stores.memory import MemoryStore
from thinkaloud_server.stores.uploads import Uploads

ONE, TWO = an_id("upl", 1), an_id("upl", 2)


class Setting:
    """Uploads in a directory, and the store with their rows."""

    def __init__(self, place: Path | None, **options: Any) -> None:
        self.store = MemoryStore()
        options.setdefault("quota", Quota())
        self.uploads = Uploads(self.store.uploads, place, kept_s=100.0, **options)

    async def put(self, *pieces: bytes, upload_id: str = ONE, tenant: str = TENANT, **words: Any) -> Upload:
        """A file from beginning to end."""
        async with self.uploads.incoming(tenant, upload_id) as file:
            for piece in pieces:
                await file.write(piece)
            return await file.keep(**{"filename": "f", "content_type": "text/plain", "created_at": 1.0, **words})
        raise AssertionError("it was not kept")

    async def read(self, upload_id: str = ONE, tenant: str = TENANT) -> bytes:
        async with self.uploads.content(tenant, upload_id) as (_, pieces):
            return b"".join([piece async for piece in pieces])
        raise AssertionError("it was not read")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "uploads" / "thinkaloud.db"


@pytest.fixture
async def setting(place: Path) -> AsyncIterator[Setting]:
    made = Setting(place)
    yield made
    await made.uploads.close()


@pytest.fixture
def small_disk() -> Iterator[int]:
    """No file may grow beyond so many bytes: writes fail as on a disk that is full."""
    limit = 1_000_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


async def reason(asking: Any) -> ErrorReason:
    with pytest.raises(ChatError) as refused:
        await asking
    return refused.value.reason


async def test_a_file_is_kept_as_it_came(setting: Setting, place: Path) -> None:
    data = bytes(range(256)) * 5_000
    upload = await setting.put(data[:10], b"", data[10:700_000], data[700_000:], filename="n", idempotency_key="k")
    assert (upload.upload_id, upload.size_bytes, upload.sha256) == (ONE, len(data), sha256(data).hexdigest())
    assert await setting.read() == data
    assert names(place) == [ONE]


async def test_an_empty_file_is_one(setting: Setting, place: Path) -> None:
    assert (await setting.put()).size_bytes == 0
    assert await setting.read() == b""
    assert names(place) == [ONE]


async def test_files_are_for_their_owner_only(setting: Setting, place: Path) -> None:
    await setting.put(b"x")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (place.parent, place, place / ONE)}
    assert modes == {place.parent: 0o700, place: 0o700, place / ONE: 0o600}


async def test_nothing_is_made_before_the_first_file(setting: Setting, place: Path) -> None:
    await setting.uploads.open()
    assert await reason(setting.read()) is ErrorReason.NOT_FOUND
    assert names(place.parents[1]) == []


async def test_a_file_under_way_has_no_name_yet_and_no_row(setting: Setting, place: Path) -> None:
    async with setting.uploads.incoming(TENANT, ONE) as file:
        await file.write(b"x" * 300_000)
        assert names(place) == [f"{ONE}.part"]
        assert await reason(setting.read()) is ErrorReason.NOT_FOUND
    await until(lambda: not names(place))


@pytest.mark.parametrize("how", ["an error", "cancelled", "cancelled in a write"])
async def test_nothing_is_left_of_a_file_that_was_not_kept(setting: Setting, place: Path, how: str) -> None:
    reached = asyncio.Event()

    async def upload() -> None:
        async with setting.uploads.incoming(TENANT, ONE) as file:
            await file.write(b"x" * 300_000)
            reached.set()
            if how == "an error":
                raise ValueError
            if how == "cancelled":
                await asyncio.Event().wait()
            while True:
                await file.write(b"x" * 300_000)

    uploading = asyncio.ensure_future(upload())
    await reached.wait()
    uploading.cancel()
    with pytest.raises((asyncio.CancelledError, ValueError)):
        await uploading
    await until(lambda: not names(place))
    assert await setting.store.uploads.ids() == frozenset()


async def test_a_file_that_was_whole_is_kept_though_its_caller_left(setting: Setting, place: Path) -> None:
    """The row and the file are together, however late the caller leaves."""
    for turns in range(12):
        upload_id = an_id("upl", 100 + turns)
        putting = asyncio.ensure_future(setting.put(b"x", upload_id=upload_id))
        for _ in range(turns):
            await asyncio.sleep(0)
        putting.cancel()
        await asyncio.gather(putting, return_exceptions=True)
    await setting.uploads.close()
    assert set(names(place)) == await setting.store.uploads.ids()


async def test_a_repeated_key_leaves_the_first_file_alone(setting: Setting, place: Path) -> None:
    first = await setting.put(b"x", idempotency_key="k")
    assert await setting.put(b"x", upload_id=TWO, idempotency_key="k") == first
    assert names(place) == [ONE]
    again = setting.put(b"y", upload_id=TWO, idempotency_key="k")
    assert await reason(again) is ErrorReason.IDEMPOTENCY_KEY_REUSED
    await until(lambda: names(place) == [ONE])
    assert await setting.read() == b"x"


async def test_a_quota_is_told_before_the_file_and_held_at_its_end(place: Path) -> None:
    setting = Setting(place, quota=Quota(files=2, bytes=10))
    await setting.put(b"x" * 6)
    assert await reason(setting.put(b"x" * 6, upload_id=TWO)) is ErrorReason.QUOTA_EXCEEDED
    await setting.put(b"x", upload_id=TWO)
    entering = setting.uploads.incoming(TENANT, an_id("upl", 3)).__aenter__()
    assert await reason(entering) is ErrorReason.QUOTA_EXCEEDED
    await setting.uploads.close()
    assert names(place) == [ONE, TWO]


async def test_more_files_at_once_than_there_is_room_for_are_refused(place: Path) -> None:
    setting = Setting(place, open_max=2)
    async with setting.uploads.incoming(TENANT, ONE):
        assert await reason(setting.put(b"x", upload_id=TWO)) is ErrorReason.TOO_MANY_STREAMS
        async with setting.uploads.incoming(OTHER, TWO):
            third = setting.put(b"x", upload_id=an_id("upl", 3), tenant="third")
            assert await reason(third) is ErrorReason.OVERLOADED
    await setting.put(b"x", upload_id=TWO)
    await setting.uploads.close()


async def test_pieces_of_nothing_cost_nothing(setting: Setting) -> None:
    async with setting.uploads.incoming(TENANT, ONE) as file:
        for _ in range(10_000):
            await file.write(b"")
        await file.write(b"x")
        upload = await file.keep(filename="", content_type="a/b", created_at=1.0)
    assert upload.size_bytes == 1


async def test_what_is_closed_says_so_and_leaves_nothing(setting: Setting, place: Path) -> None:
    async with setting.uploads.incoming(TENANT, ONE) as file:
        await file.write(b"x" * 300_000)
        await setting.uploads.close()
        assert await reason(file.write(b"x" * 300_000)) is ErrorReason.STORAGE_UNAVAILABLE
    assert names(place) == []
    assert await reason(setting.put(b"x")) is ErrorReason.STORAGE_UNAVAILABLE


async def test_a_full_disk_is_told_and_leaves_nothing(
    setting: Setting, place: Path, small_disk: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert await reason(setting.put(b"x" * (small_disk + 1))) is ErrorReason.STORAGE_UNAVAILABLE
    await until(lambda: not names(place))
    assert "uploads_failed" in caplog.text
    await setting.put(b"x" * small_disk)
    assert len(await setting.read()) == small_disk


async def test_a_place_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    setting = Setting(tmp_path / "file" / "uploads")
    assert await reason(setting.put(b"x")) is ErrorReason.STORAGE_UNAVAILABLE
    await setting.uploads.close()


@pytest.mark.parametrize("damage", ["gone", "cut"])
async def test_a_damaged_file_is_not_found(
    setting: Setting, place: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    await setting.put(b"xyz")
    if damage == "gone":
        (place / ONE).unlink()
    else:
        (place / ONE).write_bytes(b"x")
    assert await reason(setting.read()) is ErrorReason.NOT_FOUND
    assert "upload_damaged" in caplog.text


async def test_a_link_in_the_place_of_a_file_is_not_followed(setting: Setting, place: Path) -> None:
    await setting.put(b"xyz")
    (place / ONE).rename(place / "elsewhere")
    (place / ONE).symlink_to(place / "elsewhere")
    assert await reason(setting.read()) is ErrorReason.STORAGE_UNAVAILABLE


async def test_another_tenants_file_is_as_one_that_is_not_there(setting: Setting) -> None:
    await setting.put(b"secret")
    told = []
    for upload_id in (ONE, TWO):
        for asking in (setting.read(upload_id, OTHER), setting.uploads.delete(OTHER, upload_id)):
            with pytest.raises(ChatError) as refused:
                await asking
            told.append((refused.value.reason, refused.value.message, refused.value.details))
    assert told == [told[0]] * 4
    assert await setting.read() == b"secret"


async def test_a_deleted_file_is_gone_and_who_reads_it_reads_on(setting: Setting, place: Path) -> None:
    await setting.put(b"x" * 300_000)
    async with setting.uploads.content(TENANT, ONE) as (upload, pieces):
        first = await anext(pieces)
        await setting.uploads.delete(TENANT, ONE)
        rest = [piece async for piece in pieces]
    assert len(first) + sum(map(len, rest)) == upload.size_bytes
    assert names(place) == []
    assert await reason(setting.uploads.delete(TENANT, ONE)) is ErrorReason.NOT_FOUND


async def test_what_was_kept_for_its_time_is_trimmed(setting: Setting, place: Path) -> None:
    for number in range(1, 151):
        await setting.put(b"x", upload_id=an_id("upl", number), created_at=float(number))
    assert await setting.uploads.trim(now=220.5) == 120
    assert len(names(place)) == 30
    assert await setting.uploads.trim(now=220.5) == 0


async def test_what_a_dead_process_left_half_done_is_removed(setting: Setting, place: Path) -> None:
    await setting.put(b"x")
    for name in (f"{TWO}.part", TWO):
        (place / name).write_bytes(b"left")
    again = Uploads(setting.store.uploads, place, quota=Quota(), kept_s=100.0)
    assert await again.open() == 2
    await again.close()
    assert names(place) == [ONE]
    assert await setting.read() == b"x"


@pytest.mark.parametrize("durable", [False, True])
async def test_a_durable_file_is_the_same_file(place: Path, durable: bool) -> None:
    setting = Setting(place, durable=durable)
    await setting.put(b"x")
    assert await setting.read() == b"x"
    await setting.uploads.close()


async def test_without_a_place_files_live_as_long_as_the_process(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    setting = Setting(None)
    await setting.uploads.open()
    assert names(tmp_path) == []
    await setting.put(b"x")
    assert await setting.read() == b"x"
    assert len(names(tmp_path)) == 1
    await setting.uploads.close()
    assert names(tmp_path) == []
