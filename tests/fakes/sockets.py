"""The WebSocket face over uvicorn on a free port of this process, before any gRPC server, and clients of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from fakes.engine import FakeEngine
from fakes.rpc import Served, serving
from thinkaloud_server.app.socket_protocol import SocketProtocol
from thinkaloud_server.rpc.identify import Authenticator
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.web.app import WebApp
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.route import RouteTable, routes_of, services_of_contract
from thinkaloud_server.web.settings import WebSettings
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
    settings: WebSettings | None = None,
    table: RouteTable | None = None,
    **options: Any,
) -> AsyncIterator[Sockets]:
    """Serves these routes, else those of the contract; `options` are uvicorn's. At the end no socket is left."""
    settings = settings or WebSettings()
    app = WebApp(Caller(channel), table or routes_of(services_of_contract()), settings)
    defaults: dict[str, Any] = {
        "port": 0,
        "ws": SocketProtocol,
        "lifespan": "off",
        "log_config": None,
        "ws_max_size": settings.message_bytes,
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": 2,
    }
    server = uvicorn.Server(uvicorn.Config(app, **{**defaults, **options}))
    # Not `serve`, which takes the signals of the process.
    serving = asyncio.create_task(server._serve())
    async with asyncio.timeout(5):
        while not server.started:  # noqa: ASYNC110 - uvicorn tells by no event
            await asyncio.sleep(0.005)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield Sockets(f"{host}:{port}", app.sockets, server)
    finally:
        server.should_exit = True
        await serving
    assert len(app.sockets) == 0


@asynccontextmanager
async def faced(
    engine: FakeEngine | None = None,
    *,
    heartbeat_s: float = 15.0,
    authenticator: Authenticator | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Served, Sockets]]:
    async with (
        serving(engine, limits=Limits(heartbeat_s=heartbeat_s), authenticator=authenticator) as served,
        socket_face(served.channel, **options) as sockets,
    ):
        yield served, sockets


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
    more = options.pop("additional_headers", None) or {}
    headers = [("X-Request-ID", "req-1"), *(more.items() if isinstance(more, Mapping) else more)]
    options.setdefault("proxy", None)
    async with connect(url, additional_headers=headers, **options) as socket:
        yield Client(socket)


def names(frames: Iterable[dict[str, Any]]) -> list[str]:
    """The events' names, life signs left out."""
    return [frame["event"] for frame in frames if frame["event"] != "heartbeat"]
