"""One HTTP connection, on top of uvicorn's: how large a head may get, how long it may take, and how bad ones are told.

uvicorn bounds neither, and answers what it cannot parse with a text of its own; here it is the envelope of every error.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from thinkaloud_server.app.gathering import Gathering
from thinkaloud_server.web.asked import request_id_of
from thinkaloud_server.web.error import HttpError, envelope

logger = logging.getLogger(__name__)

# The web application refuses what is over its own limit with the same words. This one bounds what is in memory until
# then: a head that never ends.
HEAD_BYTES_MAX = 64 * 1024
HEAD_TIMEOUT_S = 10.0
WRITE_BUFFER_BYTES = 64 * 1024


class HttpConnection(HttpToolsProtocol):
    """Answers 431 and 408 to heads that are too large or too slow, and 400 to what is no HTTP, each in the envelope."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _reading_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(cast(asyncio.Transport, Gathering(transport)))
        if self.scheme == "https":
            # As without TLS; its own limit lets half a megabyte wait for each reader that stopped.
            transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
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
                "connection: close",
            ]
            self.transport.write("\r\n".join([*head, "", ""]).encode() + body)
        self.transport.close()
