"""uvicorn's WebSocket protocol, and what ASGI cannot say: cut off a client that stopped reading.

An ASGI `send` waits until the socket takes bytes, the close frame too: a client that never reads again could not be
closed at all, and `transport.close()` waits for it as well. `cut` puts last words and the close frame behind what
already waits, gives the client a moment to read them, and then drops the connection and what it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from thinkaloud_server.web.connection import CUT


class SocketProtocol(WebSocketsSansIOProtocol):
    """For `uvicorn.Config(ws=SocketProtocol)`. `place` is what is given back when the connection is gone."""

    place: ExitStack | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.place is not None:
            self.place.close()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):  # a handshake that is none is answered without one
            self.scope["extensions"][CUT] = {"cut": self.cut}

    async def run_asgi(self) -> None:
        """A handshake that the application refused is complete: uvicorn (0.54) calls that an error in its log."""
        application = self.app

        async def answered(scope: Any, receive: Any, send: Any) -> None:
            await application(scope, receive, send)
            if self.initial_response is not None and self.close_sent:
                self.handshake_complete = True

        self.app = answered
        await super().run_asgi()

    def cut(self, texts: Sequence[str], code: int, reason: str) -> None:
        """Say this and close, without waiting for room; drop the connection if the client does not read it soon."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.stop_keepalive()
        for text in texts:
            self.conn.send_text(text.encode())
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
