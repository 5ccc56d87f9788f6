"""The admin port over a real socket: metrics, probes, and who is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from thinkaloud_server.app.admin import AdminServer


class Standing:
    """What the port is told."""

    def __init__(self) -> None:
        self.why = ""
        self.hangs = False

    async def not_ready(self) -> str:
        if self.hangs:
            await asyncio.Event().wait()
        return self.why

    def metrics(self, accept: str) -> tuple[bytes, str]:
        return f"asked for {accept}".encode(), "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def answering(
    standing: Standing, *, loopback: bool = True, ready_within_s: float = 1.0
) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    server = AdminServer(
        metrics=standing.metrics, not_ready=standing.not_ready, loopback=loopback, ready_within_s=ready_within_s
    )
    port = await server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            yield session, f"http://127.0.0.1:{port}"
    finally:
        await server.close()


async def got(session: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    async with session.get(url, headers=headers) as response:
        return response.status, (await response.text()).strip()


async def test_it_answers_metrics_in_the_format_that_is_asked_for() -> None:
    accept = {"accept": "text/plain"}
    async with answering(Standing()) as (session, base), session.get(f"{base}/metrics", headers=accept) as response:
        assert await response.text() == "asked for text/plain"
        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"


async def test_a_draining_server_is_alive_and_not_ready() -> None:
    standing = Standing()
    async with answering(standing) as (session, base):
        assert await got(session, f"{base}/readyz") == (200, "ok")
        standing.why = "draining"
        assert await got(session, f"{base}/readyz") == (503, "draining")
        assert await got(session, f"{base}/healthz") == (200, "ok")


async def test_a_store_that_hangs_makes_it_not_ready() -> None:
    standing = Standing()
    standing.hangs = True
    async with answering(standing, ready_within_s=0.05) as (session, base):
        assert await got(session, f"{base}/readyz") == (503, "store does not answer")


@pytest.mark.parametrize(
    ("host", "loopback", "status"),
    [
        ("localhost:9464", True, 200),
        ("127.0.0.1", True, 200),
        ("[::1]:9464", True, 200),
        ("rebound.example.com", True, 403),
        ("127.0.0.1.example.com:9464", True, 403),
        ("thinkaloud.monitoring.svc:9464", False, 200),
    ],
)
async def test_on_loopback_it_answers_to_this_machines_names_alone(host: str, loopback: bool, status: int) -> None:
    async with answering(Standing(), loopback=loopback) as (session, base):
        for path in ("metrics", "healthz", "readyz"):
            assert (await got(session, f"{base}/{path}", host=host))[0] == status


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405), ("GET", "/debug", 404)]
)
async def test_there_is_nothing_else(method: str, path: str, status: int) -> None:
    async with answering(Standing()) as (session, base), session.request(method, base + path) as response:
        assert response.status == status
