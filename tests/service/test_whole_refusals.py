"""What providers refuse about reasoning, on the whole server: what callers are told, and what is asked next.

The bodies are those of tests/vectors/errors/reasoning.jsonl, whichever dialect they are of: errors are read alike.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.chat_wire import chat_reply, error_reply
from fakes.provider import FakeProvider, Reply, Request, json_reply
from fakes.whole import whole_server
from thinkaloud import Client, Complete, Event, Start, Warning

VECTORS = Path(__file__).parents[1] / "vectors" / "errors" / "reasoning.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().rstrip("\n").split("\n")]
MODEL = "openrouter/m"
OK = chat_reply("it is 391")
THOUGHT = chat_reply("it is 391", reasoning="17 times 23", usage=(10, 5, 3))


@asynccontextmanager
async def served(data_dir: Path) -> AsyncIterator[tuple[FakeProvider, FakeProvider, Client]]:
    """Two providers, "openrouter" and "beside"."""
    async with FakeProvider() as provider, FakeProvider(OK) as beside:
        sections = {
            "openrouter": {"base_url": provider.base_url, "models": ["m"]},
            "beside": {"base_url": beside.base_url, "models": ["m"]},
        }
        async with whole_server(data_dir, sections) as server, Client(server.address) as client:
            yield provider, beside, client


async def told(client: Client, **options: Any) -> tuple[list[Event], Complete]:
    """The events of one turn that completes."""
    async with client.stream("what is 17*23?", model=MODEL, include_reasoning=True, **options) as stream:
        events = [event async for event in stream]
    assert isinstance(events[0], Start)
    assert isinstance(events[-1], Complete), events[-1]
    return events, events[-1]


def codes(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, Warning)]


async def test_a_dropped_control_is_told_as_a_warning_and_as_reasoning_that_was_not_used(tmp_path: Path) -> None:
    async with served(tmp_path) as (provider, _, client):
        provider.answer(error_reply(400, "Reasoning is not supported"), OK)
        events, complete = await told(client, reasoning="high")
        (warning,) = [event for event in events if isinstance(event, Warning)]
        assert warning.code == "REASONING_DROPPED"
        assert warning.sequence > 1, "it is of the run, so it is numbered and in the log"
        assert (complete.reasoning_used, complete.reasoning, complete.usage.reasoning_tokens) == (False, "", 0)
        assert [(each.model, each.code, each.status, each.reasoning) for each in complete.attempts] == [
            ("openrouter/m", "VALIDATION_FAILED", 400, True),
            ("openrouter/m", "", 200, False),
        ]
        async with client.watch(complete.run_id, include_reasoning=True) as again:
            assert [event async for event in again] == events


async def test_a_model_that_thinks_unasked_used_reasoning_whatever_was_dropped(tmp_path: Path) -> None:
    async with served(tmp_path) as (provider, _, client):
        provider.answer(error_reply(400, "Reasoning is mandatory for this endpoint and cannot be disabled."), THOUGHT)
        events, complete = await told(client, reasoning="none")
        assert codes(events) == ["REASONING_DROPPED"]
        assert (complete.reasoning_used, complete.reasoning) == (True, "17 times 23")
        assert "reasoning" not in provider.requests[-1].json


async def test_the_way_to_the_answer_is_told_in_order(tmp_path: Path) -> None:
    async with served(tmp_path) as (provider, beside, client):
        levels = error_reply(400, "This model does not support effort level 'high'. Supported levels: low.")
        provider.answer(levels, error_reply(400, "Unsupported parameter: reasoning"), error_reply(401, "who are you?"))
        events, complete = await told(client, reasoning="high", fallback_models=["beside/m"])
        assert codes(events) == ["ADJUSTED", "REASONING_DROPPED", "FELL_BACK"]
        assert [(each.provider, each.code, each.reasoning) for each in complete.attempts] == [
            ("openrouter", "VALIDATION_FAILED", True),
            ("openrouter", "VALIDATION_FAILED", True),
            ("openrouter", "UPSTREAM_AUTH", False),
            ("beside", "", True),
        ]
        assert [request.json.get("reasoning") for request in provider.requests] == [
            {"effort": "high"},
            {"effort": "low"},
            None,
        ]
        assert beside.requests[-1].json["reasoning_effort"] == "high"
        assert (complete.model, complete.response) == ("beside/m", "it is 391")


def refusal(case: dict[str, Any]) -> Reply:
    body = case["body"]
    return json_reply(body if not isinstance(body, str) else {"error": body}, status=case["status"])


async def test_every_refused_control_is_asked_for_otherwise_and_then_not_at_all(tmp_path: Path) -> None:
    refused = [case for case in CASES if case["meaning"] == "refused"]
    assert len(refused) >= 50
    async with served(tmp_path) as (provider, _, client):
        for case in refused:
            before = len(provider.requests)
            times = 2 if case.get("efforts") else 1
            provider.answer(*[refusal(case)] * times, OK)
            events, complete = await told(client, reasoning="medium")
            assert codes(events)[-1] == "REASONING_DROPPED", case
            controls = [request.json.get("reasoning") for request in provider.requests[before:]]
            assert controls[0] == {"effort": "medium"}
            assert controls[-1] is None
            assert len(controls) == times + 1, case
            assert (complete.response, complete.reasoning_used) == ("it is 391", False)


async def test_every_refused_history_is_asked_for_once_more_without_its_reasoning(tmp_path: Path) -> None:
    refused = [case for case in CASES if case["meaning"] == "state"]
    assert len(refused) >= 20
    detail = {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "x", "index": 0}
    chunk = {"choices": [{"index": 0, "delta": {"reasoning_details": [detail]}}]}
    signed = Reply((OK.pieces[0], b"data: " + json.dumps(chunk).encode() + b"\n\n", *OK.pieces[1:]))
    async with served(tmp_path) as (provider, _, client):
        for case in refused:
            before = len(provider.requests)
            provider.answer(signed, refusal(case), OK)
            _, first = await told(client)
            events, complete = await told(client, conversation_id=first.conversation_id)
            assert codes(events) == ["ADJUSTED"], case
            assert complete.response == "it is 391"
            sent = [request.body.decode().count("reasoning_details") for request in provider.requests[before:]]
            assert sent == [0, 1, 0]


def asked(provider: FakeProvider) -> list[Request]:
    """Without the listings, which an unknown model brings about."""
    return [request for request in provider.requests if request.method == "POST"]


@pytest.mark.parametrize("reasoning", [None, "high"])
async def test_other_refusals_are_the_callers_to_hear(tmp_path: Path, reasoning: Any) -> None:
    async with served(tmp_path) as (provider, _, client):
        for case in CASES:
            if case["meaning"] != "neither" or case["status"] not in (400, 404, 422):
                continue
            before = len(asked(provider))
            provider.answer(refusal(case), OK)
            async with client.stream("hi", model=MODEL, reasoning=reasoning) as stream:
                events = [event async for event in stream]
            assert not isinstance(events[-1], Complete), case
            assert codes(events) == []
            assert len(asked(provider)) == before + 1
