"""Stop, and a caller who leaves with `detach: 0`: the provider's connection closes at once, wherever the answer was.

What is measured is the time from the caller's word (or from the end of its connection) to the FIN or RST that the
provider sees. The promise is 50 ms; what fails here is ten times that, because a busy machine is not a broken promise.
The measured times are in the report of the run (`record_property`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from fakes.chat_wire import chat_reply
from fakes.cutting_proxy import CuttingProxy
from fakes.grammar import check_log
from fakes.provider import AFTER_HEAD, BEFORE_HEAD, FakeProvider, Gate
from fakes.rpc import until
from fakes.stubs import Stubs, stubs
from fakes.whole import Whole, whole_server
from thinkaloud import Client
from thinkaloud.v1 import chat_service_pb2 as chat_pb
from thinkaloud.v1 import run_service_pb2 as run_pb

TRIES = 3
LIMIT_MS = 500.0
TEXT = "a little of what it wanted to say"
MID_STREAM = 4
PLACES = {"before-the-head": BEFORE_HEAD, "after-the-head": AFTER_HEAD, "mid-stream": MID_STREAM}
RPCS = ("Chat", "SendMessage")
WAYS = ("stop", "cancel", "vanish")


@dataclass(frozen=True)
class House:
    """The server, its provider, a caller behind a proxy that can cut, and one who is not behind it."""

    server: Whole
    provider: FakeProvider
    proxy: CuttingProxy
    caller: Stubs
    beside: Stubs

    async def leave(self, rpc: str, place: int, way: str) -> tuple[float, Any]:
        """Ask, leave at that place in that way; how long the provider's connection stood then, and the run."""
        gate = Gate()
        self.provider.answer(chat_reply(TEXT, reasoning="hm", hold=gate, hold_at=place))
        asked = len(self.provider.requests)
        request = chat_pb.ChatRequest(text="go", model="fake/m", detach=0)
        if rpc == "Chat":
            call = self.caller.chat.Chat(request)
            reading = asyncio.ensure_future(_read(call))
        else:
            call = self.caller.chat.SendMessage(chat_pb.SendMessageRequest(request=request))
            reading = asyncio.ensure_future(_answer(call))
        await gate.reached.wait()
        (live,) = (await self.beside.runs.ListRuns(run_pb.ListRunsRequest(state="running"))).runs
        connection = self.provider.requests[-1].connection
        left_at = time.monotonic()
        leaving = asyncio.ensure_future(self._leave(way, call, live.run_id))
        async with asyncio.timeout(10):
            await connection.left.wait()
            await leaving
            await reading
        assert connection.left_at is not None
        await until(lambda: not self.server.engine.status().live_runs)
        assert len(self.provider.requests) == asked + 1, "nothing was asked twice"
        return (connection.left_at - left_at) * 1000, await self._settled(live.run_id)

    async def _leave(self, way: str, call: Any, run_id: str) -> None:
        if way == "stop":
            await self.beside.runs.StopRun(run_pb.StopRunRequest(run_id=run_id))
        elif way == "cancel":
            call.cancel()
        else:
            self.proxy.cut()

    async def _settled(self, run_id: str) -> Any:
        """The run as it is kept; its log has been checked."""
        check_log(await self.server.engine.store.read_events("default", run_id, 0, 1024 * 1024))
        return (await self.beside.runs.GetRun(run_pb.GetRunRequest(run_id=run_id))).run


async def _read(call: Any) -> None:
    with suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        async for _ in call:
            pass


async def _answer(call: Any) -> None:
    with suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        await call


@asynccontextmanager
async def housed(data_dir: Path) -> AsyncIterator[House]:
    async with FakeProvider() as provider:
        section = {"base_url": provider.base_url, "models": ["m"]}
        async with (
            whole_server(data_dir, {"fake": section}) as server,
            CuttingProxy(server.address) as proxy,
            stubs(proxy.address) as caller,
            stubs(server.address) as beside,
        ):
            yield House(server, provider, proxy, caller, beside)
            provider.answer(chat_reply(TEXT))
            request = chat_pb.ChatRequest(text="go", model="fake/m")
            answer = await beside.chat.SendMessage(chat_pb.SendMessageRequest(request=request))
            assert answer.complete.response == TEXT, "the next good request works"
        await provider.wait_for(lambda each: each.open_connections == 0)


async def measured(house: House, rpc: str, place: int, way: str, tries: int) -> list[float]:
    """Milliseconds of so many tries; each run ended as it should."""
    times = []
    for _ in range(tries):
        took_ms, run = await house.leave(rpc, place, way)
        times.append(took_ms)
        assert run.finish_reason == run.complete.finish_reason == ("stopped" if way == "stop" else "abandoned")
        assert run.state == "completed"
        assert TEXT.startswith(run.complete.response)
        assert bool(run.complete.response) == (place == MID_STREAM)
    return times


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("rpc", RPCS)
async def test_the_providers_connection_closes_at_once(
    tmp_path: Path, rpc: str, place: str, way: str, record_property: Callable[[str, object], None]
) -> None:
    async with housed(tmp_path) as house:
        times = await measured(house, rpc, PLACES[place], way, TRIES)
    record_property("closed_after_ms", [round(each, 1) for each in times])
    assert max(times) < LIMIT_MS


async def test_a_caller_who_leaves_while_the_run_is_being_stored_leaves_no_request_behind(tmp_path: Path) -> None:
    """Cancelled at moments that no event marks: whatever was begun ends by itself, and soon."""
    async with housed(tmp_path) as house:
        house.provider.answer(chat_reply(TEXT, hold=Gate(), hold_at=BEFORE_HEAD))
        for step in range(20):
            call = house.caller.chat.Chat(chat_pb.ChatRequest(text="go", model="fake/m", detach=0))
            reading = asyncio.ensure_future(_read(call))
            await asyncio.sleep(step * 0.0005)
            call.cancel()
            await reading
        await until(lambda: not house.server.engine.status().live_runs and not house.provider.busy_connections)


@pytest.mark.parametrize("place", PLACES)
async def test_leaving_the_stream_of_the_client_library_closes_the_providers_connection(
    tmp_path: Path, place: str
) -> None:
    async with housed(tmp_path) as house, Client(house.proxy.address) as client:
        gate = Gate()
        house.provider.answer(chat_reply(TEXT, hold=gate, hold_at=PLACES[place]))
        async with client.stream("go", model="fake/m") as stream:
            await gate.reached.wait()
            run_id = stream.run_id
        connection = house.provider.requests[-1].connection
        async with asyncio.timeout(LIMIT_MS / 1000):
            await connection.left.wait()
        assert (await client.get_run(run_id)).finish_reason == "stopped"
