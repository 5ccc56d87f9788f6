"""The least that can read the HTTP faces: bytes of a socket, so that what is measured is the server.

A frame of an event stream, a line of NDJSON and a frame of a WebSocket are each one write of the server, and are told
apart by the bytes between them; HTTP's chunks are not unwrapped, for their heads stand where no event does.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from typing import cast

CHAT = "/api/v1/chat/"
# What ends a body in chunks.
_END = b"0\r\n\r\n"

# The whole messages in these bytes, and the rest.
Cut = Callable[[bytes], tuple[list[bytes], bytes]]


class Wire(asyncio.Protocol):
    """One connection: bytes out, bytes in. What comes is handed on at once, for turns of the loop cost the clients
    more than reading does."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.take: Callable[[bytes], None] = self._nobody
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.fail(error or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self.take(data)

    async def ask(self, data: bytes, take: Callable[[bytes], None]) -> None:
        """Write this, and hand everything that comes to `take` until it says `done`, or `fail`."""
        self._done = asyncio.get_running_loop().create_future()
        self.take = take
        self.transport.write(data)
        await self._done
        self.take = self._nobody

    def done(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def fail(self, error: Exception) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)

    def _nobody(self, data: bytes) -> None:
        """Between two answers there is nothing to hear."""


class Pool:
    """Connections to one address, each used by one stream at a time."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._idle: list[Wire] = []
        self._all: list[Wire] = []

    async def take(self, greeting: bytes = b"") -> Wire:
        """One that is free, else a new one; a new one is greeted first."""
        if self._idle:
            return self._idle.pop()
        host, _, port = self.address.rpartition(":")
        _, wire = await asyncio.get_running_loop().create_connection(Wire, host, int(port))
        self._all.append(wire)
        if greeting:
            await wire.ask(greeting, Answer(wire, lambda rest: wire.done()))
        return wire

    def give(self, wire: Wire) -> None:
        self._idle.append(wire)

    def close(self) -> None:
        for wire in self._all:
            wire.transport.abort()


def request(address: str, path: str, body: bytes, accept: str) -> bytes:
    """A POST with a body of JSON."""
    head = f"POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\naccept: {accept}\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def upgrade(address: str, path: str) -> bytes:
    """The opening of a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        f"sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    ).encode()


def text_frame(body: bytes) -> bytes:
    """A client's text frame, masked with zeros: the mask is for proxies, and there is none."""
    size = bytes((0x80 | len(body),)) if len(body) < 126 else b"\xfe" + struct.pack(">H", len(body))
    return b"\x81" + size + bytes(4) + body


def cut_frames(data: bytes) -> tuple[list[bytes], bytes]:
    """The frames of an event stream, with what HTTP put before them."""
    *frames, rest = data.split(b"\n\n")
    return frames, rest


def cut_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """The lines of NDJSON; heads of chunks are lines of their own."""
    *lines, rest = data.split(b"\n")
    return [line for line in lines if line.startswith(b"{")], rest


def cut_messages(data: bytes) -> tuple[list[bytes], bytes]:
    """The payloads of a WebSocket's frames, none of which is in parts."""
    messages = []
    at = 0
    while len(data) - at >= 10:
        size, begin = data[at + 1], at + 2
        if size == 126:
            size, begin = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif size == 127:
            size, begin = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        if begin + size > len(data):
            break
        if data[at] == 0x81:
            messages.append(data[begin : begin + size])
        at = begin + size
    return messages, data[at:]


class Answer:
    """Takes the bytes of an answer: its head here, which must be a good one, everything after it by `body`."""

    def __init__(self, wire: Wire, body: Callable[[bytes], None]) -> None:
        self.head = b""
        self._wire = wire
        self._body = body

    def __call__(self, data: bytes) -> None:
        self.head += data
        if b"\r\n\r\n" not in self.head:
            return
        self.head, _, rest = self.head.partition(b"\r\n\r\n")
        if self.head.split(b" ", 2)[1] not in (b"200", b"101"):
            self._wire.fail(RuntimeError(f"{self.head!r} {rest!r}"))
            return
        self._wire.take = self._body
        self._body(rest)


async def answer(pool: Pool, accept: str, cut: Cut, body: bytes, say: Callable[[bytes], object]) -> None:
    """One stream over HTTP, from its request to the end of its body."""
    wire = await pool.take()
    rest = b""

    def take(data: bytes) -> None:
        nonlocal rest
        ended = data.endswith(_END)
        whole, rest = cut(rest + data)
        for message in whole:
            say(message)
        if ended:
            wire.done()

    await wire.ask(request(pool.address, f"{CHAT}stream-sse", body, accept), Answer(wire, take))
    pool.give(wire)


async def turn(pool: Pool, body: bytes, say: Callable[[bytes], bool]) -> None:
    """One turn on a WebSocket; `say` answers whether that was its last event."""
    wire = await pool.take(upgrade(pool.address, f"{CHAT}stream"))
    rest = b""

    def take(data: bytes) -> None:
        nonlocal rest
        whole, rest = cut_messages(rest + data)
        for message in whole:
            if say(message):
                wire.done()

    await wire.ask(text_frame(body), take)
    pool.give(wire)


async def unary(pool: Pool, body: bytes) -> None:
    """One request that is answered whole."""
    wire = await pool.take()
    left = -1

    def take(data: bytes) -> None:
        nonlocal left
        if left < 0:
            left = int(asked.head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        left -= len(data)
        if not left:
            wire.done()

    asked = Answer(wire, take)
    await wire.ask(request(pool.address, f"{CHAT}message", body, "application/json"), asked)
    pool.give(wire)
