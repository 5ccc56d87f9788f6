"""A server that leaves says so to whoever watches a run: at once, once, and on both channels."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.engine import FakeEngine, Hold, complete
from fakes.rpc import collect, serving, until
from thinkaloud.v1 import chat_service_pb2, run_service_pb2
from thinkaloud_server.core.event import Token

pytestmark = pytest.mark.usefixtures("channel_kind")


def kinds(responses: list[Any]) -> list[str]:
    return [str(each.event.WhichOneof("event")) for each in responses]


async def test_a_silent_stream_is_told_at_once_and_goes_on_to_its_end() -> None:
    hold = Hold()
    async with serving(FakeEngine((Token("a"), hold, complete()))) as served:
        call = served.chat.Chat(chat_service_pb2.ChatRequest(text="hi"))
        got = [await call.read(), await call.read()]
        await until(lambda: served.engine.watching == 1)
        async with asyncio.timeout(1):
            served.server.drain()
            got.append(await call.read())
        event = got[-1].event
        assert (event.sequence, event.warning.code) == (0, "RECONNECT")
        assert "resume after event 2" in event.warning.message
        hold.release.set()
        got += (await collect(call))[0]
        assert kinds(got) == ["start", "token", "warning", "complete"]


async def test_who_watches_only_then_is_told_as_well() -> None:
    engine = FakeEngine()
    hold = Hold()
    run = engine.add((Token("a"), hold, complete()))
    async with serving(engine) as served:
        served.server.drain()
        call = served.runs.WatchRun(run_service_pb2.WatchRunRequest(run_id=run.run_id))
        got = [await call.read() for _ in range(3)]
        hold.release.set()
        got += (await collect(call))[0]
        assert kinds(got) == ["start", "token", "warning", "complete"]


async def test_there_is_nothing_to_come_back_for_after_the_end() -> None:
    engine = FakeEngine()
    run = engine.add((Token("a"), complete()))
    async with serving(engine) as served:
        served.server.drain()
        request = run_service_pb2.WatchRunRequest(run_id=run.run_id)
        assert kinds([each async for each in served.runs.WatchRun(request)]) == ["start", "token", "complete"]
