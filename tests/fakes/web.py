"""The HTTP face on a real port: an ASGI application behind uvicorn, or the whole server behind the translator."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import uvicorn
from starlette.types import ASGIApp

from fakes.whole import Whole, whole_server
from thinkaloud_server.web.app import WebSettings, web_app


class _Server(uvicorn.Server):
    """One that says when it is ready, and leaves the signals of the process alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def http_server(app: ASGIApp) -> AsyncIterator[str]:
    """Serves the application on a free port of loopback; yields its base URL."""
    config = uvicorn.Config(
        app, http="httptools", ws="websockets-sansio", lifespan="on", log_level="critical", timeout_graceful_shutdown=1
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
        assert ready.done(), "the server ended before it was ready"
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@dataclass(frozen=True, slots=True)
class WholeWeb:
    """The whole server, and an HTTP client of its face."""

    whole: Whole
    url: str
    client: httpx.AsyncClient


@asynccontextmanager
async def whole_web(
    data_dir: Path,
    providers: Mapping[str, Mapping[str, Any]] | None = None,
    settings: WebSettings | None = None,
    **sections: Mapping[str, Any],
) -> AsyncIterator[WholeWeb]:
    """gRPC on one real socket, HTTP on another, a channel between them."""
    async with (
        whole_server(data_dir, providers, **sections) as whole,
        grpc.aio.insecure_channel(whole.address) as channel,
        http_server(web_app(channel, settings)) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as client,
    ):
        yield WholeWeb(whole, url, client)


@dataclass(slots=True)
class Frame:
    """One block of an event stream, as a reader of the specification sees it."""

    event: str = ""
    id: str = ""
    data: str = ""
    retry: str = ""
    comments: list[str] = field(default_factory=list)


async def frames(response: httpx.Response) -> AsyncIterator[Frame]:
    """The blocks of an event stream; a line that is none of the grammar is an error."""
    frame = Frame()
    async for line in response.aiter_lines():
        if not line:
            yield frame
            frame = Frame()
        elif line.startswith(":"):
            frame.comments.append(line[1:].strip())
        else:
            name, _, value = line.partition(": ")
            assert name in ("event", "id", "data", "retry"), line
            setattr(frame, name, value)
