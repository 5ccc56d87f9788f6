"""The admin port: metrics and probes over plain HTTP, for those who run the server and not for its users.

`/healthz` says that the process answers; `/readyz` whether to send it work: no while it drains or its store does not
answer. Both speak in one word, which is enough for a probe, and tell nothing of callers.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from thinkaloud_server.core.url import is_loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
READY_WITHIN_S = 1.0


class AdminServer:
    """Answers on one address from `start` to `close`. `not_ready` says why no work may be sent, "" when it may."""

    def __init__(
        self,
        *,
        metrics: Callable[[str], tuple[bytes, str]],
        not_ready: Callable[[], Awaitable[str]],
        loopback: bool,
        ready_within_s: float = READY_WITHIN_S,
    ) -> None:
        self._metrics = metrics
        self._not_ready = not_ready
        self._ready_within_s = ready_within_s
        application = web.Application(middlewares=[_named_by_address] if loopback else [])
        application.router.add_get("/metrics", self._tell_metrics)
        application.router.add_get("/healthz", self._tell_health)
        application.router.add_get("/readyz", self._tell_ready)
        self._runner = web.AppRunner(application, access_log=None, keepalive_timeout=30, shutdown_timeout=1.0)

    async def start(self, host: str, port: int) -> int:
        """Listen there; the port, which matters for port 0. Raises OSError."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Answer no more."""
        await self._runner.cleanup()

    async def _tell_metrics(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics(request.headers.get("accept", ""))
        return web.Response(body=body, headers={"content-type": content_type, "cache-control": "no-store"})

    async def _tell_health(self, request: web.Request) -> web.Response:
        return _word("ok")

    async def _tell_ready(self, request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(self._ready_within_s):
                why = await self._not_ready()
        except TimeoutError:
            why = "store does not answer"
        return _word(why, 503) if why else _word("ok")


@web.middleware
async def _named_by_address(request: web.Request, handler: Handler) -> web.StreamResponse:
    """On loopback: a page of the web that rebinds its name to 127.0.0.1 is told nothing."""
    if _is_this_machine(request.host):
        return await handler(request)
    return _word("call this port by its address", 403)


def _is_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return is_loopback(name) or bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def _word(text: str, status: int = 200) -> web.Response:
    return web.Response(text=f"{text}\n", status=status, headers={"cache-control": "no-store"})
