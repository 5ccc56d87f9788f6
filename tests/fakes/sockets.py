"""The WebSocket face over uvicorn on a free port of this process, before any gRPC server, and clients of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import uvicorn
from google.protobuf.descriptor import ServiceDescriptor
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from thinkaloud_server.app.socket_protocol import SocketProtocol
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.connection import SocketLimits
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.handshake import check_origin, deny
from thinkaloud_server.web.route import routes_of, services_of_contract
from thinkaloud_server.web.websocket import WebSockets

CHAT = "/api/v1/chat/stream"


@dataclass(frozen=True, slots=True)
class Sockets:
    """A served face."""

    address: str
    face: WebSockets
    server: uvicorn.Server

    def url(self, path: str = CHAT) -> str:
        return f"ws://{self.address}{path}"


@asynccontextmanager
async def socket_face(
    channel: grpc.aio.Channel,
    *,
    limits: SocketLimits | None = None,
    services: Iterable[ServiceDescriptor] | None = None,
    origins: Sequence[str] = (),
    **options: Any,
) -> AsyncIterator[Sockets]:
    """Serves the sockets of these services; `options` are uvicorn's. At the end no socket is left."""
    limits = limits or SocketLimits()
    table = routes_of(services or services_of_contract())
    face = WebSockets(Caller(channel), table, limits)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check_origin(scope, origins)
            socket, values = table.find_socket(scope["raw_path"].decode("ascii"))
        except HttpError as error:
            await deny(scope, send, error, "req-1")
            return
        await face.serve(socket, values, scope, receive, send, (("x-request-id", "req-1"),), "req-1")

    settings: dict[str, Any] = {
        "port": 0,
        "ws": SocketProtocol,
        "lifespan": "off",
        "log_config": None,
        "ws_max_size": limits.message_bytes,
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": 2,
    }
    server = uvicorn.Server(uvicorn.Config(app, **{**settings, **options}))
    # Not `serve`, which takes the signals of the process.
    serving = asyncio.create_task(server._serve())
    async with asyncio.timeout(5):
        while not server.started:  # noqa: ASYNC110 - uvicorn tells by no event
            await asyncio.sleep(0.005)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield Sockets(f"{host}:{port}", face, server)
    finally:
        server.should_exit = True
        await serving
    assert len(face) == 0


class Client:
    """A client of one socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        assert set(frame) - {"run_id"} == {"event", "sequence", "data"}
        return frame

    async def turn(self, **message: Any) -> list[dict[str, Any]]:
        """Everything from a message to the end of what it began."""
        await self.say(**message)
        return await self.rest()

    async def rest(self) -> list[dict[str, Any]]:
        """Everything to the end of the stream."""
        frames = [await self.hear()]
        while frames[-1]["event"] not in ("complete", "error"):
            frames.append(await self.hear())
        return frames

    async def closed(self) -> tuple[list[dict[str, Any]], int, str]:
        """What is said until the close, and how that was."""
        frames = []
        try:
            while True:
                frames.append(await self.hear())
        except ConnectionClosed:
            return frames, self.socket.close_code or 0, self.socket.close_reason or ""


@asynccontextmanager
async def client_of(url: str, **options: Any) -> AsyncIterator[Client]:
    options.setdefault("compression", None)
    options.setdefault("proxy", None)
    async with connect(url, **options) as socket:
        yield Client(socket)


def names(frames: Iterable[dict[str, Any]]) -> list[str]:
    """The events' names, life signs left out."""
    return [frame["event"] for frame in frames if frame["event"] != "heartbeat"]
