"""A TCP proxy on loopback that drops connections whose server says nothing for a while, as load balancers do.

async with IdleProxy("127.0.0.1:50051", idle_s=1.0) as proxy:
    ...connect to proxy.address; `dropped` counts those that were
"""

from __future__ import annotations

import asyncio
from typing import Self


class IdleProxy:
    """Use it as an async context manager; `address` is then where it listens."""

    def __init__(self, target: str, idle_s: float) -> None:
        self.address = ""
        self.dropped = 0
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._idle_s = idle_s
        self._links: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        upstream_reader, upstream = await asyncio.open_connection(self._host, self._port)
        asking = asyncio.ensure_future(_carry(reader, upstream, None))
        try:
            await _carry(upstream_reader, writer, self._idle_s)
        except TimeoutError:
            self.dropped += 1
        except OSError:
            pass  # a side is gone, and so is this link
        finally:
            self._links.discard(task)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            writer.transport.abort()
            upstream.transport.abort()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, idle_s: float | None) -> None:
    """Everything of one way. Raises TimeoutError when nothing came for so long."""
    while True:
        async with asyncio.timeout(idle_s):
            data = await reader.read(65536)
        if not data:
            return
        writer.write(data)
        await writer.drain()
