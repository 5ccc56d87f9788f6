"""The HTTP side of a process: uvicorn in a loop that others use as well, its limits, and how it starts and ends.

uvicorn installs no signal handlers here, logs through ours, and is never asked to look at its own state ten times a
second, as it does when it runs by itself.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, Protocol

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from thinkaloud_server.app import http_connection
from thinkaloud_server.app.config import split_address
from thinkaloud_server.app.http_connection import HttpConnection, peer_of
from thinkaloud_server.app.socket_protocol import SocketProtocol
from thinkaloud_server.core.url import is_loopback
from thinkaloud_server.rpc.local import PEER
from thinkaloud_server.web.asked import request_id_of
from thinkaloud_server.web.error import HttpError, envelope
from thinkaloud_server.web.settings import MESSAGE_BYTES_MAX, WebSettings

# Longer than load balancers keep an idle connection, or their next request meets one that is just being closed.
KEEP_ALIVE_S = 75
_PING_S = 20.0
# For last words to be read, before what is left is aborted.
GOODBYE_S = 1.0
# For the end of an answer to leave on a slow line when its connection is closed; without TLS the kernel sees to it.
_LAST_BYTES_S = 30.0
_BACKLOG = 2048
_GOING_AWAY = 1001


class Sockets(Protocol):
    """The application's own way to end its WebSockets."""

    async def send_away(self) -> None: ...

    async def drain(self, grace_s: float) -> None: ...


class HttpFace:
    """An ASGI application on an address. `drain` refuses what comes, `stop` ends what is there."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        message_bytes: int = MESSAGE_BYTES_MAX,
        stall_timeout_s: float = 90.0,
        sockets: Sockets | None = None,
        admit: Callable[[str], AbstractContextManager[None]] | None = None,
    ) -> None:
        """`message_bytes` is the most that a WebSocket message has. Where the application does not end its `sockets` by
        itself, they are closed."""
        self._app = app
        self._sockets = sockets
        self._admit = admit
        self._draining = False
        self._stopping = False
        self._websockets: set[Send] = set()
        self._ticking: asyncio.Task[None] | None = None
        self._listener: socket.socket | None = None
        self._taking: asyncio.Server | None = None
        self._config = uvicorn.Config(
            self._answer,
            http=HttpConnection,
            ws=SocketProtocol,
            ws_max_size=message_bytes,
            # Events are small: a compressor per socket costs memory and time, and saves little.
            ws_per_message_deflate=False,
            ws_ping_interval=_PING_S,
            # A client that is stopped answers no ping, and may read on within this time.
            ws_ping_timeout=stall_timeout_s,
            lifespan="off",
            interface="asgi3",
            loop="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # Whose word is taken for a forwarded address is decided in one place for all faces (rpc/address.py).
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            workers=1,
        )
        self._server = uvicorn.Server(self._config)

    async def start(self, address: str, tls: ssl.SSLContext | None = None) -> str:
        """Listen there and answer; the address with its real port. Raises OSError when that cannot be."""
        self._listener = await _listener(address)
        self._config.load()
        await self._take_connections(tls)
        self._ticking = asyncio.create_task(self._tick())
        return f"{address.rpartition(':')[0]}:{self._listener.getsockname()[1]}"

    async def renew(self, tls: ssl.SSLContext) -> None:
        """Shake hands by this from now on; connections that stand go on."""
        if not self._draining:
            await self._take_connections(tls)

    async def _take_connections(self, tls: ssl.SSLContext | None) -> None:
        """One server of the loop on our listening socket, in place of the one before.

        A context of its own for each certificate: one that is changed would go on to resume sessions that callers began
        under the old one. Both listen on one queue, so no connection is lost in between.
        """
        assert self._listener is not None
        taking = await asyncio.get_running_loop().create_server(
            self._connection,
            sock=self._listener.dup(),
            backlog=_BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=http_connection.HEAD_TIMEOUT_S if tls else None,
            ssl_shutdown_timeout=_LAST_BYTES_S if tls else None,
        )
        if self._draining:  # since we began
            taking.close()
            return
        before, self._taking = self._taking, taking
        if before is not None:
            before.close()

    def _connection(self) -> HttpConnection:
        made = HttpConnection(config=self._config, server_state=self._server.server_state, app_state={})
        made.admit = self._admit
        return made

    @property
    def open(self) -> int:
        """Requests and WebSockets under way."""
        return len(self._server.server_state.tasks)

    async def send_away(self) -> None:
        """Tell WebSockets to go elsewhere: idle ones now, the others after their stream. The rest works as before."""
        if self._sockets is not None:
            await self._sockets.send_away()

    def drain(self) -> None:
        """Answer 503 to whatever comes from now on; what is under way goes on."""
        self._draining = True

    async def stop(self, grace_s: float) -> None:
        """Take no more connections, send WebSockets elsewhere, let the rest end for so long, and close; once."""
        if self._ticking is None:
            return
        ticking, self._ticking = self._ticking, None
        self.drain()
        assert self._listener is not None
        assert self._taking is not None
        self._listener.close()
        self._taking.close()
        state = self._server.server_state
        if self._sockets is not None:
            goodbyes = [self._sockets.drain(max(grace_s - GOODBYE_S, 0.0))]
        else:
            goodbyes = [_goodbye(send) for send in self._websockets]
        waiting = {asyncio.ensure_future(each) for each in goodbyes}
        for connection in list(state.connections):
            if isinstance(connection, HttpConnection):
                connection.shutdown()
        if tasks := set(state.tasks) | waiting:
            await asyncio.wait(tasks, timeout=grace_s)
        self._stopping = True
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # for the connections to learn of it
        for task in (rest := set(state.tasks) | {each for each in waiting if not each.done()}):
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        ticking.cancel()
        with suppress(asyncio.CancelledError):
            await ticking

    async def _tick(self) -> None:
        """Keep the date that every answer carries."""
        while True:
            await self._server.on_tick(0)
            await asyncio.sleep(1)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._draining:
            await self._refuse(scope, send)
            return
        # Every request has a task of its own, and so a context of its own.
        PEER.set(peer_of(scope.get("client")))
        if scope["type"] == "websocket":
            self._websockets.add(send)
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._websockets.discard(send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        request_id = request_id_of(scope["headers"])
        error = HttpError("DRAINING", "the server is shutting down: send it to another replica", retry_after_s=1)
        body = envelope(error, request_id)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            (b"retry-after", b"1"),
            (b"x-request-id", request_id.encode()),
        ]
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        await send({"type": f"{kind}.start", "status": error.http, "headers": headers})
        await send({"type": f"{kind}.body", "body": body})


def web_settings(address: str, hosts: Sequence[str] = (), origins: Sequence[str] = (), **more: Any) -> WebSettings:
    """What the web application is told. On a public address any name may be this machine's unless some are given."""
    if not hosts and not is_loopback(split_address(address)[0]):
        hosts = ("*",)
    named: dict[str, Any] = {"hosts": tuple(host.lower() for host in hosts)} if hosts else {}
    return WebSettings(origins=tuple(origins), **named, **more)


async def _goodbye(send: Send) -> None:
    """Close a WebSocket; its application sees that as its end. One that is not open, or has gone, is no trouble."""
    message: Message = {"type": "websocket.close", "code": _GOING_AWAY, "reason": "the server is shutting down"}
    with suppress(Exception):
        await send(message)


async def _listener(address: str) -> socket.socket:
    host, port = split_address(address)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, place = found[0]
    return socket.create_server(place[:2], family=family, backlog=_BACKLOG)
