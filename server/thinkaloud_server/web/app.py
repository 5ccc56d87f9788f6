"""The HTTP face as one ASGI application: a client of the gRPC service that knows none of its methods by name.

It is not a Starlette application: that one's router cannot read the templates of google.api.http, and its layers of
middleware cost each request more than everything here. What comes with Starlette is used: its types and headers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from starlette.types import Receive, Scope, Send

from thinkaloud_server.web import download, guard, media, rest, retired, sse, upload
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.departure import Departure
from thinkaloud_server.web.docs import Pages
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.leaving import Gone, Pace, while_there
from thinkaloud_server.web.read import message_of
from thinkaloud_server.web.route import Route, RouteTable, routes_of, services_of_contract
from thinkaloud_server.web.settings import WebSettings
from thinkaloud_server.web.websocket import WebSockets

__all__ = ["WebApp", "WebSettings", "web_app"]

logger = logging.getLogger("thinkaloud.web")


def web_app(
    channel: grpc.aio.Channel, settings: WebSettings | None = None, services: Iterable[ServiceDescriptor] | None = None
) -> WebApp:
    """The application in front of this channel; `services` are those of the contract unless others are given.

    The channel is not closed here: whoever made it does that.
    """
    return WebApp(Caller(channel), routes_of(services or services_of_contract()), settings or WebSettings())


class WebApp:
    """Takes requests from the ASGI server, and has each answered by the face that it is for."""

    def __init__(self, caller: Caller, table: RouteTable, settings: WebSettings) -> None:
        self._caller = caller
        self._table = table
        self._settings = settings
        self._pages = Pages(table, settings.info)
        self._departure = Departure()
        self.sockets = WebSockets(caller, table, settings)

    async def send_away(self) -> None:
        """Tell whoever holds a WebSocket to go elsewhere, and take no new ones; everything else still works."""
        await asyncio.gather(self.sockets.send_away(), self._tell_streams())

    async def drain(self, grace_s: float) -> None:
        """Send them away, and give their streams so long to end. Before the server's own end, which ASGI servers do not
        announce to open WebSockets."""
        await asyncio.gather(self.sockets.drain(grace_s), self._tell_streams())

    async def _tell_streams(self) -> None:
        if self._settings.leaves_alone:
            await self._departure.begin()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case "websocket":
                await self.sockets(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Asked.of(scope)
        pace = Pace(send)
        extra = [*asked.ids(), *guard.cors(asked.headers, self._settings)]
        try:
            await self._answer(scope, asked, receive, pace, extra)
        except Gone as gone:
            logger.debug("caller_gone", extra={"how": str(gone), "request_id": asked.request_id})
        except HttpError as error:
            if not pace.started:
                await rest.refuse(pace, error, asked.request_id, extra, last=False)
                if guard.CLOSE in error.headers:
                    await guard.linger(receive, self._settings)
                await pace({"type": "http.response.body", "body": b""})
        except Exception:
            logger.exception("http_failed", extra={"path": asked.path, "request_id": asked.request_id})
            if not pace.started:
                await rest.refuse(pace, HttpError("INTERNAL", "internal error"), asked.request_id, extra)

    async def _answer(
        self, scope: Scope, asked: Asked, receive: Receive, pace: Pace, extra: list[tuple[str, str]]
    ) -> None:
        headers, settings = asked.headers, self._settings
        guard.check_head(scope, settings)
        guard.check_host(headers, settings)
        if (page := self._pages.find(asked.verb, asked.path, headers)) is not None:
            page.raw_headers += rest.encoded(extra)
            await while_there(receive, page(scope, receive, pace), pace, settings.stall_timeout_s)
            return
        if asked.verb == "OPTIONS":
            allowed = guard.preflight(headers, self._table.allowed(asked.path), settings)
            await rest.respond(pace, 204, b"", "", [*extra, *allowed])
            return
        route, values = self._table.find(asked.verb, asked.path)
        encrypted = scope.get("scheme") == "https"
        guard.check_origin(headers, asked.verb, settings, stream=route.streams, encrypted=encrypted)
        query = asked.query_items()
        guard.check_query(query)
        if route.file is not None and route.method.client_streaming:
            form = upload.Body(receive, headers, settings)
            message = message_of(route, values, query, b"")
            work = upload.upload(asked, route, route.file, message, form, self._caller, pace, extra)
            receive = form.later
        else:
            body = await self._body(asked, route, receive)
            work = self._work(asked, route, values, query, body, pace, extra)
        await while_there(receive, work, pace, settings.stall_timeout_s)

    def _work(
        self,
        asked: Asked,
        route: Route,
        values: Mapping[str, str],
        query: list[tuple[str, str]],
        body: bytes,
        pace: Pace,
        extra: list[tuple[str, str]],
    ) -> Coroutine[Any, Any, None]:
        """What answers a request that is there as a whole."""
        if not route.streams:
            message = message_of(route, values, query, body)
            extra += retired.headers_of(route.method, message)
            rest.take_key(message, route.body, asked)
            if route.file is not None:
                return download.download(asked, route, route.file, message, self._caller, pace, extra)
            return rest.unary(asked, route, message, self._caller, pace, extra)
        frames = sse.frames_of(asked, query, self._settings)
        message = message_of(route, values, query, body)
        extra += retired.headers_of(route.method, message)
        key = rest.take_key(message, route.body, asked)
        method, message = sse.begun_or_resumed(asked, route, message, key, self._table)
        return sse.stream(asked, method, message, frames, self._caller, pace, extra, self._departure)

    async def _body(self, asked: Asked, route: Route, receive: Receive) -> bytes:
        """The body, once its head says that it is fit to be read."""
        headers = asked.headers
        if route.body and "content-type" in headers:
            media.check_body_type(headers["content-type"], headers.get("content-encoding"), empty=False)
        body = await guard.read_body(receive, headers, self._settings)
        if route.body:
            media.check_body_type(headers.get("content-type"), headers.get("content-encoding"), empty=not body)
        return body


async def _live(receive: Receive, send: Send) -> None:
    """The server's own beginning and end: nothing to prepare, and nothing of its to close."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
