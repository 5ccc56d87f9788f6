"""Reasoning that a provider refuses, asked for or replayed: what is asked instead, once each, and what is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fakes.asking import SystemClock
from fakes.chat_wire import chat_reply, error_reply
from fakes.engines import T, always, engine_of, play, turn, warnings
from fakes.provider import FakeProvider, Reply
from fakes.scripted import ScriptedProvider, answer, failing
from thinkaloud_server.core.delta import Failure, StateDelta, TextDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.event import Complete, Error, Logged, Warning
from thinkaloud_server.core.message import Message, ReasoningState, TextPart
from thinkaloud_server.core.request import ReasoningControl
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.engine.http_provider import HttpProvider
from thinkaloud_server.engine.upstream import Timeouts, Upstream
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_chat import OPENAI_CHAT
from thinkaloud_server.providers.table import vendor_named

OK = chat_reply("it is 391")
LEVELS = error_reply(400, "This model does not support effort level 'max'. Supported levels: high, low, medium.")
NONE_OR_DEFAULT = error_reply(400, "`reasoning_effort` must be one of `none` or `default`")
UNKNOWN = error_reply(400, "Unrecognized request argument supplied: reasoning_effort")
STATE = Failure(ErrorReason.REASONING_STATE_INVALID, "Invalid `signature` in `thinking` block", status=400)


def said(seen: list[Logged]) -> list[tuple[str, str]]:
    return [(each.event.code, each.event.message) for each in seen if isinstance(each.event, Warning)]


@asynccontextmanager
async def asked(
    vendor: str, *replies: Reply, effort: Any = "max", model: str = "m"
) -> AsyncIterator[tuple[list[Any], list[tuple[str, str]], Any]]:
    """The bodies that the provider got, the warnings, and the end of one run."""
    upstream = Upstream(clock=SystemClock())
    async with FakeProvider(*replies) as fake:
        endpoint = Endpoint("fake", fake.base_url, vendor_named(vendor, "openai-chat"))
        provider = HttpProvider(endpoint=endpoint, dialect=OPENAI_CHAT, upstream=upstream, timeouts=Timeouts())
        async with engine_of(provider) as engine:
            control = ReasoningControl(effort=effort)
            seen, end = await play(engine, turn(model=f"fake/{model}", reasoning=control))
        await upstream.close()
        yield [request.json for request in fake.requests], said(seen), end


async def test_a_refused_effort_is_clamped_to_the_providers_own_list() -> None:
    async with asked("openrouter", LEVELS, chat_reply("it is 391", reasoning="17 times 23")) as (bodies, told, end):
        assert [body["reasoning"] for body in bodies] == [{"effort": "max"}, {"effort": "high"}]
        assert told == []  # the strongest that there is was asked for, and is what was sent
        assert isinstance(end, Complete)
        assert (end.response, end.reasoning, end.reasoning_used) == ("it is 391", "17 times 23", True)
        assert [(each.code, each.status, each.reasoning) for each in end.attempts] == [
            ("VALIDATION_FAILED", 400, True),
            ("", 200, True),
        ]


async def test_a_clamped_effort_that_is_weaker_than_asked_for_is_said_so() -> None:
    async with asked("openrouter", error_reply(400, "effort must be one of: low"), OK, effort="high") as it:
        bodies, told, end = it
        assert [body["reasoning"]["effort"] for body in bodies] == ["high", "low"]
        assert told == [("ADJUSTED", 'fake/m: the model does not take the effort "high": "low" was sent')]
        assert isinstance(end, Complete)


async def test_words_that_are_no_level_of_ours_are_sent_once_and_then_nothing() -> None:
    async with asked("groq", NONE_OR_DEFAULT, NONE_OR_DEFAULT, OK, effort="high", model="gpt-oss-20b") as it:
        bodies, told, end = it
        assert [body.get("reasoning_effort") for body in bodies] == ["high", "default", None]
        assert [code for code, _ in told] == ["ADJUSTED", "REASONING_DROPPED"]
        assert isinstance(end, Complete)
        assert (end.response, end.reasoning_used) == ("it is 391", False)
        assert [each.reasoning for each in end.attempts] == [True, True, False]


async def test_a_control_that_is_refused_without_a_list_is_dropped_at_once() -> None:
    async with asked("xai", UNKNOWN, OK, effort="high") as (bodies, told, end):
        assert [body.get("reasoning_effort") for body in bodies] == ["high", None]
        assert told == [("REASONING_DROPPED", "fake/m refused the reasoning control and was asked without it")]
        assert isinstance(end, Complete)
        assert (end.reasoning_used, end.reasoning_only, end.usage.reasoning_tokens) == (False, False, 0)


async def test_a_plain_request_that_is_refused_is_the_callers_failure() -> None:
    async with asked("openrouter", LEVELS, LEVELS, LEVELS) as (bodies, told, end):
        assert [body.get("reasoning") for body in bodies] == [{"effort": "max"}, {"effort": "high"}, None]
        assert [code for code, _ in told] == ["REASONING_DROPPED"]
        assert isinstance(end, Error)
        assert end.code == "VALIDATION_FAILED"


async def test_each_model_is_clamped_and_dropped_for_itself() -> None:
    refused = failing(ErrorReason.VALIDATION_FAILED, status=400, reasoning_refused=True, efforts=("low",))
    down = failing(ErrorReason.UPSTREAM_AUTH, status=401)
    first = ScriptedProvider(refused, refused, down)
    second = ScriptedProvider(refused, always(*answer("from b")), name="b")
    async with engine_of(first, second) as engine:
        seen, end = await play(engine, turn(reasoning=ReasoningControl("high"), fallback_models=("b/m",)))
    assert isinstance(end, Complete)
    assert warnings(seen) == ["REASONING_DROPPED", "FELL_BACK"]
    assert [(each.info.efforts if each.info else (), each.plain) for each in (*first.requests, *second.requests)] == [
        ((), False),
        (("low",), False),
        (("low",), True),
        ((), False),
        (("low",), False),
    ]
    assert [(each.model, each.code) for each in end.attempts] == [
        *[("fake/m", "VALIDATION_FAILED")] * 2,
        ("fake/m", "UPSTREAM_AUTH"),
        ("b/m", "VALIDATION_FAILED"),
        ("b/m", ""),
    ]


async def test_nothing_is_repeated_once_something_was_said() -> None:
    late = Failure(ErrorReason.VALIDATION_FAILED, "x", 400, reasoning_refused=True, efforts=("low",))
    for failure in (late, STATE):
        provider = ScriptedProvider(always(TextDelta("it"), failure), always(*answer("again")))
        async with engine_of(provider) as engine:
            seen, end = await play(engine, turn(reasoning=ReasoningControl("high"), fallback_models=("fake/m",)))
        assert isinstance(end, Error)
        assert (end.code, end.partial, warnings(seen), len(provider.requests)) == (failure.reason, True, [], 1)


# The state of earlier answers.


def thought(text: str, state: str) -> Any:
    return always(StateDelta(state), *answer(text, "thought"))


def states(provider: ScriptedProvider) -> list[list[str | None]]:
    """The state of each message of each request."""
    return [
        [message.state.payload if message.state else None for message in request.messages]
        for request in provider.requests
    ]


async def begun(engine: Any, **fields: Any) -> str:
    _, end = await play(engine, turn("first", **fields))
    assert isinstance(end, Complete)
    return end.conversation_id


async def test_a_refused_history_is_sent_once_more_without_its_reasoning() -> None:
    provider = ScriptedProvider(thought("one", '"s1"'), always(STATE), always(*answer("two")))
    async with engine_of(provider) as engine:
        conversation = await begun(engine)
        seen, end = await play(engine, turn("second", conversation_id=conversation))
    assert isinstance(end, Complete)
    assert end.response == "two"
    assert states(provider)[1:] == [[None, '"s1"', None], [None, None, None]]
    assert said(seen) == [("ADJUSTED", "fake/m refused the reasoning in the history and was asked without it")]
    assert [each.code for each in end.attempts] == ["REASONING_STATE_INVALID", ""]


async def test_a_history_that_is_refused_again_is_given_up_or_the_next_models() -> None:
    for fallbacks in ((), ("b/m",)):
        provider = ScriptedProvider(thought("one", '"s1"'), always(STATE))
        beside = ScriptedProvider(always(*answer("from b")), name="b")
        async with engine_of(provider, beside) as engine:
            conversation = await begun(engine)
            seen, end = await play(engine, turn("second", conversation_id=conversation, fallback_models=fallbacks))
        assert len(provider.requests) == 3
        if fallbacks:
            assert isinstance(end, Complete)
            assert warnings(seen) == ["ADJUSTED", "FELL_BACK"]
        else:
            assert isinstance(end, Error)
            assert (end.code, warnings(seen)) == ("REASONING_STATE_INVALID", ["ADJUSTED"])


async def test_a_history_without_reasoning_is_not_sent_again_without_it() -> None:
    provider = ScriptedProvider(always(STATE))
    async with engine_of(provider) as engine:
        seen, end = await play(engine)
    assert isinstance(end, Error)
    assert (end.code, warnings(seen), len(provider.requests)) == ("REASONING_STATE_INVALID", [], 1)


async def test_the_callers_own_reasoning_is_left_out_of_a_refused_history_too() -> None:
    history = (
        Message("user", (TextPart("a"),)),
        Message("assistant", (TextPart("b"),), "because"),
        Message("user", (TextPart("c"),)),
    )
    provider = ScriptedProvider(always(STATE), always(*answer("two")))
    async with engine_of(provider) as engine:
        _, end = await play(engine, Turn(user_message=None, messages=history, request_id="req"))
    assert isinstance(end, Complete)
    assert [[each.reasoning for each in request.messages] for request in provider.requests] == [
        ["", "because", ""],
        ["", "", ""],
    ]


@pytest.mark.parametrize("order", [("a/m", "b/m"), ("b/m", "a/m")])
async def test_each_model_is_given_the_state_of_its_own_provider_alone(order: tuple[str, str]) -> None:
    """Two providers answered in turn, then both are asked: the first of them fails."""
    down = failing(ErrorReason.UPSTREAM_AUTH, status=401)
    last = [down if name == order[0] else always(*answer("three")) for name in ("a/m", "b/m")]
    a = ScriptedProvider(thought("one", '"of a"'), last[0], name="a")
    b = ScriptedProvider(thought("two", '"of b"'), last[1], name="b")
    async with engine_of(a, b) as engine:
        conversation = await begun(engine, model="a/m")
        await play(engine, turn("second", conversation_id=conversation, model="b/m"))
        asked = turn("third", conversation_id=conversation, model=order[0], fallback_models=(order[1],))
        _, end = await play(engine, asked)
        assert isinstance(end, Complete)
        assert states(a)[1] == [None, '"of a"', None, None, None]
        assert states(b)[1] == [None, None, None, '"of b"', None]
        # The store keeps all of it: the next turn may go back to either.
        history = await engine.store.history(T, conversation, page_size=10, page_token="")
        assert [stored.message.state for stored in history.items] == [
            None,
            ReasoningState("a", "m", '"of a"'),
            None,
            ReasoningState("b", "m", '"of b"'),
            None,
            None,
        ]


async def test_what_a_stored_answer_thought_aloud_is_given_to_no_model() -> None:
    provider = ScriptedProvider(thought("one", '"s1"'), always(*answer("two")))
    async with engine_of(provider) as engine:
        conversation = await begun(engine)
        for store in (False, True):
            await play(engine, turn("second", conversation_id=conversation, store=store))
    assert {message.reasoning for request in provider.requests for message in request.messages} == {""}
    assert states(provider)[1:] == [[None, '"s1"', None]] * 2
