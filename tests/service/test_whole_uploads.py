"""Uploads over the whole server: HTTP and gRPC are two doors to the same files, which outlive the process."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from fakes.forms import TYPE, closed, part
from fakes.rpc import until
from fakes.stubs import stubs
from fakes.uploading import fetched, files_below, requests
from fakes.web import whole_web
from fakes.whole import ServerProcess, Whole, server_process, whole_server
from thinkaloud_server.web.app import WebSettings

MIB = 1024 * 1024
LIMIT = 20 * MIB
LOCAL = "in one process"


def client_of(address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{address}", timeout=60)


def head_of(length: int) -> bytes:
    """The head of a form that says to be so long."""
    lines = ("POST /api/v1/upload HTTP/1.1", "host: localhost", f"content-type: {TYPE}", f"content-length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.fixture(params=[LOCAL, "through a gateway"])
async def face(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Whole, httpx.AsyncClient]]:
    """The server, and a client of HTTP in front of it."""
    limit = {"bytes_max": MIB}
    if request.param == LOCAL:
        async with whole_server(tmp_path, uploads=limit) as whole, client_of(whole.http) as client:
            yield whole, client
        return
    settings = WebSettings(upload_bytes=2**31 - 1)
    async with whole_web(tmp_path, settings=settings, uploads=limit) as served:
        yield served.whole, served.client


Face = tuple[Whole, httpx.AsyncClient]


async def posted(client: httpx.AsyncClient, data: bytes, *words: Any, **headers: str) -> httpx.Response:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return await client.post("/api/v1/upload", files={"file": (words[0], data, *words[1:])}, headers=named)


async def test_a_form_is_answered_as_the_contract_has_it(face: Face) -> None:
    _, client = face
    data = os.urandom(MIB)
    answer = await posted(client, data, "chart.bin", "application/x-thing")
    assert answer.status_code == 200
    told = answer.json()
    assert re.fullmatch("upl_[0-9a-f]{32}", told["upload_id"])
    assert {key: told[key] for key in ("path", "filename", "content_type", "size_bytes", "sha256")} == {
        "path": f"uploads/{told['upload_id']}",
        "filename": "chart.bin",
        "content_type": "application/x-thing",
        "size_bytes": MIB,
        "sha256": sha256(data).hexdigest(),
    }
    got = await client.get(f"/api/v1/{told['path']}")
    assert (got.status_code, got.content) == (200, data)
    assert (got.headers["content-type"], got.headers["content-length"]) == ("application/octet-stream", str(MIB))
    assert got.headers["content-disposition"].startswith('attachment; filename="chart.bin"')
    assert got.headers["x-content-type-options"] == "nosniff"
    head = await client.head(f"/api/v1/{told['path']}")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(MIB))


async def test_both_doors_lead_to_the_same_files(face: Face) -> None:
    whole, client = face
    data = b"so it was" * 30_000
    form: dict[str, Any] = {"content": closed(part("file", data, "Content-Type: text/plain", filename="a.txt"))}
    headers = {"content-type": TYPE, "idempotency-key": "k-1"}
    told = (await client.post("/api/v1/upload", **form, headers=headers)).json()
    async with stubs(whole.address) as caller:
        stub = caller.uploads
        again = (await stub.Upload(requests(data, "a.txt", "text/plain", "k-1"))).upload
        assert again.upload_id == told["upload_id"]
        assert (await fetched(stub, told["upload_id"]))[1] == data
        headers["idempotency-key"] = "k-2"
        other = await client.post("/api/v1/upload", **form, headers=headers)
        assert other.json()["upload_id"] != told["upload_id"]
        listed = (await client.get("/api/v1/uploads")).json()["uploads"]
        assert [each["upload_id"] for each in listed] == [other.json()["upload_id"], told["upload_id"]]
        assert (await client.delete(f"/api/v1/uploads/{told['upload_id']}")).status_code == 200
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await fetched(stub, told["upload_id"])
        assert gone.value.code() is grpc.StatusCode.NOT_FOUND
    changed = closed(part("file", b"other", "Content-Type: text/plain", filename="a.txt"))
    refused = await client.post("/api/v1/upload", content=changed, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("chunked", [False, True], ids=["of known length", "chunked"])
async def test_a_byte_over_the_limit_is_one_too_many(face: Face, tmp_path: Path, chunked: bool) -> None:
    _, client = face
    for over, status in ((0, 200), (1, 413), (10 * MIB, 413)):
        form = closed(part("file", b"x" * (MIB + over), filename="a"))

        async def pieces(form: bytes = form) -> AsyncIterator[bytes]:
            for start in range(0, len(form), 60_000):
                yield form[start : start + 60_000]

        content: Any = pieces() if chunked else form
        answer = await client.post("/api/v1/upload", content=content, headers={"content-type": TYPE})
        assert answer.status_code == status
        if status == 413:
            assert answer.json()["error"]["code"] == "UPLOAD_TOO_LARGE"
            assert answer.json()["error"]["details"]["limit"] in (MIB, str(MIB))
    await until(lambda: len(stored(tmp_path)) == 1)


def stored(data_dir: Path) -> list[str]:
    return files_below(data_dir / "uploads")


@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("a%0D%0AX: y", "a%0D%0AX: y"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("x" * 4000 + ".txt", "x" * 251 + ".txt"),
        ("gnp.\u202etxt", "gnp.txt"),
        ("", ""),
    ],
    ids=["a path", "line ends as browsers send them", "markup", "4 KB", "right to left", "none"],
)
async def test_a_name_is_for_showing_alone(face: Face, tmp_path: Path, filename: str, shown: str) -> None:
    _, client = face
    form = closed(part("file", b"x", filename=filename))
    told = await client.post("/api/v1/upload", content=form, headers={"content-type": TYPE})
    assert (told.status_code, told.json()["filename"]) == (200, shown)
    assert stored(tmp_path) == [told.json()["upload_id"]]
    got = await client.get(f"/api/v1/{told.json()['path']}")
    assert (got.status_code, got.content) == (200, b"x")
    assert "\n" not in got.headers["content-disposition"]


async def test_a_caller_that_leaves_in_the_middle_leaves_nothing(face: Face, tmp_path: Path) -> None:
    _, client = face
    form = part("file", b"x" * 600_000, filename="a")
    for _ in range(10):
        url = client.base_url
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(head_of(900_000) + form)
        await until(lambda: stored(tmp_path) != [])
        writer.close()
        await until(lambda: stored(tmp_path) == [])
    assert (await client.get("/api/v1/uploads")).json()["uploads"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (closed(*[part(f"f{n}", "") for n in range(8_000)]), "MALFORMED_REQUEST"),
        (closed(part("file", b"x", *(f"X-{n}: y" for n in range(50_000)), filename="a")), "MALFORMED_REQUEST"),
        (part("file", b"x", filename="a"), "MALFORMED_REQUEST"),
        (closed(part("file", b"<html><script>alert(1)</script>", "Content-Type: image/png", filename="a.png")), ""),
        (closed(part("file", b"", "Content-Type: image/png", filename="a.png")), "INVALID_IMAGE"),
        (closed(part("file", b"x", "Content-Type: a/b/c", filename="a")), "VALIDATION_FAILED"),
    ],
    ids=["many parts", "many headers", "no end", "a page as a picture", "no picture", "no type"],
)
async def test_a_hostile_form_is_told_and_leaves_nothing(face: Face, tmp_path: Path, body: bytes, code: str) -> None:
    _, client = face
    answer = await client.post("/api/v1/upload", content=body, headers={"content-type": TYPE})
    assert answer.status_code == (400 if code else 415)
    assert answer.json()["error"]["code"] == (code or "UNSUPPORTED_MEDIA_TYPE")
    await until(lambda: stored(tmp_path) == [])


async def test_an_upload_is_dropped_when_its_time_is_over(tmp_path: Path) -> None:
    async with whole_server(tmp_path, uploads={"retention_h": 1e-7}) as whole:
        async with client_of(whole.http) as client:
            told = (await posted(client, b"x", "a")).json()
            assert told["expires_at"] >= told["created_at"]
        assert len(stored(tmp_path)) == 1
    async with whole_server(tmp_path):
        await until(lambda: len(stored(tmp_path)) == 1)
    async with whole_server(tmp_path, uploads={"retention_h": 1e-7}):
        await until(lambda: stored(tmp_path) == [])


async def test_an_upload_outlives_its_process_and_half_of_one_does_not(tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    async with server_process(tmp_path) as server:
        async with client_of(server.http) as client:
            told = (await posted(client, data, "a")).json()
        host, _, port = server.http.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(head_of(9_000_000) + part("file", data, filename="b"))
        await until(lambda: len(stored(tmp_path)) == 2)
        await server.kill()
        writer.close()
        assert len(stored(tmp_path)) == 2
        await server.start()
        assert stored(tmp_path) == [told["upload_id"]]
        async with client_of(server.http) as client:
            assert (await client.get(f"/api/v1/{told['path']}")).content == data


def rss_mib(pid: int) -> float:
    """The most that the process has had resident."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


async def over_http(server: ServerProcess, data: bytes) -> None:
    form = closed(part("file", data, filename="a"))
    async with client_of(server.http) as client:
        answer = await client.post("/api/v1/upload", content=form, headers={"content-type": TYPE})
        assert answer.json()["size_bytes"] == len(data)
        got = await client.get(f"/api/v1/{answer.json()['path']}")
        assert got.content == data


async def over_grpc(server: ServerProcess, data: bytes) -> None:
    async with stubs(server.address) as caller:
        stored_as = (await caller.uploads.Upload(requests(data))).upload
        assert (await fetched(caller.uploads, stored_as.upload_id))[1] == data


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("door", [over_http, over_grpc], ids=["HTTP", "gRPC"])
async def test_twenty_megabytes_never_stand_in_memory(tmp_path: Path, door: Any) -> None:
    async with server_process(tmp_path) as server:
        await door(server, os.urandom(100_000))
        before = rss_mib(server.pid)
        data = os.urandom(LIMIT)
        await asyncio.gather(*[door(server, data) for _ in range(4)])
        grown = rss_mib(server.pid) - before
        assert grown < 40, f"{grown:.1f} MiB for 80 MiB of files, both ways"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
async def test_curl_sends_and_fetches_a_file(tmp_path: Path) -> None:
    data = os.urandom(3 * MIB)
    source, fetched_to = tmp_path / "my notes.bin", tmp_path / "got"
    source.write_bytes(data)
    async with whole_server(tmp_path / "data") as whole:
        base = f"http://{whole.http}/api/v1"
        # Over a megabyte curl waits for "100 Continue".
        told = await curl("-F", f"file=@{source};type=text/plain", f"{base}/upload")
        path = re.search(rb'"path":"(uploads/upl_[0-9a-f]{32})"', told)
        assert path is not None, told
        assert b'"filename":"my notes.bin"' in told
        await curl("-o", str(fetched_to), f"{base}/{path[1].decode()}")
    assert fetched_to.read_bytes() == data


async def curl(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec("curl", "-sS", *arguments, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out


async def test_a_file_cannot_be_put_before_a_model_yet(face: Face) -> None:
    _, client = face
    told = (await posted(client, b"x", "a.txt")).json()
    for name in ("image_path", "context_files"):
        value: Any = told["path"] if name == "image_path" else [told["path"]]
        answer = await client.post("/api/v1/chat/message", json={"text": "go", name: value})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_FAILED")


async def test_callers_are_told_the_limit(face: Face) -> None:
    _, client = face
    told = (await client.get("/api/v1/capabilities")).json()
    assert told["capabilities"]["file_upload"] is True
    assert told["limits"]["upload_bytes"] == MIB
