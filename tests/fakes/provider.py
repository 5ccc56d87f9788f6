"""A provider that answers what a test scripts: a real HTTP/1.1 server on loopback.

    async with FakeProvider(chat_reply(text="Hello there")) as provider:
        ... ask `provider.base_url` ...
    assert provider.requests[0].json["stream"] is True

Give it replies (each request takes the next one, the last one is repeated) or a function from the request to
its reply. A `Reply` says what goes over the wire, in which pieces, how it ends, and where it waits: a `Gate` tells
the test that the place was reached and holds the provider there until the test opens it, so no test sleeps.
`fakes.chat_wire` makes replies of openai-chat.

It records every request, and of every connection when the client left it: `Connection.left_at` is the moment
(`time.monotonic()`) at which the client's FIN or RST was seen, which is how tests measure "closes at once".
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, cast

BEFORE_HEAD = -1
AFTER_HEAD = 0

# "end": as HTTP wants it, the connection is kept. "hang": nothing more, and no end. "cut": FIN in the middle.
# "half_close": FIN, but the provider goes on reading. "reset": RST.
Ending = Literal["end", "hang", "cut", "half_close", "reset"]
Framing = Literal["chunked", "length", "close"]


class Gate:
    """A place where the provider waits for the test."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    def open(self) -> None:
        self.opened.set()

    async def pass_through(self) -> None:
        self.reached.set()
        await self.opened.wait()


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider sends. Each of `pieces` is one write (and one HTTP chunk where the body is chunked).

    `hold` waits at `hold_at`: BEFORE_HEAD, AFTER_HEAD, or after so many pieces. `raw` is sent in place of head
    and framing (garbage; or nothing at all, with an ending).
    """

    pieces: tuple[bytes, ...] = ()
    status: int = 200
    content_type: str = "text/event-stream"
    headers: tuple[tuple[str, str], ...] = ()
    framing: Framing = "chunked"
    ending: Ending = "end"
    pace_s: float = 0.0
    hold: Gate | None = None
    hold_at: int = BEFORE_HEAD
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: Connection

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(eq=False, slots=True)
class Connection:
    """One connection of the client, as the provider sees it."""

    opened_at: float
    requests: int = 0
    received_bytes: int = 0
    busy: bool = False
    left_at: float | None = None
    left: asyncio.Event = field(default_factory=asyncio.Event)


Script = Callable[[Request], Reply]


class FakeProvider:
    """The server. `requests` and `connections` are in order of arrival and kept after they ended.

    With `reads=False` it accepts connections and never reads from them, until `read_on()`.
    """

    def __init__(
        self,
        *replies: Reply,
        script: Script | None = None,
        reads: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.connections: list[Connection] = []
        self.base_url = ""
        self.port = 0
        self._reads = reads
        self._tls = tls
        self._script = script
        self._replies = list(replies)
        self._server: asyncio.Server | None = None
        self._wires: set[_Wire] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> FakeProvider:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Wire(self), "127.0.0.1", self.port, backlog=1024, ssl=self._tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [wire.task for wire in self._wires if wire.task is not None]
        for wire in list(self._wires):
            wire.drop()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    def answer(self, *replies: Reply) -> None:
        """From now on, these."""
        self._script, self._replies = None, list(replies)

    @property
    def open_connections(self) -> int:
        """Connections that the client has not left, kept idle ones included."""
        return sum(connection.left_at is None for connection in self.connections)

    @property
    def busy_connections(self) -> int:
        """Connections on which a request is being answered, or is waiting to be."""
        return sum(connection.busy and connection.left_at is None for connection in self.connections)

    async def wait_for(self, condition: Callable[[FakeProvider], bool], within_s: float = 5.0) -> None:
        """Return once the condition holds; it is tried again whenever anything happened here."""
        async with asyncio.timeout(within_s):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def wait_requests(self, count: int) -> None:
        await self.wait_for(lambda provider: len(provider.requests) >= count)

    def close_connections(self) -> None:
        """The provider closes every connection (as one does whose keep-alive ran out)."""
        for wire in list(self._wires):
            wire.drop()

    def read_on(self) -> None:
        """Begin to read what was left unread under `reads=False`."""
        self._reads = True
        for wire in self._wires:
            wire.transport.resume_reading()

    # For the connections alone.

    def reply_to(self, request: Request) -> Reply:
        self.requests.append(request)
        self._changed.set()
        if self._script is not None:
            return self._script(request)
        assert self._replies, "no reply was given"
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def opened(self, wire: _Wire) -> None:
        self.connections.append(wire.connection)
        self._wires.add(wire)
        if not self._reads:
            # Not in `connection_made`: uvloop begins to read after it, whatever was said in it.
            asyncio.get_running_loop().call_soon(wire.transport.pause_reading)
        self._changed.set()

    def lost(self, wire: _Wire) -> None:
        self._wires.discard(wire)
        self._changed.set()

    def happened(self) -> None:
        self._changed.set()


class _Wire(asyncio.Protocol):
    """One accepted connection: reads requests, and hands each to a task that sends its reply."""

    transport: asyncio.Transport

    def __init__(self, provider: FakeProvider) -> None:
        self.connection = Connection(opened_at=time.monotonic())
        self.task: asyncio.Task[None] | None = None
        self._provider = provider
        self._buffer = bytearray()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._provider.opened(self)

    def data_received(self, data: bytes) -> None:
        self.connection.received_bytes += len(data)
        self.connection.busy = True
        self._buffer += data
        self._next_request()

    def eof_received(self) -> None:
        self._client_left()

    def connection_lost(self, error: Exception | None) -> None:
        self._client_left()
        if self.task is not None:
            self.task.cancel()
        self._provider.lost(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def drop(self) -> None:
        if self.task is not None:
            self.task.cancel()
        self.transport.abort()

    def _client_left(self) -> None:
        if self.connection.left_at is None:
            self.connection.left_at = time.monotonic()
            self.connection.left.set()
            self._provider.happened()

    def _next_request(self) -> None:
        if self.task is not None and not self.task.done():
            return
        request = self._parse()
        if request is not None:
            self.connection.requests += 1
            reply = self._provider.reply_to(request)
            self.task = asyncio.get_running_loop().create_task(self._send(reply))

    def _parse(self) -> Request | None:
        """The next whole request of the buffer; bodies come with a content-length."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body_end = end + 4 + int(headers.get("content-length", "0"))
        if len(self._buffer) < body_end:
            return None
        body = bytes(self._buffer[end + 4 : body_end])
        del self._buffer[:body_end]
        method, path, _ = first.split(" ")
        return Request(method, path, headers, body, self.connection)

    async def _send(self, reply: Reply) -> None:
        await self._hold(reply, BEFORE_HEAD)
        if reply.raw is not None:
            self.transport.write(reply.raw)
        else:
            self.transport.write(_head(reply))
        await self._hold(reply, AFTER_HEAD)
        for number, piece in enumerate(reply.pieces, start=1):
            await self._writable.wait()
            self.transport.write(_framed(reply, piece))
            await self._hold(reply, number)
            await asyncio.sleep(reply.pace_s)
        await self._writable.wait()
        await self._end(reply)

    async def _hold(self, reply: Reply, place: int) -> None:
        if reply.hold is not None and reply.hold_at == place:
            await reply.hold.pass_through()

    async def _end(self, reply: Reply) -> None:
        match reply.ending:
            case "end":
                if reply.raw is None and reply.framing == "chunked":
                    self.transport.write(b"0\r\n\r\n")
                if reply.framing == "close":
                    self.transport.close()
            case "hang":
                await asyncio.Event().wait()
            case "cut":
                self.transport.close()
            case "half_close":
                self.transport.write_eof()
                await asyncio.Event().wait()
            case "reset":
                linger = struct.pack("ii", 1, 0)
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.transport.abort()
        self.connection.busy = False
        self._provider.happened()
        # A request that came meanwhile waits in the buffer; this task is done in a moment.
        asyncio.get_running_loop().call_soon(self._next_request)


def _head(reply: Reply) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} Whatever"]
    if reply.content_type:
        lines.append(f"content-type: {reply.content_type}")
    match reply.framing:
        case "chunked":
            lines.append("transfer-encoding: chunked")
        case "length":
            lines.append(f"content-length: {sum(map(len, reply.pieces))}")
        case "close":
            lines.append("connection: close")
    lines += [f"{name}: {value}" for name, value in reply.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _framed(reply: Reply, piece: bytes) -> bytes:
    if reply.raw is None and reply.framing == "chunked":
        return b"%x\r\n%b\r\n" % (len(piece), piece)
    return piece


def json_reply(value: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply((json.dumps(value).encode(),), status, "application/json", headers=headers, framing="length")


def cut(body: bytes, sizes: Iterable[int]) -> tuple[bytes, ...]:
    """The body in pieces of these sizes; what is left over is the last piece."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(body[start : start + size])
        start += size
    pieces.append(body[start:])
    return tuple(piece for piece in pieces if piece)


def byte_by_byte(body: bytes) -> tuple[bytes, ...]:
    return cut(body, [1] * len(body))


def unused_port() -> int:
    """A port on which, in all likelihood, nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
