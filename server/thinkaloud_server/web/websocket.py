"""The WebSockets of all methods that have one: opened by what their addresses name, closed when the server leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from thinkaloud_server.web.call import Caller, Metadata
from thinkaloud_server.web.connection import Connection, Methods, SocketLimits
from thinkaloud_server.web.read import message_of
from thinkaloud_server.web.route import Route, RouteTable, Socket


class WebSockets:
    """Serves them all; `drain` sees them off."""

    def __init__(self, caller: Caller, table: RouteTable, limits: SocketLimits | None = None) -> None:
        self._caller = caller
        self._methods = table.methods
        self._limits = limits or SocketLimits()
        self._live: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._live)

    async def serve(
        self,
        socket: Socket,
        path_values: Mapping[str, str],
        scope: Scope,
        receive: Receive,
        send: Send,
        metadata: Metadata = (),
        request_id: str = "",
    ) -> None:
        """One connection from its accepted handshake to its end; `metadata` goes with each of its calls."""
        connection = Connection(
            Methods.of(socket, self._methods), self._caller, self._limits, scope, receive, send, metadata, request_id
        )
        opening = _opening(socket, path_values, scope)
        self._live.add(connection)
        self._empty.clear()
        try:
            await connection.serve(opening)
        finally:
            self._live.discard(connection)
            if not self._live:
                self._empty.set()

    async def drain(self, grace_s: float) -> None:
        """Close idle sockets now, the others when their stream ends, at the latest after this time."""
        await asyncio.gather(*(connection.drain() for connection in list(self._live)))
        try:
            async with asyncio.timeout(grace_s):
                await self._empty.wait()
        except TimeoutError:
            await asyncio.gather(*(connection.leave() for connection in list(self._live)))


def _opening(socket: Socket, path_values: Mapping[str, str], scope: Scope) -> Callable[[], Message] | None:
    """Where the path names what is watched, the address is the whole request, its query included."""
    if not socket.template.variables:
        return None
    route = Route("GET", socket.template, socket.method, "", "")
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return lambda: message_of(route, path_values, query, b"")
