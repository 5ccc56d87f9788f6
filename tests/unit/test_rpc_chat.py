"""rpc/chat.py: callers who leave in the moments that no socket can be made to hit. The rest is in tests/service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import pytest
from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from fakes.engine import FakeEngine, FakeWatch, Hold
from fakes.rpc import until
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.core.run import Run
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.rpc.call import Call, Metadata
from thinkaloud_server.rpc.chat import ChatServicer
from thinkaloud_server.rpc.departure import Departure
from thinkaloud_server.rpc.limits import Limits


class FakeCall(Call):
    """A call without a deadline."""

    def __init__(self) -> None:
        super().__init__(method="/thinkaloud.v1.ChatService/Chat", metadata=(), peer="here")

    def time_remaining(self) -> float | None:
        return None

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        raise AssertionError("servicers send none")

    async def abort(self, status: status_pb2.Status) -> NoReturn:
        raise AssertionError("servicers raise")


class LeftEngine(FakeEngine):
    """The caller is cancelled when its run has begun and before it hears of that. Counts who came to watch."""

    def __init__(self) -> None:
        super().__init__()
        self.caller: asyncio.Task[object] | None = None
        self.visits = 0

    async def begin(self, tenant: str, turn: Turn) -> Run:
        run = await super().begin(tenant, turn)
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: self.caller and self.caller.cancel())
        return run

    @asynccontextmanager
    async def watch(self, tenant: str, run_id: str, after_sequence: int = 0) -> AsyncIterator[FakeWatch]:
        self.visits += 1
        async with super().watch(tenant, run_id, after_sequence) as watch:
            yield watch


async def first_event(engine: LeftEngine) -> object:
    events = ChatServicer(engine, Limits(), Departure()).chat(pb.ChatRequest(text="hi"), FakeCall())
    try:
        return await anext(events)
    finally:
        await events.aclose()


async def test_a_caller_who_leaves_between_the_beginning_and_the_first_event_leaves_as_a_watcher_does() -> None:
    """Else nobody ever watched, and the engine could not know that nobody will."""
    engine = LeftEngine()
    engine.caller = asyncio.create_task(first_event(engine))
    with pytest.raises(asyncio.CancelledError):
        await engine.caller
    assert len(engine.turns) == 1
    assert (engine.visits, engine.watching) == (1, 0)


async def test_a_caller_who_leaves_before_the_beginning_takes_it_back() -> None:
    engine = LeftEngine()
    engine.begin_hold = Hold()
    caller = asyncio.create_task(first_event(engine))
    await until(lambda: bool(engine.turns))
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert engine.visits == 0
