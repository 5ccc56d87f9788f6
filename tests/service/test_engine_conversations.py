"""One conversation, one turn at a time; what is kept of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fakes.engines import T, always, engine_of, held, play, texts, turn
from fakes.scripted import Script, ScriptedProvider, answer, failing
from thinkaloud_server.core.delta import (
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    StateDelta,
    TextDelta,
    ToolCallDelta,
)
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete, Error, Start
from thinkaloud_server.core.message import Message, TextPart, ToolResult
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


# Results of tools


def calling(state: str, *ids: str) -> Script:
    calls = [ToolCallDelta(number, each, "look", "{}") for number, each in enumerate(ids)]
    return always(ReasoningDelta("I look"), StateDelta(state), *calls, Finish("tool_calls"), EndOfStream())


def answered(conversation_id: str, *ids: str, **fields: Any) -> Turn:
    results = Message("tool", tuple(ToolResult(each, f"of {each}") for each in ids))
    return Turn(user_message=results, conversation_id=conversation_id, request_id="req", **fields)


def told(provider: ScriptedProvider) -> list[tuple[str, str | None]]:
    """Role and state of each message of the last request."""
    messages = provider.requests[-1].messages
    return [(each.role, each.state.payload if each.state else None) for each in messages]


async def test_results_of_tools_go_on_with_the_conversation_and_its_state() -> None:
    provider = ScriptedProvider(calling('"s1"', "a", "b"), calling('"s2"', "c"), always(*answer("so it is")))
    async with engine_of(provider) as engine:
        _, first = await play(engine)
        assert isinstance(first, Complete)
        assert ([call.id for call in first.tool_calls], first.finish_reason) == (["a", "b"], "tool_calls")
        _, second = await play(engine, answered(first.conversation_id, "b", "a"))
        assert isinstance(second, Complete)
        assert told(provider) == [("user", None), ("assistant", '"s1"'), ("tool", None)]
        assert provider.requests[-1].messages[-1].parts == (ToolResult("b", "of b"), ToolResult("a", "of a"))
        _, third = await play(engine, answered(first.conversation_id, "c"))
        assert isinstance(third, Complete)
        assert told(provider)[3:] == [("assistant", '"s2"'), ("tool", None)]
        history = await engine.store.history(T, first.conversation_id, page_size=10, page_token="")
        assert [each.message.role for each in history.items] == [
            *("user", "assistant", "tool", "assistant", "tool", "assistant")
        ]


async def test_results_that_nobody_waits_for_begin_no_run() -> None:
    provider = ScriptedProvider(calling('"s1"', "a", "b"), always(*answer("x")))
    async with engine_of(provider) as engine:
        _, first = await play(engine)
        assert isinstance(first, Complete)
        for store in (True, False):
            for ids in (("a",), ("a", "b", "c"), ("c",)):
                with pytest.raises(ChatError) as caught:
                    await engine.begin(T, answered(first.conversation_id, *ids, store=store))
                assert caught.value.reason is ErrorReason.VALIDATION_FAILED
        assert engine.status().live_runs == 0
        assert len(provider.requests) == 1


async def test_results_given_aside_are_answered_and_not_stored() -> None:
    provider = ScriptedProvider(calling('"s1"', "a"), always(*answer("so it is")))
    async with engine_of(provider) as engine:
        _, first = await play(engine)
        assert isinstance(first, Complete)
        for _ in range(2):
            _, end = await play(engine, answered(first.conversation_id, "a", store=False))
            assert isinstance(end, Complete)
            assert told(provider) == [("user", None), ("assistant", '"s1"'), ("tool", None)]
        history = await engine.store.history(T, first.conversation_id, page_size=10, page_token="")
        assert len(history.items) == 2


async def test_results_may_be_given_again_after_a_failure_and_reach_the_model_once() -> None:
    down = failing(ErrorReason.UPSTREAM_AUTH, status=401)
    broken = always(ReasoningDelta("hm"), Failure(ErrorReason.UPSTREAM_ERROR, "cut"))
    provider = ScriptedProvider(calling('"s1"', "a"), down, broken, always(*answer("so it is")))
    async with engine_of(provider) as engine:
        _, first = await play(engine)
        assert isinstance(first, Complete)
        for _ in range(2):
            _, end = await play(engine, answered(first.conversation_id, "a"))
            assert isinstance(end, Error)
        _, end = await play(engine, answered(first.conversation_id, "a"))
        assert isinstance(end, Complete)
        assert told(provider) == [("user", None), ("assistant", '"s1"'), ("tool", None)]
