"""A hostile HTTP/2 client: frames written by hand, since no library sends what is to be sent here."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One frame (RFC 9113, 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """One header without indexing and without Huffman coding (RFC 7541, 6.2.2), each under 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def head_of(path: str) -> bytes:
    """The header block of a gRPC call."""
    return b"".join(
        literal(name, value)
        for name, value in (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        )
    )


@dataclass(slots=True)
class Hostile:
    """One connection: `send` anything; `gone` once the server has closed it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *frames: bytes) -> bool:
        """Sends; False when the server has closed by then."""
        try:
            for each in frames:
                self.writer.write(each)
            await self.writer.drain()
        except ConnectionError:
            return False
        return not self.writer.is_closing()

    async def gone(self, within_s: float) -> bytes:
        """What the server says until it closes."""
        said = b""
        async with asyncio.timeout(within_s):
            try:
                while piece := await self.reader.read(65536):
                    said += piece
            except ConnectionError:
                pass  # a reset is a close
        return said


@asynccontextmanager
async def hostile(address: str, *first: bytes) -> AsyncIterator[Hostile]:
    """A connection that begins with these bytes, and is aborted in the end."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    client = Hostile(reader, writer)
    try:
        await client.send(*first)
        yield client
    finally:
        writer.transport.abort()


def kinds(said: bytes) -> list[int]:
    """The kinds of the whole frames in this."""
    found = []
    while len(said) >= 9:
        found.append(said[3])
        said = said[9 + int.from_bytes(said[:3], "big") :]
    return found
