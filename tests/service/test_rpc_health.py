"""grpc.health.v1 and reflection: what load balancers and grpcurl ask."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # generated, no stubs
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]  # generated, no stubs
    reflection_pb2,
    reflection_pb2_grpc,
)

from fakes.engine import FakeEngine, Hold, complete
from fakes.rpc import ON_A_SOCKET, Served, collect, refused, serving, until
from thinkaloud.v1 import chat_service_pb2 as pb

pytestmark = pytest.mark.usefixtures("channel_kind")

SERVICES = [
    "",
    *(
        f"thinkaloud.v1.{name}Service"
        for name in ("Chat", "Run", "Conversation", "Model", "System", "Identity", "Upload")
    ),
]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def health(served: Served) -> Any:
    return health_pb2_grpc.HealthStub(served.channel)


def about(service: str) -> Any:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.parametrize("service", SERVICES)
async def test_each_service_serves_until_it_drains(service: str) -> None:
    async with serving() as served:
        assert (await health(served).Check(about(service))).status == SERVING
        served.server.drain()
        assert (await health(served).Check(about(service))).status == NOT_SERVING


async def test_a_service_that_is_not_here_is_not_found() -> None:
    async with serving() as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health(served).Check(about("nothing"))
        assert refused(caught.value).code is grpc.StatusCode.NOT_FOUND


async def test_every_watcher_hears_of_the_drain_even_when_others_left_or_read_nothing() -> None:
    async with serving() as served:
        watches = [health(served).Watch(about("")) for _ in range(5)]
        for watch in watches:
            assert (await watch.read()).status == SERVING
        watches.pop(0).cancel()
        served.server.drain()
        # The last of them does not read; the others must not wait for it.
        for watch in watches[:-1]:
            assert (await asyncio.wait_for(watch.read(), 2)).status == NOT_SERVING
        watches[-1].cancel()


async def test_a_watch_that_begins_in_a_drain_is_told_at_once() -> None:
    async with serving() as served:
        served.server.drain()
        assert (await health(served).Watch(about("")).read()).status == NOT_SERVING


async def test_a_watch_of_an_unknown_service_stays_open() -> None:
    async with serving() as served:
        watch = health(served).Watch(about("nothing"))
        assert (await watch.read()).status == SERVICE_UNKNOWN
        assert not watch.done()


async def test_open_watches_do_not_hold_up_the_stop() -> None:
    async with serving() as served:
        watch = health(served).Watch(about(""))
        await watch.read()
        # A client that is not reading when its connection closes loses what it had not read, whatever the server did.
        reading = asyncio.ensure_future(collect(watch))
        began = asyncio.get_running_loop().time()
        await served.server.stop(5.0)
        assert asyncio.get_running_loop().time() - began < 2
        got, _ = await reading
        assert [each.status for each in got] == [NOT_SERVING]


async def test_a_draining_server_still_answers_what_it_has() -> None:
    hold = Hold()
    engine = FakeEngine([hold, complete()])
    async with serving(engine) as served:
        call = served.chat.Chat(pb.ChatRequest(text="hi"))
        await call.read()
        served.server.drain()
        hold.release.set()
        got, error = await collect(call)
        assert got[-1].event.complete.response == "391"
        assert error is None


async def test_a_stop_waits_for_open_calls_as_long_as_it_is_told() -> None:
    hold = Hold()
    engine = FakeEngine([hold, complete()])
    async with serving(engine) as served:
        call = served.chat.Chat(pb.ChatRequest(text="hi"))
        await call.read()
        reading = asyncio.ensure_future(collect(call))
        stopping = asyncio.ensure_future(served.server.stop(5.0))
        await asyncio.sleep(0.05)
        assert not stopping.done()
        hold.release.set()
        got, error = await reading
        assert error is None
        assert got
        await asyncio.wait_for(stopping, 2)


async def test_a_stop_cuts_what_goes_on_after_its_grace() -> None:
    engine = FakeEngine([Hold(), complete()])
    async with serving(engine) as served:
        call = served.chat.Chat(pb.ChatRequest(text="hi"))
        await call.read()
        await served.server.stop(0.05)
        _, error = await collect(call)
        assert error is not None
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        await until(lambda: engine.watching == 0)


@ON_A_SOCKET
async def test_a_port_that_is_taken_is_an_error() -> None:
    async with serving() as served, serving() as other:
        with pytest.raises(RuntimeError, match="bind"):
            await other.server.start(served.address)


# Reflection.


async def reflected(served: Served, *requests: Any) -> list[Any]:
    # An iterator, not `write`, which fails by itself when the refusal is faster.
    call = reflection_pb2_grpc.ServerReflectionStub(served.channel).ServerReflectionInfo(iter(requests))
    return [each async for each in call]


@ON_A_SOCKET
async def test_reflection_lists_every_service_and_describes_it() -> None:
    async with serving(reflect=True) as served:
        listed, described = await reflected(
            served,
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="thinkaloud.v1.ChatService"),
        )
        names = {service.name for service in listed.list_services_response.service}
        assert names == {
            *SERVICES[1:],
            "grpc.health.v1.Health",
            "grpc.reflection.v1alpha.ServerReflection",
        }
        assert b"BatchChat" in b"".join(described.file_descriptor_response.file_descriptor_proto)


@ON_A_SOCKET
async def test_reflection_is_unimplemented_when_it_is_off() -> None:
    async with serving(reflect=False) as served:
        channel: Any = served.channel
        # It asks for nothing: a request under way when the refusal comes is an error of the client's own library.
        call = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert refused(caught.value).code is grpc.StatusCode.UNIMPLEMENTED


@ON_A_SOCKET
async def test_reflection_answers_bytes_that_are_no_request_as_an_argument() -> None:
    async with serving(reflect=True) as served:
        channel: Any = served.channel
        call = channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")()
        await call.write(b"\xff\xff")
        await call.done_writing()
        answer = reflection_pb2.ServerReflectionResponse.FromString(await call.read())
        assert answer.error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


@pytest.mark.skipif(not hasattr(health_pb2, "HealthListResponse"), reason="this release of the protocol has no List")
async def test_all_services_are_listed() -> None:
    async with serving() as served:
        listed = await health(served).List(health_pb2.HealthListRequest())
        assert {name: each.status for name, each in listed.statuses.items()} == dict.fromkeys(SERVICES, SERVING)
