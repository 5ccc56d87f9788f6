"""The WebSockets of all methods that have one: opened by what their addresses name, closed when the server leaves.

A browser opens WebSockets to any host, with that host's cookies, and CORS does not ask about them: Host and Origin are
looked at here, before there is a socket (RFC 6455 section 10.2).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from thinkaloud_server.web import guard, words
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.connection import Connection, Methods
from thinkaloud_server.web.error import HttpError, envelope, refusal_headers
from thinkaloud_server.web.hold import Gate, Hold
from thinkaloud_server.web.read import message_of
from thinkaloud_server.web.rest import encoded
from thinkaloud_server.web.route import Route, RouteTable, Socket
from thinkaloud_server.web.session import POLICY
from thinkaloud_server.web.settings import WebSettings

logger = logging.getLogger("thinkaloud.web")

# The extension of ASGI by which a handshake is answered with something else than 403.
_DENIAL = "websocket.http.response"


class WebSockets:
    """Serves them all; `drain` sees them off."""

    def __init__(self, caller: Caller, table: RouteTable, settings: WebSettings) -> None:
        self._caller = caller
        self._table = table
        self._settings = settings
        method = table.holds_socket
        self._gate = Gate(caller, method, settings.auth_timeout_s) if method is not None else None
        self._live: set[Connection] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._live)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One handshake and, where it is accepted, its connection to the end."""
        asked = Asked.of(scope)
        try:
            if self._draining:
                raise HttpError("DRAINING", "the server is shutting down: connect to another replica", retry_after_s=1)
            guard.check_head(scope, self._settings)
            guard.check_host(asked.headers, self._settings)
            encrypted = scope.get("scheme") == "wss"
            guard.check_origin(asked.headers, asked.verb, self._settings, stream=True, encrypted=encrypted)
            socket, values = self._table.find_socket(asked.path)
            query = asked.query_items()
            guard.check_query(query)
            hold = await self._held(asked, [value for name, value in query if name == words.TOKEN])
        except HttpError as error:
            await _deny(scope, send, error, asked)
            return
        methods = Methods.of(socket, self._table.methods)
        connection = Connection(
            methods, self._caller, self._settings, asked, scope, receive, send, gate=self._gate, hold=hold
        )
        self._live.add(connection)
        self._empty.clear()
        try:
            await connection.serve(_opening(socket, values, [each for each in query if each[0] != words.TOKEN]))
        finally:
            self._live.discard(connection)
            if not self._live:
                self._empty.set()

    async def _held(self, asked: Asked, tokens: list[str]) -> Hold | None:
        """The service's word that this socket may be opened; None where it has yet to be said who calls, or nobody
        asks. Raises HttpError."""
        if self._gate is None:
            return None
        if len(tokens) > 1:
            raise HttpError("WS_TOKEN_INVALID", "the address has more than one token")
        try:
            return await self._gate.open(asked, token=tokens[0] if tokens else "")
        except HttpError as error:
            if error.code == "AUTH_REQUIRED" and not tokens:
                return None
            raise

    async def send_away(self) -> None:
        """Take no new sockets, close idle ones now, and each of the others when its stream ends."""
        self._draining = True
        await asyncio.gather(*(connection.drain() for connection in list(self._live)))

    async def drain(self, grace_s: float) -> None:
        """Send them all away, and close after this time what is still there."""
        await self.send_away()
        try:
            async with asyncio.timeout(grace_s):
                await self._empty.wait()
        except TimeoutError:
            await asyncio.gather(*(connection.leave() for connection in list(self._live)))


def _opening(
    socket: Socket, values: Mapping[str, str], query: Sequence[tuple[str, str]]
) -> Callable[[], Message] | None:
    """Where the path names what is watched, the address is the whole request, its query included."""
    if not socket.template.variables:
        return None
    route = Route("GET", socket.template, socket.method, "", "")
    return lambda: message_of(route, values, query, b"")


async def _deny(scope: Scope, send: Send, error: HttpError, asked: Asked) -> None:
    """Answer the handshake with the envelope of this error instead of a WebSocket."""
    logger.info("websocket_denied", extra={"reason": error.code, "request_id": asked.request_id})
    if _DENIAL not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": error.close or POLICY, "reason": error.code})
        return
    headers = [("content-type", "application/json"), ("cache-control", "no-store"), *asked.ids()]
    headers += refusal_headers(error)
    await send({"type": f"{_DENIAL}.start", "status": error.http, "headers": encoded(headers)})
    await send({"type": f"{_DENIAL}.body", "body": envelope(error, asked.request_id)})
