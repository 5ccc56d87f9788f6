"""UploadService over a socket and inside the process: whole files, and everything that is refused on the way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest

from fakes.rpc import Refused, Served, refused, serving, until
from fakes.uploading import END, chunk, fetched, files_below, head, requests, written
from thinkaloud.v1 import upload_service_pb2 as pb
from thinkaloud_server.core.upload import Quota
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.stores.memory import MemoryStore
from thinkaloud_server.stores.uploads import Uploads

pytestmark = pytest.mark.usefixtures("channel_kind")

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
NOBODYS = "upl_" + "0" * 32


@asynccontextmanager
async def served_at(place: Path, quota: Quota | None = None, **limits: Any) -> AsyncIterator[Served]:
    """At the end nothing is under way, and no file is there that has no row."""
    store = MemoryStore()
    uploads = Uploads(store.uploads, place, quota=quota or Quota(), kept_s=3600.0)
    async with serving(uploads=uploads, limits=Limits(**limits)) as served:
        yield served
    assert set(files_below(place)) == await store.uploads.ids()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with served_at(tmp_path) as found:
        yield found


async def refusal(call: Any) -> Refused:
    asking = call.read() if isinstance(call, grpc.aio.UnaryStreamCall) else call
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asking
    return refused(caught.value)


@pytest.mark.parametrize("size", [0, 1, 1_000_000], ids=["empty", "a byte", "a million"])
async def test_a_file_comes_back_as_it_went(served: Served, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    stored = (await served.uploads.Upload(requests(data, "../my notes.txt", "Text/Plain; charset=utf-8"))).upload
    assert stored.path == f"uploads/{stored.upload_id}"
    assert (stored.filename, stored.content_type, stored.size_bytes) == ("my notes.txt", "text/plain", size)
    assert stored.sha256 == sha256(data).hexdigest()
    assert stored.expires_at.seconds - stored.created_at.seconds == 3600
    assert await fetched(served.uploads, stored.upload_id) == (stored, data)


async def test_a_picture_with_something_behind_it_is_kept_as_it_is(served: Served) -> None:
    data = PNG + b"<html><script>alert(1)</script>"
    stored = (await served.uploads.Upload(requests(data, "a.png", "image/png"))).upload
    assert (await fetched(served.uploads, stored.upload_id))[1] == data


@pytest.mark.parametrize(
    ("messages", "reason", "field"),
    [
        ([], "VALIDATION_FAILED", "file"),
        ([END], "VALIDATION_FAILED", "file"),
        ([chunk(b"x"), END], "VALIDATION_FAILED", "file"),
        ([pb.UploadRequest(), END], "VALIDATION_FAILED", "file"),
        ([head(), head(), END], "VALIDATION_FAILED", "file"),
        ([head(), pb.UploadRequest(), END], "VALIDATION_FAILED", "file"),
        ([head("a", "no type"), END], "VALIDATION_FAILED", "file.content_type"),
        ([head("a", "text/html\r\nset-cookie: a"), END], "VALIDATION_FAILED", "file.content_type"),
        ([head(key="é"), END], "IDEMPOTENCY_KEY_INVALID", "idempotency_key"),
        ([head(key="k" * 256), END], "IDEMPOTENCY_KEY_INVALID", "idempotency_key"),
        ([head()], "MALFORMED_REQUEST", ""),
        ([head(), chunk(b"x")], "MALFORMED_REQUEST", ""),
        ([head(), chunk(b"x" * 1001), END], "UPLOAD_TOO_LARGE", ""),
        ([head(), *[chunk(b"x" * 100)] * 11, END], "UPLOAD_TOO_LARGE", ""),
        ([head("a.png", "image/png"), END], "INVALID_IMAGE", ""),
        ([head("a.png", "image/png"), chunk(b"\x89PNG"), END], "UNSUPPORTED_MEDIA_TYPE", ""),
        ([head("a.png", "image/png"), chunk(b"<html><script>"), END], "UNSUPPORTED_MEDIA_TYPE", ""),
        ([head("a.png", "image/png"), *[chunk(b"%PDF")] * 3, END], "UNSUPPORTED_MEDIA_TYPE", ""),
        ([head("a.png", "image/jpeg"), chunk(PNG), END], "UNSUPPORTED_MEDIA_TYPE", ""),
    ],
    ids=[
        *("nothing", "an end alone", "no head", "an empty message", "two heads", "an empty message inside"),
        *("no type", "a line end", "a key of other letters", "a long key", "cut after the head", "cut in the file"),
        *("a byte too large", "too large in pieces", "an empty picture", "half of its first bytes", "a page"),
        *("a document", "another picture"),
    ],
)
async def test_what_is_no_upload_is_refused_and_leaves_nothing(
    tmp_path: Path, messages: list[pb.UploadRequest], reason: str, field: str
) -> None:
    async with served_at(tmp_path, upload_bytes=1000) as served:
        told = await refusal(served.uploads.Upload(iter(messages)))
        assert (told.reason, next(iter(told.fields), "")) == (reason, field)
        assert told.request_id
        await until(lambda: files_below(tmp_path) == [])
        good = (await served.uploads.Upload(requests(b"x" * 1000))).upload
        assert good.size_bytes == 1000


async def test_the_limit_is_told_with_its_refusal(tmp_path: Path) -> None:
    async with served_at(tmp_path, upload_bytes=10) as served:
        told = await refusal(served.uploads.Upload(requests(b"x" * 11)))
        assert (told.code, told.metadata["limit"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "10")


async def test_too_much_is_refused_with_all_of_it_unread(tmp_path: Path) -> None:
    async with served_at(tmp_path, upload_bytes=100_000) as served:
        told = await refusal(served.uploads.Upload(requests(b"x" * 10_000_000)))
        assert told.reason == "UPLOAD_TOO_LARGE"


@pytest.mark.parametrize("how", ["cancel", "deadline"])
async def test_a_call_that_is_cut_leaves_nothing(tmp_path: Path, how: str) -> None:
    """Again and again: on a socket the requests of such a call end as if that were all."""
    async with served_at(tmp_path) as served:
        for _ in range(20):
            call = served.uploads.Upload(timeout=0.2 if how == "deadline" else None)
            await written(call, head(), chunk(b"x" * 400_000))
            await until(lambda: files_below(tmp_path) != [])
            if how == "cancel":
                call.cancel()
            with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
                await call
            await until(lambda: files_below(tmp_path) == [] and served.server.load.calls == 0)
        assert not (await served.uploads.ListUploads(pb.ListUploadsRequest())).uploads


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"stall_timeout_s": 0.05}, "no message came for 0.05 s"), ({"intake_s": 0.05}, "it took over 0.05 s")],
)
async def test_a_caller_has_so_much_time(tmp_path: Path, limits: dict[str, Any], words: str) -> None:
    async with served_at(tmp_path, **limits) as served:
        told = await refusal(await written(served.uploads.Upload(), head(), chunk(b"x")))
        assert told.reason == "REQUEST_TIMEOUT"
        assert words in told.message
        await until(lambda: files_below(tmp_path) == [])


async def test_a_key_makes_one_upload(served: Served) -> None:
    data = b"x" * 100_000
    first = (await served.uploads.Upload(requests(data, "a", "text/plain", "k-1"))).upload
    calls = [served.uploads.Upload(requests(data, "a", "text/plain", "k-1")) for _ in range(20)]
    assert [(await call).upload for call in calls] == [first] * 20
    for other in (requests(data + b"y", "a", "text/plain", "k-1"), requests(data, "b", "text/plain", "k-1")):
        assert (await refusal(served.uploads.Upload(other))).reason == "IDEMPOTENCY_KEY_REUSED"
    assert (await served.uploads.Upload(requests(data, "a", "text/plain"))).upload.upload_id != first.upload_id


async def test_ten_thousand_small_files_end_at_the_quota(tmp_path: Path) -> None:
    async with served_at(tmp_path, Quota(files=3)) as served:
        for _ in range(3):
            await served.uploads.Upload(requests(b"x"))
        told = await refusal(served.uploads.Upload(requests(b"x")))
        assert (told.code, told.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED")
        assert told.metadata["files_max"] == "3"


async def test_uploads_are_listed_newest_first_and_deleted(served: Served) -> None:
    ids = [(await served.uploads.Upload(requests(b"x", str(number)))).upload.upload_id for number in range(3)]
    page = await served.uploads.ListUploads(pb.ListUploadsRequest(page_size=2))
    assert [each.upload_id for each in page.uploads] == [ids[2], ids[1]]
    rest = await served.uploads.ListUploads(pb.ListUploadsRequest(page_token=page.next_page_token))
    assert ([each.filename for each in rest.uploads], rest.next_page_token) == (["0"], "")
    await served.uploads.DeleteUpload(pb.DeleteUploadRequest(upload_id=ids[1]))
    left = await served.uploads.ListUploads(pb.ListUploadsRequest())
    assert [each.upload_id for each in left.uploads] == [ids[2], ids[0]]
    assert (await refusal(served.uploads.GetUpload(pb.GetUploadRequest(upload_id=ids[1])))).reason == "NOT_FOUND"


@pytest.mark.parametrize(
    ("upload_id", "reason"),
    [(NOBODYS, "NOT_FOUND"), ("run_" + "0" * 32, "INVALID_ID"), ("../x", "INVALID_ID"), ("", "INVALID_ID")],
)
async def test_an_id_of_nothing_is_refused(served: Served, upload_id: str, reason: str) -> None:
    for call in (
        served.uploads.GetUpload(pb.GetUploadRequest(upload_id=upload_id)),
        served.uploads.DeleteUpload(pb.DeleteUploadRequest(upload_id=upload_id)),
    ):
        assert (await refusal(call)).reason == reason


async def test_a_reader_that_leaves_lets_the_file_go(served: Served) -> None:
    stored = (await served.uploads.Upload(requests(b"x" * 1_000_000))).upload
    call = served.uploads.GetUpload(pb.GetUploadRequest(upload_id=stored.upload_id))
    await call.read()
    call.cancel()
    await until(lambda: served.server.load.calls == 0)
    await served.uploads.DeleteUpload(pb.DeleteUploadRequest(upload_id=stored.upload_id))


async def test_an_upload_is_one_call_in_the_log_and_says_nothing_of_its_file(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await served.uploads.Upload(requests(b"canary-bytes" * 20_000, "canary-name.txt", "text/plain", "canary-key"))
        await until(lambda: served.server.load.calls == 0)
    records = [each for each in caplog.records if each.getMessage() == "rpc_completed"]
    assert [vars(each)["method"] for each in records] == ["/thinkaloud.v1.UploadService/Upload"]
    ours = [each for each in caplog.records if each.name.startswith("thinkaloud")]
    assert "canary" not in "\n".join(str(vars(each)) for each in ours)
