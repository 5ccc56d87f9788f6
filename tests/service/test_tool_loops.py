"""A conversation with tools, on the whole server, with providers that refuse one that lacks what they want back.

One row of `ROWS` a format. The caller sees neither signatures nor how they are kept: it answers the
calls that it is told of, in the conversation that it is told of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.provider import FakeProvider, Request
from fakes.tool_loop_gemini import GEMINI
from fakes.tool_loop_responses import RESPONSES
from fakes.tool_loops import ANSWER, LOOPS, ROUNDS, Loop, thought
from fakes.whole import whole_server
from thinkaloud import Client, InvalidRequestError, Result, Tool, ToolResult, UpstreamError
from thinkaloud.v1 import message_pb2

LOOK = Tool("look", "Looks a number up.", {"type": "object", "properties": {"n": {"type": "integer"}}})

ROWS = (*LOOPS, RESPONSES, GEMINI)
every_loop = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.dialect}-{row.vendor}")


@asynccontextmanager
async def served(row: Loop, data_dir: Path, provider: FakeProvider) -> AsyncIterator[Client]:
    section = {"base_url": provider.base_url, "dialect": row.dialect, "models": [row.model]}
    async with whole_server(data_dir, {row.vendor: section}) as server, Client(server.address) as client:
        yield client


async def asked(client: Client, row: Loop, text: str = "", **more: Any) -> Result:
    return await client.chat(text, model=f"{row.vendor}/{row.model}", tools=[LOOK], reasoning="high", **more)


def results_for(result: Result) -> list[ToolResult]:
    """What the caller's tool answers: to one of the calls, that it failed."""
    return [ToolResult(call.id, f"17 for {call.id}", is_error=call.id == "call_b") for call in result.tool_calls]


async def looped(client: Client, row: Loop, text: str, **more: Any) -> list[Result]:
    """Ask, and answer calls until the model answers."""
    results = [await asked(client, row, text, **more)]
    while results[-1].tool_calls:
        more["conversation_id"] = results[-1].conversation_id
        results.append(await asked(client, row, tool_results=results_for(results[-1]), **more))
    return results


def asked_of(provider: FakeProvider) -> list[Request]:
    """Without listings."""
    return [request for request in provider.requests if request.method == "POST"]


def fresh(row: Loop) -> Loop:
    return replace(row, refused=[])


@every_loop
async def test_tools_are_called_twice_and_the_answer_comes(row: Loop, tmp_path: Path) -> None:
    row = fresh(row)
    async with FakeProvider(script=row) as provider, served(row, tmp_path, provider) as client:
        results = await looped(client, row, "what is it?", include_reasoning=True)
        assert row.refused == []
        assert len(asked_of(provider)) == len(results) == len(ROUNDS)
        assert [tuple(call.id for call in each.tool_calls) for each in results] == list(ROUNDS)
        assert [each.reasoning for each in results] == [thought(number) for number in range(len(ROUNDS))]
        assert results[-1].response == ANSWER
        assert all(each.reasoning_used and not each.warnings and len(each.attempts) == 1 for each in results)
        history = await client.conversations.history(results[0].conversation_id, include_reasoning=True)
        assert [message.role for message in history] == [
            "user",
            *["assistant", "tool"] * (len(ROUNDS) - 1),
            "assistant",
        ]
        given = [(part.tool_result.id, part.tool_result.is_error) for part in history.items[2].parts]
        assert given == [("call_a", False), ("call_b", True)]
        # What only the provider can read is shown to nobody.
        assert not [secret for secret in row.secrets if secret in f"{results} {list(history)}"]


@every_loop
async def test_the_conversation_goes_on_after_its_tools(row: Loop, tmp_path: Path) -> None:
    row = fresh(row)
    async with FakeProvider(script=row) as provider, served(row, tmp_path, provider) as client:
        conversation = (await looped(client, row, "what is it?"))[-1].conversation_id
        again = await looped(client, row, "and once more?", conversation_id=conversation)
        assert (again[-1].response, len(again), row.refused) == (ANSWER, len(ROUNDS), [])


@every_loop
async def test_the_state_outlives_the_server(row: Loop, tmp_path: Path) -> None:
    row = fresh(row)
    async with FakeProvider(script=row) as provider:
        async with served(row, tmp_path, provider) as client:
            result = await asked(client, row, "what is it?")
        while result.tool_calls:
            async with served(row, tmp_path, provider) as client:
                conversation = result.conversation_id
                result = await asked(client, row, conversation_id=conversation, tool_results=results_for(result))
        assert (result.response, row.refused) == (ANSWER, [])


@every_loop
async def test_results_that_are_missing_or_unknown_never_reach_the_provider(row: Loop, tmp_path: Path) -> None:
    async with FakeProvider(script=fresh(row)) as provider, served(row, tmp_path, provider) as client:
        first = await asked(client, row, "what is it?")
        for given, named in (({"call_a": "1"}, "call_b"), ({"call_a": "1", "call_b": "2", "call_z": "3"}, "call_z")):
            with pytest.raises(InvalidRequestError, match=named) as caught:
                await asked(client, row, conversation_id=first.conversation_id, tool_results=given)
            assert caught.value.code == "VALIDATION_FAILED"
        assert len(asked_of(provider)) == 1


def spoilings() -> list[Any]:
    return [pytest.param(row, how, id=f"{row.vendor}-{how}") for row in ROWS for how in row.spoilt]


@pytest.mark.parametrize(("row", "how"), spoilings())
async def test_the_provider_of_these_tests_refuses_what_the_real_one_refuses(
    row: Loop, how: str, tmp_path: Path
) -> None:
    """The last good request, broken: what the tests above rest upon."""
    row = fresh(row)
    async with FakeProvider(script=row) as provider:
        async with served(row, tmp_path, provider) as client:
            await looped(client, row, "what is it?")
        good = asked_of(provider)[-1]
        assert row.refusal(good.json) is None
        refusal = row.refusal(row.spoil(how, good.json))
        assert refusal is not None
        assert refusal.status == 400


OWN_CALL = message_pb2.Part(tool_call=message_pb2.ToolCall(id="call_c", name="look", arguments="{}"))
OWN_RESULT = message_pb2.Part(tool_result=message_pb2.ToolResult(id="call_c", result="17"))


def own_history(*thoughts: str) -> list[Any]:
    called = [*(message_pb2.Part(reasoning=each) for each in thoughts), OWN_CALL]
    return [
        {"role": "user", "content": "what is it?"},
        message_pb2.InputMessage(role="assistant", parts=called),
        message_pb2.InputMessage(role="tool", parts=[OWN_RESULT]),
    ]


@every_loop
async def test_a_history_of_the_callers_own_gives_back_the_text_of_thoughts_where_that_is_enough(
    row: Loop, tmp_path: Path
) -> None:
    row = fresh(row)
    async with FakeProvider(script=row) as provider, served(row, tmp_path, provider) as client:
        if row.secrets:  # what is signed cannot be given back by a caller, who has never seen it
            with pytest.raises(UpstreamError) as caught:
                await asked(client, row, messages=own_history(thought(0)))
            assert caught.value.code == "REASONING_STATE_INVALID"
            return
        result = await asked(client, row, messages=own_history(thought(0)))
        assert result.tool_calls
        assert row.refused == []
        with pytest.raises(UpstreamError) as caught:
            await asked(client, row, messages=own_history())
        assert caught.value.code == "REASONING_STATE_INVALID"
