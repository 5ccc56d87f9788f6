"""The least that can read a gRPC stream: HTTP/2 frames on a socket, so that what is measured is the server.

A client library costs as much per message as the server does, and many of them on one core would be measured
instead. One connection, many calls; windows are opened so wide that flow control never speaks.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import cast

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
INITIAL_WINDOW_SIZE = 4
WIDE = 2**31 - 1


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header field never indexed, its strings as they are (RFC 7541, 6.2.3)."""
    return b"\x10" + b"".join(bytes((len(text),)) + text.encode() for text in (name, value))


def headers(path: str) -> bytes:
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "bench",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return b"".join(literal(name, value) for name, value in fields.items())


class Wire(asyncio.Protocol):
    """One connection. `call` sends a request and yields the messages of its answer, as bytes."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._rest = b""
        self._streams: dict[int, asyncio.Queue[bytes | None]] = {}
        self._next = 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        settings = struct.pack(">HI", INITIAL_WINDOW_SIZE, WIDE)
        widen = frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WIDE - 65_535))
        self._transport.write(PREFACE + frame(SETTINGS, 0, 0, settings) + widen)

    def connection_lost(self, error: Exception | None) -> None:
        for queue in self._streams.values():
            queue.put_nowait(None)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at = 0
        while len(data) - at >= 9:
            length = int.from_bytes(data[at : at + 3], "big")
            end = at + 9 + length
            if end > len(data):
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            self._frame(kind, flags, stream, data[at + 9 : end])
            at = end
        self._rest = data[at:]

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self._streams[stream].put_nowait(payload)
        elif kind == SETTINGS and not flags & ACK:
            self._transport.write(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, payload))
        if (kind in (DATA, HEADERS) and flags & END_STREAM) or kind == RST_STREAM:
            self._streams[stream].put_nowait(None)

    async def call(self, path: str, request: bytes) -> AsyncIterator[bytes]:
        stream, self._next = self._next, self._next + 2
        queue = self._streams[stream] = asyncio.Queue()
        message = struct.pack(">BI", 0, len(request)) + request
        self._transport.write(
            frame(HEADERS, END_HEADERS, stream, headers(path)) + frame(DATA, END_STREAM, stream, message)
        )
        rest = b""
        while (payload := await queue.get()) is not None:
            rest = rest + payload if rest else payload
            at = 0
            while len(rest) - at >= 5 and len(rest) - at - 5 >= (
                length := int.from_bytes(rest[at + 1 : at + 5], "big")
            ):
                yield rest[at + 5 : at + 5 + length]
                at += 5 + length
            rest = rest[at:]
        del self._streams[stream]

    def close(self) -> None:
        self._transport.close()


async def connect(address: str) -> Wire:
    host, _, port = address.rpartition(":")
    _, wire = await asyncio.get_running_loop().create_connection(Wire, host, int(port))
    return wire
