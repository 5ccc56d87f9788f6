"""The HTTP face over TLS, in both loops, as each does it in its own way: time limits, slow readers, renewal, ending."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvloop
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from fakes.certified import Certified
from fakes.engine import Endless, FakeEngine
from fakes.rpc import serving, until
from fakes.sockets import CHAT, client_of
from thinkaloud_server.app import http_connection
from thinkaloud_server.app.certificate import read_certificate
from thinkaloud_server.app.config_tls import TlsSection
from thinkaloud_server.app.http_connection import WRITE_BUFFER_BYTES
from thinkaloud_server.app.http_face import HttpFace
from thinkaloud_server.core.event import Token
from thinkaloud_server.web.app import web_app
from thinkaloud_server.web.settings import WebSettings

FLOOD = Endless(Token("x" * 8000))


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Any:
    """Runs a coroutine in one of the loops; nothing that it does may be told to the loop as an error of ours."""

    def told_nothing(main: Coroutine[Any, Any, None]) -> None:
        told: list[dict[str, Any]] = []

        async def heard() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
            await main

        (uvloop.run if request.param == "uvloop" else asyncio.run)(heard())
        assert told == []

    return told_nothing


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    return Certified(tmp_path)


def context_of(certified: Certified) -> ssl.SSLContext:
    return read_certificate(TlsSection.model_validate(certified.section())).context


@asynccontextmanager
async def faced(app: Any, certified: Certified, **options: Any) -> AsyncIterator[tuple[HttpFace, str]]:
    face = HttpFace(app, **options)
    address = await face.start("127.0.0.1:0", context_of(certified))
    try:
        yield face, address
    finally:
        await face.stop(1.0)


async def toy(scope: Scope, receive: Receive, send: Send) -> None:
    """Says by what scheme it was asked; echoes on WebSockets."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["scheme"]})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


async def opened(address: str, tls: ssl.SSLContext | None, **options: Any) -> tuple[Any, Any]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port), ssl=tls, **options)


def test_applications_are_told_the_scheme(run: Any, certified: Certified) -> None:
    async def main() -> None:
        trusting = certified.trusting()
        async with faced(toy, certified) as (_, address), httpx.AsyncClient(verify=trusting) as client:
            assert (await client.get(f"https://{address}/")).text == "https"
            async with connect(f"wss://{address}/", ssl=trusting, proxy=None) as socket:
                assert await socket.recv() == "wss"

    run(main())


def test_who_says_nothing_is_cut_before_the_handshake_and_after(
    run: Any, certified: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_S", 0.2)

    async def main() -> None:
        async with faced(toy, certified) as (_, address), asyncio.timeout(5):
            for tls, sent, answer in (
                (None, b"", b""),
                (None, b"\x16\x03\x01\x02\x00", b""),
                (certified.trusting(), b"", b""),
                (certified.trusting(), b"GET / HTTP/1.1\r\nHost: x\r\n", b"HTTP/1.1 408 Request Timeout"),
            ):
                reader, writer = await opened(address, tls)
                writer.write(sent)
                try:
                    said = await reader.read()
                except ConnectionError:
                    said = b""
                assert said.partition(b"\r\n")[0] == answer
                writer.close()

    run(main())


def test_a_head_without_end_is_cut_off(run: Any, certified: Certified) -> None:
    async def main() -> None:
        async with faced(toy, certified) as (_, address), asyncio.timeout(5):
            reader, writer = await opened(address, certified.trusting())
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * http_connection.HEAD_BYTES_MAX)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 431 ")
            assert json.loads(body)["error"]["code"] == "HEADERS_TOO_LARGE"
            writer.close()

    run(main())


def test_a_reader_of_events_that_stopped_is_let_go(run: Any, certified: Certified) -> None:
    async def main() -> None:
        engine = FakeEngine(FLOOD)
        settings = WebSettings(stall_timeout_s=0.3)
        async with serving(engine) as served, faced(web_app(served.server.local, settings), certified) as (_, address):
            body = b'{"text":"hi"}'
            head = f"POST /api/v1/chat/stream-sse HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            reader, writer = await opened(address, certified.trusting(), limit=1024)
            writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
            await reader.readuntil(b"event: start")
            assert engine.watching == 1
            await until(lambda: engine.watching == 0 and served.server.load.calls == 0)
            writer.transport.abort()

    run(main())


def test_a_socket_whose_client_stopped_reading_is_told_why_and_closed(run: Any, certified: Certified) -> None:
    async def main() -> None:
        engine = FakeEngine(FLOOD)
        app_settings = WebSettings(stall_timeout_s=0.3)
        stopped: dict[str, Any] = {"max_queue": 1, "ping_interval": None, "close_timeout": 0.5}
        async with serving(engine) as served:
            app = web_app(served.server.local, app_settings)
            async with (
                faced(app, certified, sockets=app) as (_, address),
                client_of(f"wss://{address}{CHAT}", ssl=certified.trusting(), **stopped) as client,
            ):
                await client.say(text="hi")
                await client.hear()
                await until(lambda: engine.watching == 0 and served.server.load.calls == 0 and len(app.sockets) == 0)
                frames, code, reason = await client.closed()
                assert (code, reason) == (4408, "SLOW_CONSUMER")
                assert frames[-1]["data"]["code"] == "CLOSING"

    run(main())


def test_no_more_waits_for_a_reader_than_without_tls(run: Any, certified: Certified) -> None:
    waiting: list[int] = []

    async def main() -> None:
        stuck = asyncio.Event()

        async def flood(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            (connection,) = face._server.server_state.connections
            while True:
                sending = asyncio.ensure_future(
                    send({"type": "http.response.body", "body": b"x" * 8000, "more_body": True})
                )
                if not (await asyncio.wait((sending,), timeout=0.3))[0]:
                    waiting.append(connection.transport.get_write_buffer_size())
                    stuck.set()
                await sending

        async with faced(flood, certified) as (face, address):
            _, writer = await opened(address, certified.trusting(), limit=1024)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await stuck.wait()
            writer.transport.abort()

    run(main())
    assert 0 < waiting[0] < 2 * WRITE_BUFFER_BYTES


def test_connections_outlive_the_certificate_that_they_began_with(run: Any, certified: Certified) -> None:
    async def main() -> None:
        trusting = certified.trusting()
        async with faced(toy, certified) as (face, address):
            async with connect(f"wss://{address}/", ssl=trusting, proxy=None) as socket:
                assert await socket.recv() == "wss"
                certified.pair("server", "localhost", "127.0.0.1", "renewed.example")
                await face.renew(context_of(certified))
                _, writer = await opened(address, trusting)
                names = [name for _, name in writer.get_extra_info("peercert")["subjectAltName"]]
                assert "renewed.example" in names
                writer.close()
                await socket.send("still there")
                assert await socket.recv() == "still there"
                stopping = asyncio.ensure_future(face.stop(5.0))
                with pytest.raises(ConnectionClosed) as caught:
                    await socket.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1001
                await asyncio.wait_for(stopping, 3)
            with pytest.raises(ConnectionError):
                await opened(address, trusting)
            await face.renew(context_of(certified))  # too late, and no trouble
            with pytest.raises(ConnectionError):
                await opened(address, trusting)

    run(main())
