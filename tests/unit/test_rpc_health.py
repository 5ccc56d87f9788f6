"""What a watcher of the health is told, whenever the drain comes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, cast

import pytest
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # generated, no stubs

from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.health import HealthServicer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
CALL = cast(Call, None)  # no probe looks at it


def about(service: str) -> Any:
    return health_pb2.HealthCheckRequest(service=service)


async def test_a_drain_while_the_first_answer_is_on_its_way_is_told_too() -> None:
    health = HealthServicer(["a"])
    async with aclosing(health.watch(about("a"), CALL)) as watch:
        assert (await anext(watch)).status == SERVING
        health.drain()  # before the watcher asks for more
        assert (await anext(watch)).status == NOT_SERVING


@pytest.mark.parametrize(
    ("service", "expected"),
    [("a", [SERVING, NOT_SERVING]), ("", [SERVING, NOT_SERVING]), ("b", [SERVICE_UNKNOWN])],
    ids=["known", "the-server", "unknown"],
)
async def test_a_watch_ends_when_the_server_closes(service: str, expected: list[int]) -> None:
    health = HealthServicer(["a"])

    async def told() -> list[int]:
        return [each.status async for each in health.watch(about(service), CALL)]

    watching = asyncio.create_task(told())
    await asyncio.sleep(0)
    health.close()
    assert await watching == expected


async def test_who_comes_after_the_drain_is_told_once() -> None:
    health = HealthServicer(["a"])
    health.close()
    assert [each.status async for each in health.watch(about("a"), CALL)] == [NOT_SERVING]
