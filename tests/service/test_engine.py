"""Runs begun, watched from anywhere, stopped, and abandoned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from fakes.engines import T, always, engine_of, held, play, texts, turn, watch_all
from fakes.scripted import ScriptedProvider, answer
from thinkaloud_server.core.delta import Delta, ReasoningDelta, TextDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete, Error, Start
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.core.run import Busy, Created, Existing, NewRun
from thinkaloud_server.stores.memory import MemoryStore


async def test_a_turn_is_start_reasoning_text_and_a_complete_with_everything() -> None:
    async with engine_of(ScriptedProvider(always(*answer("it is 391", "17 times 23")))) as engine:
        seen, complete = await play(engine)
        assert isinstance(seen[0].event, Start)
        assert isinstance(complete, Complete)
        assert texts(seen) == complete.response == "it is 391"
        assert complete.reasoning == "17 times 23"
        assert (complete.finish_reason, complete.model, complete.reasoning_used) == ("stop", "fake/m", True)
        assert complete.usage.output_tokens == 5
        assert 0 < complete.timing.first_token_ms <= complete.timing.total_ms
        assert [attempt.code for attempt in complete.attempts] == [""]


async def test_reasoning_is_stored_beside_the_text_and_sent_back_with_the_next_turn() -> None:
    provider = ScriptedProvider(always(*answer("one", "thought")), always(*answer("two")))
    async with engine_of(provider) as engine:
        _, first = await play(engine, turn("first"))
        assert isinstance(first, Complete)
        history = await engine.store.history(T, first.conversation_id, page_size=10, page_token="")
        assert [(each.message.role, each.message.text) for each in history.items] == [
            ("user", "first"),
            ("assistant", "one"),
        ]
        assert history.items[1].message.reasoning == "thought"
        assert history.items[1].parent_id == history.items[0].message_id
        await play(engine, turn("second", conversation_id=first.conversation_id))
        assert [message.text for message in provider.requests[1].messages] == ["first", "one", "second"]


async def test_every_watcher_sees_the_same_run_from_wherever_it_begins() -> None:
    async with engine_of(ScriptedProvider(always(*answer("a b c d e", "f g")))) as engine:
        run = await engine.begin(T, turn())
        live = await asyncio.gather(*(watch_all(engine, run.run_id) for _ in range(20)))
        assert all(seen == live[0] for seen in live)
        for after in range(len(live[0])):
            assert await watch_all(engine, run.run_id, after) == live[0][after:]
        async with engine.watch(T, run.run_id, len(live[0])) as watch:
            assert await watch.read(5.0) == ()
            assert watch.ended


async def test_a_cursor_beyond_the_log_is_refused_live_and_after() -> None:
    provider = ScriptedProvider(held(TextDelta("x")))
    async with engine_of(provider) as engine:
        run = await engine.begin(T, turn())
        for _ in range(2):
            with pytest.raises(ChatError) as caught:
                async with engine.watch(T, run.run_id, 99):
                    pass
            assert caught.value.reason is ErrorReason.SEQUENCE_AHEAD
            await engine.stop(T, run.run_id)


async def test_an_idle_read_returns_nothing_after_its_time_and_loses_nothing() -> None:
    async with engine_of(ScriptedProvider(held(TextDelta("x")))) as engine:
        run = await engine.begin(T, turn())
        async with engine.watch(T, run.run_id) as watch:
            while watch.last_sequence < 3:
                await watch.read(5.0)
            begun = time.monotonic()
            assert await watch.read(0.05) == ()
            assert 0.04 < time.monotonic() - begun < 2
            stopping = asyncio.create_task(engine.stop(T, run.run_id))
            assert isinstance((await watch.read(5.0))[-1].event, Complete)
            await stopping


async def test_stop_closes_the_provider_and_keeps_what_was_said() -> None:
    provider = ScriptedProvider(held(ReasoningDelta("hm"), TextDelta("half an ans")))
    async with engine_of(provider) as engine:
        run = await engine.begin(T, turn())
        async with engine.watch(T, run.run_id) as watch:
            while watch.last_sequence < 4:
                await watch.read(5.0)
        stopped, complete = await engine.stop(T, run.run_id)
        assert isinstance(complete, Complete)
        assert (complete.finish_reason, complete.response, complete.reasoning) == ("stopped", "half an ans", "hm")
        assert (stopped.state, stopped.finish_reason, provider.open) == ("completed", "stopped", 0)
        assert await engine.stop(T, run.run_id) == (stopped, complete)
        history = await engine.store.history(T, run.conversation_id, page_size=10, page_token="")
        assert history.items[1].partial


async def test_leaving_with_detach_0_stops_at_once() -> None:
    provider = ScriptedProvider(held(TextDelta("x")))
    async with engine_of(provider) as engine:
        run = await engine.begin(T, turn(detach_s=0))
        async with engine.watch(T, run.run_id) as watch:
            await watch.read(5.0)
        await asyncio.wait_for(provider.closed.wait(), 1)
        seen = await watch_all(engine, run.run_id)
        assert isinstance(seen[-1].event, Complete)
        assert seen[-1].event.finish_reason == "abandoned"


async def test_a_run_that_nobody_comes_to_watch_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thinkaloud_server.engine.live.UNCLAIMED_S", 0.05)
    provider = ScriptedProvider(held(TextDelta("x")))
    async with engine_of(provider) as engine:
        await engine.begin(T, turn(detach_s=0))
        await asyncio.wait_for(provider.closed.wait(), 5)


async def test_leaving_one_of_two_watchers_stops_nothing() -> None:
    provider = ScriptedProvider(held(TextDelta("x")))
    async with engine_of(provider) as engine:
        run = await engine.begin(T, turn(detach_s=0))
        async with engine.watch(T, run.run_id) as stays:
            async with engine.watch(T, run.run_id):
                pass
            while stays.last_sequence < 3:
                await stays.read(5.0)
            assert provider.open == 1


async def test_detach_waits_its_seconds_and_a_returning_watcher_resets_them() -> None:
    provider = ScriptedProvider(held(TextDelta("x")))
    async with engine_of(provider) as engine:
        run = await engine.begin(T, turn(detach_s=1))
        async with engine.watch(T, run.run_id) as watch:
            await watch.read(5.0)
        async with engine.watch(T, run.run_id) as watch:
            assert not provider.closed.is_set()
            await watch.read(5.0)
        await asyncio.wait_for(provider.closed.wait(), 5)


async def test_detach_minus_1_runs_to_its_end_unwatched() -> None:
    released = asyncio.Event()

    async def script(request: ModelRequest) -> AsyncIterator[Sequence[Delta]]:
        await released.wait()
        yield answer("done")

    async with engine_of(ScriptedProvider(script)) as engine:
        run = await engine.begin(T, turn(detach_s=-1, deadline_s=0.01))
        async with engine.watch(T, run.run_id) as watch:
            await watch.read(5.0)
        released.set()
        assert texts(await watch_all(engine, run.run_id)) == "done"


async def test_a_passed_deadline_ends_the_run_with_what_there_is() -> None:
    provider = ScriptedProvider(held(TextDelta("some")))
    async with engine_of(provider) as engine:
        _, error = await play(engine, turn(deadline_s=0.05))
        assert isinstance(error, Error)
        assert (error.code, error.partial, provider.open) == ("DEADLINE_EXCEEDED", True, 0)


class SlowStore(MemoryStore):
    """Makes runs, and answers so only when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.made = asyncio.Event()
        self.answered = asyncio.Event()

    async def create_run(self, tenant: str, new: NewRun) -> Created | Existing | Busy:
        made = await super().create_run(tenant, new)
        self.made.set()
        await self.answered.wait()
        return made


async def test_a_caller_that_leaves_while_its_run_is_made_leaves_no_run_behind() -> None:
    provider = ScriptedProvider(held(TextDelta("x")))
    store = SlowStore()
    async with engine_of(provider, store=store) as engine:
        beginning = asyncio.create_task(engine.begin(T, turn(detach_s=0)))
        await store.made.wait()
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        store.answered.set()
        run = (await engine.list_runs(T, conversation_id="", state=None, page_size=1, page_token="")).items[0]
        seen = await watch_all(engine, run.run_id)
        assert isinstance(seen[-1].event, Complete)
        assert (seen[-1].event.finish_reason, provider.open) == ("abandoned", 0)
