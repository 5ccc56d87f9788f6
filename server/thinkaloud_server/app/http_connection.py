"""One HTTP connection, on top of uvicorn's: how large a head may get, how long it may take, and how bad ones are told.

uvicorn bounds neither, and answers what it cannot parse with a text of its own; here it is the envelope of every error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from websockets.exceptions import InvalidMessage, SecurityError

from thinkaloud_server.app.gathering import Gathering
from thinkaloud_server.app.socket_protocol import SocketProtocol
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.web.asked import request_id_of
from thinkaloud_server.web.error import HttpError, envelope, refusal_headers

logger = logging.getLogger(__name__)

# The web application refuses what is over its own limit with the same words. This one bounds what is in memory until
# then: a head that never ends.
HEAD_BYTES_MAX = 64 * 1024
HEAD_TIMEOUT_S = 10.0
WRITE_BUFFER_BYTES = 64 * 1024
_FULL_RETRY_S = 1.0


class HttpConnection(HttpToolsProtocol):
    """Answers 431 and 408 to heads that are too large or too slow, and 400 to what is no HTTP, each in the envelope."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _reading_head = False
    # Lets a connection from a peer in, as long as it is entered, or raises ChatError; nobody is refused without.
    admit: Callable[[str], AbstractContextManager[None]] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(cast(asyncio.Transport, Gathering(transport)))
        if self.scheme == "https":
            # As without TLS; its own limit lets half a megabyte wait for each reader that stopped.
            transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self._place = ExitStack()
        try:
            if self.admit is not None:
                self._place.enter_context(self.admit(peer_of(self.client)))
        except ChatError as error:
            self._refuse(HttpError(error.reason.value, error.message, retry_after_s=_FULL_RETRY_S))
            return
        self._await_head()

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        # The connection is the socket's from now on, and so is its place.
        socket = self.transport.get_protocol()
        assert isinstance(socket, SocketProtocol)
        socket.place = self._place.pop_all()
        if not socket.handshake_initiated and (problem := socket.conn.handshake_exc) is not None:
            # Its own parser takes less than that of HTTP, and then says nothing: nobody would ever answer.
            if isinstance(problem, InvalidMessage) and not isinstance(problem.__cause__, SecurityError):
                self._refuse(HttpError("MALFORMED_REQUEST", "this is not the handshake of a WebSocket"))
            else:
                self._refuse(HttpError("HEADERS_TOO_LARGE", "the handshake has too long a line, or too many of them"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._place.close()
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._reading_head:
            return
        self._head_bytes += len(data)  # with the end of the request before it, if that came along
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(HttpError("HEADERS_TOO_LARGE", f"the request's head has more than {HEAD_BYTES_MAX} bytes"))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()
        self._reading_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._reading_head = False
        self._head_arrived()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if self.transport.is_closing():
            return
        # A URL of so many bytes is none to the parser (http_parser_parse_url counts in 16 bits).
        if len(getattr(self, "url", b"")) >= HEAD_BYTES_MAX:
            self._refuse(HttpError("HEADERS_TOO_LARGE", f"the request's head has more than {HEAD_BYTES_MAX} bytes"))
        else:
            self._refuse(HttpError("MALFORMED_REQUEST", "this is not an HTTP request"))

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._too_slow)

    def _head_arrived(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if self._reading_head:
            self._refuse(HttpError("REQUEST_TIMEOUT", f"the request's head took more than {HEAD_TIMEOUT_S:g} s"))
        else:
            self.transport.close()  # it has said nothing at all

    def _refuse(self, error: HttpError) -> None:
        """The last thing on this connection. While an answer is under way nothing can be said but the end."""
        cycle = self.cycle
        # A body that turns out to be none, of a request whose answer has not begun; with no other before it.
        unanswered = cycle is not None and cycle.more_body and not cycle.response_started and not self.pipeline
        if cycle is not None and unanswered:
            cycle.disconnected = True
            cycle.message_event.set()  # as in connection_lost: what waits for the body is to hear that it ends
        if cycle is None or cycle.response_complete or unanswered:
            # Of the headers so far: what is no HTTP has none, and a head that is too large may have said it before.
            request_id = request_id_of(self.headers or ())
            logger.info("http_refused", extra={"reason": error.code, "request_id": request_id})
            body = envelope(error, request_id)
            head = [
                f"HTTP/1.1 {error.http} {HTTPStatus(error.http).phrase}",
                "content-type: application/json",
                f"content-length: {len(body)}",
                f"x-request-id: {request_id}",
                *(f"{name}: {value}" for name, value in refusal_headers(error)),
                "connection: close",
            ]
            self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.transport.close()


def peer_of(client: Any) -> str:
    """In the words of grpc, so that one log has one form."""
    if not client:
        return "unknown"
    host, port = client[0], client[1]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
