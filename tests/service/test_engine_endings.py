"""How runs end that nobody stopped: drains, limits, bugs, dead owners."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from fakes.engines import T, always, engine_of, held, new_ids, play, texts, turn, watch_all
from fakes.scripted import ScriptedProvider, answer
from thinkaloud_server.core.delta import Delta, ReasoningDelta, TextDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Error, Reasoning
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.stores.memory import MemoryStore


async def test_draining_refuses_new_runs_lets_live_ones_end_and_interrupts_the_rest() -> None:
    released = asyncio.Event()

    async def slow(request: ModelRequest) -> AsyncIterator[Sequence[Delta]]:
        await released.wait()
        yield answer("in time")

    async with engine_of(ScriptedProvider(slow, held(TextDelta("never")))) as engine:
        one, two = await engine.begin(T, turn()), await engine.begin(T, turn())
        async with engine.watch(T, one.run_id) as watch:
            await watch.read(5.0)
        draining = asyncio.create_task(engine.drain(0.5))
        await asyncio.sleep(0)
        with pytest.raises(ChatError) as caught:
            await engine.begin(T, turn())
        assert caught.value.reason is ErrorReason.DRAINING
        released.set()
        await draining
        assert texts(await watch_all(engine, one.run_id)) == "in time"
        error = (await watch_all(engine, two.run_id))[-1].event
        assert isinstance(error, Error)
        assert (error.code, error.partial) == ("RUN_INTERRUPTED", True)


async def test_a_turn_that_waits_in_a_queue_does_not_begin_in_a_drain() -> None:
    released = asyncio.Event()

    async def slow(request: ModelRequest) -> AsyncIterator[Sequence[Delta]]:
        await released.wait()
        yield answer("in time")

    provider = ScriptedProvider(slow, held(TextDelta("never")))
    async with engine_of(provider) as engine:
        first = await engine.begin(T, turn())
        async with engine.watch(T, first.run_id) as watch:
            await watch.read(5.0)
            again = turn(conversation_id=first.conversation_id, on_busy="queue")
            queued = asyncio.create_task(engine.begin(T, again))
            assert not (await asyncio.wait((queued,), timeout=0.05))[0]
            draining = asyncio.create_task(engine.drain(5.0))
            await asyncio.sleep(0)
            released.set()
            with pytest.raises(ChatError) as caught:
                await queued
            assert caught.value.reason is ErrorReason.DRAINING
        await draining
        assert len(provider.requests) == 1


async def test_a_full_engine_refuses_new_runs_and_still_replays_old_ones() -> None:
    async with engine_of(ScriptedProvider(held(TextDelta("x"))), runs_max=1) as engine:
        asked = turn(idempotency_key="k", request_hash="h")
        run = await engine.begin(T, asked)
        with pytest.raises(ChatError) as caught:
            await engine.begin(T, turn())
        assert caught.value.reason is ErrorReason.OVERLOADED
        assert (await engine.begin(T, asked)).run_id == run.run_id


async def test_a_run_over_its_time_ends_as_a_timeout() -> None:
    async with engine_of(ScriptedProvider(held(TextDelta("x"))), run_s=0.05) as engine:
        _, error = await play(engine)
        assert isinstance(error, Error)
        assert (error.code, error.partial) == ("UPSTREAM_TIMEOUT", True)


async def test_a_bug_in_a_provider_ends_its_run_and_no_other() -> None:
    async def bug(request: ModelRequest) -> AsyncIterator[Sequence[Delta]]:
        yield [TextDelta("x")]
        raise KeyError("sk-secret")

    async with engine_of(ScriptedProvider(bug, always(*answer("fine")))) as engine:
        _, error = await play(engine)
        assert isinstance(error, Error)
        assert (error.code, error.message, error.partial) == ("INTERNAL", "internal error", True)
        seen, _ = await play(engine)
        assert texts(seen) == "fine"


async def test_a_restart_settles_the_runs_of_the_dead_with_what_they_had_said() -> None:
    store, ids = MemoryStore(), new_ids()
    provider = ScriptedProvider(held(ReasoningDelta("hm"), TextDelta("half")))
    async with engine_of(provider, store=store, ids=ids) as dying:
        run = await dying.begin(T, turn())
        async with dying.watch(T, run.run_id) as watch:
            while watch.last_sequence < 4:
                await watch.read(5.0)
        orphans = await store.take_orphans("successor", time.time())
        assert [orphan.run_id for orphan in orphans] == [run.run_id]
    # The dying engine's last word was fenced off: the run still lives until its new owner settles it.
    settled = await store.get_run(T, run.run_id)
    assert settled is not None
    assert settled.state == "running"
    async with engine_of(provider, store=store, ids=ids) as engine:
        seen = await watch_all(engine, run.run_id)
        error = seen[-1].event
        assert isinstance(error, Error)
        assert (error.code, error.partial) == ("RUN_INTERRUPTED", True)
        history = await store.history(T, run.conversation_id, page_size=10, page_token="")
        assert [(each.message.text, each.partial) for each in history.items] == [("hi", False), ("half", True)]
        assert [logged.event.token for logged in seen if isinstance(logged.event, Reasoning)] == ["hm"]


async def test_deleting_a_conversation_stops_what_lives_in_it() -> None:
    provider = ScriptedProvider(held(TextDelta("x")))
    async with engine_of(provider) as engine:
        run = await engine.begin(T, turn())
        await engine.delete_conversation(T, run.conversation_id)
        assert provider.open == 0
        with pytest.raises(ChatError):
            await engine.delete_conversation(T, run.conversation_id)
