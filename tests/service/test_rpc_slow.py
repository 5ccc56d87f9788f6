"""Clients that read slowly, or not at all, or ping through silence."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from fakes.engine import Endless, FakeEngine, Hold, complete
from fakes.rpc import ON_A_SOCKET, collect, refused, serving, until
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import run_service_pb2
from thinkaloud_server.core.event import Token
from thinkaloud_server.rpc.limits import Limits

pytestmark = pytest.mark.usefixtures("channel_kind")

# A client that takes one message at a time and grants no more than it must.
TIGHT = (("grpc.http2.bdp_probe", 0),)
ASK = pb.ChatRequest(text="hi")


@ON_A_SOCKET
async def test_a_client_that_reads_nothing_is_cut_and_can_go_on_where_it_was() -> None:
    engine = FakeEngine(Endless(Token("x" * 8000)))
    async with serving(engine, limits=Limits(stall_timeout_s=0.3), options=TIGHT) as served:
        call = served.chat.Chat(ASK)
        run_id = (await call.read()).event.start.run_id
        # The watch is left, and its call is over for the server, long before the client reads on.
        await until(lambda: engine.watching == 0 and served.server.load.calls == 0)
        got, error = await collect(call)
        assert error is not None
        status = refused(error)
        assert (status.code, status.reason) == (grpc.StatusCode.ABORTED, "SLOW_CONSUMER")
        sequences = [each.event.sequence for each in got]
        assert sequences == list(range(2, len(got) + 2))
        request = run_service_pb2.WatchRunRequest(run_id=run_id, after_sequence=sequences[-1])
        rest = served.runs.WatchRun(request)
        assert (await rest.read()).event.sequence == sequences[-1] + 1
        rest.cancel()


async def test_a_client_that_reads_slowly_is_not_cut() -> None:
    engine = FakeEngine([*[Token("x" * 8000)] * 500, complete()])
    async with serving(engine, limits=Limits(stall_timeout_s=1.0), options=TIGHT) as served:
        call = served.chat.Chat(ASK)
        got = 0
        began = time.monotonic()
        # In all twice the stall timeout, and no wait near it: a write waits for half of the window of HTTP/2 to be read
        # (4 messages), or for all of it, which is some 30 ms here and several times that on a busy machine.
        while await call.read() is not grpc.aio.EOF:
            got += 1
            await asyncio.sleep(0.004)
        assert got == 502
        assert time.monotonic() - began > 2.0


@ON_A_SOCKET
async def test_a_silent_run_is_not_a_stalled_client() -> None:
    hold = Hold()
    engine = FakeEngine([hold, complete()])
    async with serving(engine, limits=Limits(stall_timeout_s=0.05, heartbeat_s=10)) as served:
        call = served.chat.Chat(ASK)
        await call.read()
        await asyncio.sleep(0.3)
        hold.release.set()
        _, error = await collect(call)
        assert error is None


async def test_a_stalled_client_slows_nobody_else() -> None:
    engine = FakeEngine([Token("x")] * 200 + [complete()])
    engine.scripts["flood"] = Endless(Token("x" * 8000))
    async with serving(engine, options=TIGHT) as served:
        stalled = served.chat.Chat(pb.ChatRequest(text="flood"))
        await stalled.read()
        for _ in range(5):
            got, error = await asyncio.wait_for(collect(served.chat.Chat(ASK)), 5)
            assert error is None
            assert len(got) == 202
        stalled.cancel()
        await until(lambda: engine.watching == 0)


@ON_A_SOCKET
async def test_a_client_may_ping_each_second_through_a_silent_stream() -> None:
    # The library's own rule ends such a connection with "too many pings" after the third.
    pings = (
        ("grpc.keepalive_time_ms", 1000),
        ("grpc.keepalive_timeout_ms", 1000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    )
    hold = Hold()
    engine = FakeEngine([hold, complete()])
    async with serving(engine, limits=Limits(heartbeat_s=60), options=pings) as served:
        call = served.chat.Chat(ASK)
        await call.read()
        await asyncio.sleep(6.5)
        hold.release.set()
        got, error = await collect(call)
        assert error is None
        assert got[-1].event.complete.response == "391"
