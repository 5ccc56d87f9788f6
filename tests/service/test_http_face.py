"""uvicorn inside our own loop, on real sockets, with toy applications: its limits, and how it begins and ends."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fakes.rpc import until
from thinkaloud_server.app import http_connection
from thinkaloud_server.app.http_face import HttpFace, web_settings
from thinkaloud_server.rpc.local import PEER
from thinkaloud_server.web.settings import MESSAGE_BYTES_MAX


class Toy:
    """Answers GET with who called; /stream with a line at once and another after `release`; echoes on WebSockets."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.began = asyncio.Event()
        self.ends: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._echo(receive, send)
            return
        if scope["path"] == "/broken":
            raise ValueError("canary")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/stream":
            await self._stream(send)
        await send({"type": "http.response.body", "body": PEER.get().encode()})

    async def _stream(self, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"first ", "more_body": True})
        self.began.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise
        self.ends.append("well")

    async def _echo(self, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": str(len(message["text"]))})
        self.ends.append(f"disconnect {message['code']}")


@asynccontextmanager
async def serving(app: ASGIApp, address: str = "127.0.0.1:0") -> AsyncIterator[tuple[HttpFace, str]]:
    before = asyncio.all_tasks()
    face = HttpFace(app)
    where = await face.start(address)
    try:
        yield face, where
    finally:
        await face.stop(1.0)
    async with asyncio.timeout(2.0):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=0.05)


async def said(address: str, *pieces: bytes) -> bytes:
    """Everything that is answered to these bytes, until the connection is closed."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


def told(answer: bytes) -> tuple[bytes, str]:
    """The status line and the code of the envelope."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], json.loads(body)["error"]["code"]


def named(answer: bytes) -> str:
    """The request's id, the same in the header and in the envelope."""
    head, _, body = answer.partition(b"\r\n\r\n")
    request_id: str = json.loads(body)["error"]["request_id"]
    assert f"x-request-id: {request_id}".encode() in head.split(b"\r\n")
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", request_id)
    return request_id


async def test_who_calls_is_known_and_the_server_does_not_say_what_it_is() -> None:
    async with serving(Toy()) as (_, address), httpx.AsyncClient() as client:
        answer = await client.get(f"http://{address}/", headers={"x-forwarded-for": "10.0.0.1"})
        assert answer.text.startswith("ipv4:127.0.0.1:")
        assert "server" not in answer.headers
        assert answer.headers["date"].endswith(" GMT")


async def test_an_ipv6_address_is_told_as_one() -> None:
    async with serving(Toy(), "[::1]:0") as (_, address), httpx.AsyncClient() as client:
        assert address.startswith("[::1]:")
        assert (await client.get(f"http://{address}/")).text.startswith("ipv6:[::1]:")


async def test_an_address_that_is_taken_is_an_error() -> None:
    async with serving(Toy()) as (_, address):
        with pytest.raises(OSError, match="in use"):
            await HttpFace(Toy()).start(address)


@pytest.mark.parametrize(
    "bytes_sent", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01"]
)
async def test_what_is_no_http_is_told_in_the_envelope_and_not_as_a_fault(
    bytes_sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # as logs.configure does
    caplog.set_level(logging.INFO, http_connection.logger.name)
    async with serving(Toy()) as (_, address):
        answer = await said(address, bytes_sent)
    assert told(answer) == (b"HTTP/1.1 400 Bad Request", "MALFORMED_REQUEST")
    assert [(record.message, record.request_id) for record in caplog.records] == [("http_refused", named(answer))]  # type: ignore[attr-defined]  # `extra`


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [("X-Request-ID", "mine-1", True), ("X-Correlation-ID", "mine-1", True), ("X-Request-ID", "no good", False)],
)
async def test_a_refusal_below_the_application_has_the_callers_id_where_it_came(
    name: str, value: str, kept: bool
) -> None:
    head = f"GET / HTTP/1.1\r\n{name}: {value}\r\nHost: x\r\n".encode()
    async with serving(Toy()) as (_, address):
        answer = await said(address, head + b"no colon\r\n\r\n")
    assert (named(answer) == value) is kept


@pytest.mark.parametrize(
    ("head", "rest", "status", "code"),
    [
        (b"transfer-encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n", b"400 Bad Request", "MALFORMED_REQUEST"),
        (b"transfer-encoding: xchunked", b"{}", b"400 Bad Request", "MALFORMED_REQUEST"),
    ],
)
async def test_a_body_that_turns_out_to_be_none_is_told_and_heard_of(
    head: bytes, rest: bytes, status: bytes, code: str
) -> None:
    heard = []

    async def reads(_: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "http.request":
            assert message["more_body"]
        heard.append(message["type"])
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async with serving(reads) as (face, address):
        answer = await said(address, b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + rest)
        assert told(answer) == (b"HTTP/1.1 " + status, code)
        await until(lambda: face.open == 0)
        assert heard == ["http.disconnect"]


async def test_bytes_behind_a_whole_request_are_no_answer_to_it() -> None:
    """It may have done its work: a refusal in its place would say that it had not."""
    toy = Toy()
    async with serving(toy) as (_, address):
        answer = await said(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"GARBAGE\r\n\r\n")
        assert b"MALFORMED_REQUEST" not in answer.partition(b"\r\n\r\n")[0]
        assert not answer.startswith(b"HTTP/1.1 400")


async def test_a_url_beyond_all_measure_is_a_head_that_is_too_large() -> None:
    async with serving(Toy()) as (_, address):
        answer = await said(address, b"GET /" + b"a" * http_connection.HEAD_BYTES_MAX + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert told(answer) == (b"HTTP/1.1 431 Request Header Fields Too Large", "HEADERS_TOO_LARGE")


@pytest.mark.parametrize("shape", ["one", "many"])
async def test_a_head_without_end_is_cut_off(shape: str) -> None:
    size = http_connection.HEAD_BYTES_MAX
    head = b"X: " + b"a" * size if shape == "one" else b"".join(b"X-%d: a\r\n" % n for n in range(size // 8))
    async with serving(Toy()) as (_, address):
        answer = await said(address, b"GET / HTTP/1.1\r\nHost: x\r\n", head)
        assert told(answer) == (b"HTTP/1.1 431 Request Header Fields Too Large", "HEADERS_TOO_LARGE")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "half"])
async def test_a_head_that_does_not_come_is_not_waited_for(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_S", 0.05)
    async with serving(Toy()) as (_, address):
        answer = await said(address, sent)
        if sent:
            assert told(answer) == (b"HTTP/1.1 408 Request Timeout", "REQUEST_TIMEOUT")
        else:
            assert answer == b""


async def test_the_time_for_a_head_does_not_run_while_an_answer_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_S", 0.05)
    toy = Toy()
    async with serving(toy) as (_, address), httpx.AsyncClient() as client:
        asking = asyncio.ensure_future(client.get(f"http://{address}/stream"))
        await toy.began.wait()
        assert not (await asyncio.wait((asking,), timeout=0.2))[0]
        toy.release.set()
        assert (await asking).text.startswith("first ipv4")
        # The same connection, kept alive for longer than a head may take.
        await asyncio.sleep(0.1)
        assert (await client.get(f"http://{address}/")).status_code == 200


async def test_a_websocket_message_over_the_limit_closes_it() -> None:
    async with serving(Toy()) as (_, address), connect(f"ws://{address}/", max_size=None) as socket:
        await socket.send("x" * MESSAGE_BYTES_MAX)
        assert await socket.recv() == str(MESSAGE_BYTES_MAX)
        await socket.send("x" * (MESSAGE_BYTES_MAX + 1))
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009


# Ending.


async def test_a_drain_refuses_what_comes_and_lets_what_is_there_end() -> None:
    toy = Toy()
    async with serving(toy) as (face, address), httpx.AsyncClient() as client:
        asking = asyncio.ensure_future(client.get(f"http://{address}/stream"))
        await toy.began.wait()
        face.drain()
        refused = await client.get(f"http://{address}/", headers={"x-request-id": "mine"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (refused.json()["error"]["code"], refused.json()["error"]["request_id"]) == ("DRAINING", "mine")
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://{address}/")
        assert caught.value.response.status_code == 503
        stopping = asyncio.ensure_future(face.stop(5.0))
        toy.release.set()
        assert (await asking).text.startswith("first ipv4")
        await asyncio.wait_for(stopping, 2)
        assert toy.ends == ["well"]


async def test_a_stop_tells_websockets_to_go_elsewhere() -> None:
    toy = Toy()
    async with serving(toy) as (face, address), connect(f"ws://{address}/") as socket:
        await socket.send("hello")
        assert await socket.recv() == "5"
        stopping = asyncio.ensure_future(face.stop(5.0))
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1001
        await asyncio.wait_for(stopping, 2)
        assert toy.ends == ["disconnect 1001"]


async def test_a_stop_cuts_what_goes_on_after_its_grace_without_calling_it_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    toy = Toy()
    async with serving(toy) as (face, address), httpx.AsyncClient() as client:
        asking = asyncio.ensure_future(client.get(f"http://{address}/stream"))
        await toy.began.wait()
        await face.stop(0.05)
        with pytest.raises(httpx.TransportError):
            await asking
    assert toy.ends == ["cancelled"]
    assert caplog.records == []


async def test_a_stop_closes_connections_that_are_kept_alive_and_takes_no_more() -> None:
    async with serving(Toy()) as (face, address), httpx.AsyncClient() as client:
        await client.get(f"http://{address}/")
        await asyncio.wait_for(face.stop(5.0), 2)
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{address}/")


async def test_a_client_that_left_is_no_trouble() -> None:
    toy = Toy()
    async with serving(toy) as (face, address):
        async with httpx.AsyncClient() as client:
            asking = asyncio.ensure_future(client.get(f"http://{address}/stream"))
            await toy.began.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        assert face.open == 1
        toy.release.set()
        await until(lambda: face.open == 0)


# What the application is told.


@pytest.mark.parametrize(
    ("address", "hosts", "expected"),
    [
        ("127.0.0.1:0", (), ("localhost", "127.0.0.1", "[::1]")),
        ("0.0.0.0:80", (), ("*",)),
        ("0.0.0.0:80", ("chat.example",), ("chat.example",)),
        ("127.0.0.1:0", ("chat.example",), ("chat.example",)),
    ],
)
def test_names_are_those_of_this_machine_or_any_on_a_public_address(
    address: str, hosts: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    settings: Any = web_settings(address, hosts)
    assert settings.hosts == expected
