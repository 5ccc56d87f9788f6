"""One conversation, one turn at a time; what is kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fakes.engines import T, always, engine_of, held, play, texts, turn
from fakes.scripted import ScriptedProvider, answer
from thinkaloud_server.core.delta import TextDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete, Start
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.engine.engine import Engine


@asynccontextmanager
async def busy_conversation(engine: Engine) -> AsyncIterator[str]:
    """The id of a conversation with a live, watched run."""
    run = await engine.begin(T, turn("long", detach_s=60))
    async with engine.watch(T, run.run_id) as watch:
        await watch.read(5.0)
        yield run.conversation_id


async def test_a_busy_conversation_refuses_by_default_and_names_its_run() -> None:
    async with engine_of(ScriptedProvider(held(TextDelta("x")))) as engine, busy_conversation(engine) as conversation:
        with pytest.raises(ChatError) as caught:
            await engine.begin(T, turn(conversation_id=conversation))
        assert caught.value.reason is ErrorReason.CONVERSATION_BUSY
        assert caught.value.details["run_id"].startswith("run_")


async def test_interrupt_stops_the_live_run_first() -> None:
    provider = ScriptedProvider(held(TextDelta("x")), always(*answer("new")))
    async with engine_of(provider) as engine, busy_conversation(engine) as conversation:
        seen, _ = await play(engine, turn(conversation_id=conversation, on_busy="interrupt"))
        assert texts(seen) == "new"


async def test_queue_waits_for_the_live_run() -> None:
    provider = ScriptedProvider(held(TextDelta("x")), always(*answer("later")))
    async with engine_of(provider) as engine, busy_conversation(engine) as conversation:
        queued = asyncio.create_task(play(engine, turn(conversation_id=conversation, on_busy="queue")))
        live = (await engine.store.get_conversation(T, conversation)) or pytest.fail("gone")
        await asyncio.sleep(0.05)
        assert not queued.done()
        await engine.stop(T, live.live_run_id)
        seen, _ = await queued
        assert texts(seen) == "later"
        assert [message.text for message in provider.requests[1].messages] == ["long", "x", "hi"]


async def test_a_live_run_that_nobody_watches_makes_way() -> None:
    provider = ScriptedProvider(held(TextDelta("x")), always(*answer("new")))
    async with engine_of(provider) as engine:
        run = await engine.begin(T, turn(detach_s=60))
        seen, _ = await play(engine, turn(conversation_id=run.conversation_id))
        assert texts(seen) == "new"


async def test_a_turn_that_is_not_stored_leaves_nothing_and_still_reads_the_conversation() -> None:
    provider = ScriptedProvider(always(*answer("kept")), always(*answer("gone")))
    async with engine_of(provider) as engine:
        _, first = await play(engine)
        assert isinstance(first, Complete)
        seen, complete = await play(engine, turn("aside", conversation_id=first.conversation_id, store=False))
        assert isinstance(complete, Complete)
        assert isinstance(seen[0].event, Start)
        assert (seen[0].event.resumable, complete.message_id) == (False, "")
        assert seen[0].event.conversation_id == complete.conversation_id == first.conversation_id
        assert [message.text for message in provider.requests[1].messages] == ["hi", "kept", "aside"]
        history = await engine.store.history(T, first.conversation_id, page_size=10, page_token="")
        assert len(history.items) == 2
        assert len((await engine.list_runs(T, conversation_id="", state=None, page_size=9, page_token="")).items) == 1


async def test_a_turn_that_is_not_stored_begins_nothing_for_a_conversation_that_is_not_there() -> None:
    async with engine_of(ScriptedProvider(always(*answer("never")))) as engine:
        aside = turn(conversation_id="conv_" + "f" * 32, store=False, idempotency_key="k", request_hash="h")
        for _ in range(2):  # and no run is left behind for the key to find
            with pytest.raises(ChatError) as caught:
                await engine.begin(T, aside)
            assert caught.value.reason is ErrorReason.NOT_FOUND
        assert engine.status().live_runs == 0


async def test_callers_that_keep_their_own_history_make_no_conversation() -> None:
    provider = ScriptedProvider(always(*answer("x")))
    async with engine_of(provider) as engine:
        messages = (Message("system", (TextPart("be brief"),)), Message("user", (TextPart("hi"),)))
        _, complete = await play(engine, Turn(user_message=None, messages=messages, context='{"k":1}'))
        assert isinstance(complete, Complete)
        assert complete.conversation_id == ""
        assert [message.role for message in provider.requests[0].messages] == ["system", "system", "user"]


async def test_another_tenants_run_is_not_there() -> None:
    async with engine_of(ScriptedProvider(held(TextDelta("x")))) as engine:
        run = await engine.begin(T, turn())
        for attempt in (engine.get_run("other", run.run_id), engine.stop("other", run.run_id)):
            with pytest.raises(ChatError) as caught:
                await attempt
            assert caught.value.reason is ErrorReason.NOT_FOUND
