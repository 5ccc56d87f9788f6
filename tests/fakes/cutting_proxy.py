"""A TCP proxy on loopback that cuts connections: each at a chosen byte, or all of them now.

    async with CuttingProxy("127.0.0.1:50051", [Cut(after_bytes=700), None]) as proxy:
        ...connect to proxy.address; the first connection dies 700 bytes into the answers, the second does not

Cuts are taken in the order of the connections; when they are used up, connections live. What goes to clients is also
written into `tap`, where one is given.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a connection dies: after so many bytes of one direction; dropped, or as if the peer had closed it.

    A socket that is dropped says RST only where it has left something unread, and FIN else; `hard` makes it an RST.
    """

    after_bytes: int
    direction: Literal["to_client", "to_server"] = "to_client"
    reset: bool = True
    hard: bool = False


class CuttingProxy:
    """Use it as an async context manager; `address` is then where it listens."""

    def __init__(self, target: str, cuts: Iterable[Cut | None] = (), *, tap: bytearray | None = None) -> None:
        self.address = ""
        self._tap = tap
        self.connections = 0
        self.cuts_made = 0
        self.refusing = False
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._cuts = iter(cuts)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._links: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.release()
        # A connection made in this moment is cut as soon as it stands.
        while self._links:
            self.cut()
            await asyncio.wait(self._links, timeout=0.05)
        await self._server.wait_closed()

    @property
    def live(self) -> int:
        """How many connections stand."""
        return len(self._links)

    def retarget(self, target: str) -> None:
        """Send new connections elsewhere: the server has moved."""
        self._host, _, port = target.rpartition(":")
        self._port = int(port)

    def cut(self) -> int:
        """Reset every connection now; answers how many."""
        for writers in self._links.values():
            for writer in writers:
                writer.transport.abort()
        self.cuts_made += len(self._links)
        return len(self._links)

    def hold(self) -> None:
        """Let nothing through any more, and close nothing: a path that went dead."""
        self._flowing.clear()

    def release(self) -> None:
        """Let everything through again."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        if self.refusing:
            writer.transport.abort()
            return
        cut = next(self._cuts, None)
        self._links[task] = (writer,)
        try:
            upstream_reader, upstream = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            del self._links[task]
            return
        self._links[task] = (writer, upstream)
        down = cut.after_bytes if cut is not None and cut.direction == "to_client" else None
        up = cut.after_bytes if cut is not None and cut.direction == "to_server" else None
        pumps = [
            asyncio.ensure_future(self._pump(upstream_reader, writer, down, self._tap)),
            asyncio.ensure_future(self._pump(reader, upstream, up, None)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            if cut is not None and cut.hard and not writer.is_closing():
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            if cut is not None and not cut.reset:
                writer.close()
            else:
                writer.transport.abort()
            upstream.transport.abort()
            del self._links[task]

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        left: int | None,
        tap: bytearray | None,
    ) -> None:
        """Carry bytes one way, until the end or the cut."""
        try:
            while data := await reader.read(65536):
                await self._flowing.wait()
                piece = data if left is None else data[:left]
                if tap is not None:
                    tap += piece
                writer.write(piece)
                await writer.drain()
                if left is not None:
                    left -= len(piece)
                    if left == 0:
                        self.cuts_made += 1
                        return
        except OSError:
            return  # the other side is gone, and so is this link
