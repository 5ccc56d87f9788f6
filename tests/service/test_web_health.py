"""How the server is, over HTTP: the status says it to load balancers that read no body."""

from __future__ import annotations

from typing import Any

import httpx

from fakes.engine import FakeEngine
from fakes.rpc import serving
from fakes.web import http_server
from thinkaloud.v1 import system_service_pb2
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.web.app import web_app


async def asked(engine: FakeEngine) -> tuple[httpx.Response, Any]:
    """What HTTP answers, and what gRPC does."""
    async with (
        serving(engine) as served,
        http_server(web_app(served.channel)) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        told = await served.system.GetHealth(system_service_pb2.GetHealthRequest())
        return await client.get("/api/v1/health"), told


async def test_a_server_without_its_store_answers_503_with_the_same_body() -> None:
    engine = FakeEngine()

    async def broken(*args: Any) -> None:
        raise ChatError(ErrorReason.STORAGE_UNAVAILABLE, "the store does not answer")

    engine.store.get_setting = broken  # type: ignore[method-assign, assignment]
    answer, told = await asked(engine)
    assert (answer.status_code, answer.json()["status"], told.status) == (503, "unhealthy", "unhealthy")
    assert answer.json()["components"] == dict(told.components)
    assert set(answer.json()) == {field.name for field in told.DESCRIPTOR.fields}


async def test_a_healthy_server_answers_200() -> None:
    answer, told = await asked(FakeEngine())
    assert (answer.status_code, answer.json()["status"], told.status) == (200, "healthy", "healthy")
