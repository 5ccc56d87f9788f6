"""Files there and back over a real server, also where connections die in the middle."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fakes.client_driver import Driver
from fakes.cutting_proxy import Cut, CuttingProxy
from fakes.uploading import files_below
from fakes.whole import Whole, whole_server
from thinkaloud import Client, InvalidRequestError, NotFoundError, UnavailableError

DATA = bytes(range(256)) * 8000
CUTS = [Cut(200_000, "to_server"), Cut(40, "to_client"), Cut(900_000, "to_server", reset=False)]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Whole]:
    async with whole_server(tmp_path / "data", uploads={"bytes_max": 4_000_000}) as whole:
        yield whole


async def test_a_file_goes_and_comes_back_and_is_listed_and_deleted(
    driver: Driver, server: Whole, tmp_path: Path
) -> None:
    path = tmp_path / "numbers.bin"
    path.write_bytes(DATA)
    upload = await driver.unary(server.address, lambda client: client.upload(path, content_type="image/x-own"))
    assert (upload.filename, upload.content_type, upload.size_bytes) == ("numbers.bin", "image/x-own", len(DATA))
    listed = await driver.unary(server.address, lambda client: client.list_uploads())
    assert [each.upload_id for each in listed] == [upload.upload_id]
    got = tmp_path / "got"
    assert await driver.unary(server.address, lambda client: client.download(upload.upload_id, got)) == upload
    assert got.read_bytes() == DATA
    into = io.BytesIO()
    await driver.unary(server.address, lambda client: client.download(upload.upload_id, into))
    assert into.getvalue() == DATA
    await driver.unary(server.address, lambda client: client.delete_upload(upload.upload_id))
    with pytest.raises(NotFoundError):
        await driver.unary(server.address, lambda client: client.download(upload.upload_id, tmp_path / "none"))
    assert not (tmp_path / "none").exists()


async def test_an_upload_over_connections_that_die_is_stored_once(driver: Driver, server: Whole) -> None:
    async with CuttingProxy(server.address, CUTS) as proxy:
        upload = await driver.unary(proxy.address, lambda client: client.upload(io.BytesIO(DATA)))
        assert proxy.cuts_made == len(CUTS)
    assert upload.size_bytes == len(DATA)
    listed = await driver.unary(server.address, lambda client: client.list_uploads())
    assert [each.upload_id for each in listed] == [upload.upload_id]


async def test_a_download_over_connections_that_die_is_whole(driver: Driver, server: Whole, tmp_path: Path) -> None:
    upload = await driver.unary(server.address, lambda client: client.upload(io.BytesIO(DATA)))
    cuts = [Cut(size, reset=reset) for size, reset in ((150_000, True), (60, False), (1_000_000, True))]
    async with CuttingProxy(server.address, cuts) as proxy:
        await driver.unary(proxy.address, lambda client: client.download(upload.upload_id, tmp_path / "got"))
        assert proxy.cuts_made == len(cuts)
    assert (tmp_path / "got").read_bytes() == DATA


class Broken(io.BytesIO):
    """It can be read up to a place."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 300_000:
            raise OSError("the disk is gone")
        return super().read(size)


async def test_a_file_that_cannot_be_read_to_its_end_is_not_stored(
    driver: Driver, server: Whole, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="the disk is gone"):
        await driver.unary(server.address, lambda client: client.upload(Broken(DATA)))
    assert len(await driver.unary(server.address, lambda client: client.list_uploads())) == 0
    with pytest.raises(FileNotFoundError):
        await driver.unary(server.address, lambda client: client.upload(tmp_path / "nowhere"))


async def test_a_refusal_is_raised_as_what_it_is(driver: Driver, server: Whole) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await driver.unary(server.address, lambda client: client.upload(io.BytesIO(bytes(6_000_000))))
    assert refused.value.code == "UPLOAD_TOO_LARGE"


async def test_a_pipe_that_was_read_from_is_not_sent_again(driver: Driver, server: Whole) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    async with CuttingProxy(server.address, CUTS) as proxy:
        with pytest.raises(UnavailableError):
            await driver.unary(proxy.address, lambda client: client.upload(Pipe(DATA)))


async def test_a_cancelled_upload_is_cancelled_and_leaves_nothing(server: Whole, tmp_path: Path) -> None:
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def progress(sent: int) -> None:
        loop.call_soon_threadsafe(reached.set)

    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1, /) -> Any:
            return bytes(1000)

    async with Client(server.address) as client:
        endless: Any = Endless()
        sending = asyncio.create_task(client.upload(endless, on_progress=progress))
        await reached.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert len(await client.list_uploads()) == 0
    assert files_below(tmp_path / "data" / "uploads") == []
