"""What runs cost, and that usage is kept however they end: through the gRPC socket, from a provider on loopback.

The provider is configured as "perplexity", so it is known by that name: it tells its usage with every chunk, and what
the request cost with the last; its prices are in the table of known models.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.failing import failed_chat
from fakes.provider import Ending, FakeProvider, Gate, Reply, json_reply
from fakes.stubs import Stubs, stubs
from fakes.whole import whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import conversation_service_pb2 as conversation_pb
from thinkaloud.v1 import model_service_pb2 as model_pb
from thinkaloud.v1 import run_service_pb2 as run_pb
from thinkaloud.v1 import system_service_pb2 as system_pb

WORDS = ("one", " two", " three", " four")
MODEL = "perplexity/sonar-reasoning-pro"
# Dollars a token, of that model.
READ, WRITTEN = 2e-6, 8e-6


def chunk(number: int, word: str, *, last: bool = False) -> bytes:
    """A chunk that says a word and counts all words so far, as this vendor does."""
    value: dict[str, Any] = {
        "id": "c",
        "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": "stop" if last else None}],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 10 * number,
            "total_tokens": 100 + 10 * number,
            "cost": {"input_tokens_cost": 0, "total_cost": 0.0125 if last else 0},
        },
    }
    return f"data: {json.dumps(value)}\r\n\r\n".encode()


def reply(words: int, *, last: bool = False, ending: Ending = "end", hold: Gate | None = None) -> Reply:
    pieces = tuple(
        chunk(number, word, last=last and number == words) for number, word in enumerate(WORDS[:words], start=1)
    )
    return Reply(pieces, ending=ending, hold=hold, hold_at=words)


@asynccontextmanager
async def asked(folder: Path, answer: Reply, name: str = "perplexity") -> AsyncIterator[Stubs]:
    async with FakeProvider(answer) as provider:
        section = {"base_url": provider.base_url, "models": ["sonar-reasoning-pro"]}
        async with whole_server(folder, {name: section}) as server, stubs(server.address) as caller:
            yield caller


async def kept(caller: Stubs, conversation_id: str) -> tuple[Any, Any]:
    """The stored answer and the totals."""
    history = await caller.conversations.GetHistory(conversation_pb.GetHistoryRequest(conversation_id=conversation_id))
    return history.messages[-1], await caller.system.GetTokenUsage(system_pb.GetTokenUsageRequest())


async def test_the_providers_own_word_on_the_cost_is_kept_everywhere(tmp_path: Path) -> None:
    async with asked(tmp_path, reply(4, last=True)) as caller:
        events = [each.event async for each in caller.chat.Chat(pb.ChatRequest(text="hi"))]
        usage = events[-1].complete.usage
        message, totals = await kept(caller, events[0].start.conversation_id)
        run = (await caller.runs.GetRun(run_pb.GetRunRequest(run_id=events[0].start.run_id))).run
    assert (usage.input_tokens, usage.output_tokens, usage.cost_usd) == (100, 40, 0.0125)
    assert message.usage == run.complete.usage == totals.last == usage
    assert totals.total.cost_usd == totals.models[MODEL].cost_usd == 0.0125


async def test_a_run_that_is_stopped_keeps_the_usage_so_far_and_its_cost(tmp_path: Path) -> None:
    gate = Gate()
    async with asked(tmp_path, reply(2, hold=gate)) as caller:
        start, seen = None, ""
        async for each in caller.chat.Chat(pb.ChatRequest(text="hi", detach=-1)):
            start = start or each.event.start
            seen += each.event.token.token
            if seen == "one two":
                await caller.runs.StopRun(run_pb.StopRunRequest(run_id=start.run_id))
        assert start is not None
        complete = each.event.complete
        message, totals = await kept(caller, start.conversation_id)
    assert (complete.finish_reason, complete.response) == ("stopped", "one two")
    usage = complete.usage
    assert (usage.input_tokens, usage.output_tokens) == (100, 20)
    assert usage.cost_usd == pytest.approx(100 * READ + 20 * WRITTEN)
    assert (message.partial, message.usage) == (True, usage)
    assert totals.total.cost_usd == usage.cost_usd


@pytest.mark.parametrize("ending", ["cut", "reset", "end"])
async def test_a_run_that_fails_keeps_the_usage_so_far_and_its_cost(tmp_path: Path, ending: Ending) -> None:
    async with asked(tmp_path, reply(3, ending=ending)) as caller:
        failed = await failed_chat(caller, pb.ChatRequest(text="hi"))
        message, totals = await kept(caller, failed.events[0].start.conversation_id)
    assert failed.error is not None
    assert failed.error.partial
    assert (message.text, message.partial) == ("one two three", True)
    assert (message.usage.input_tokens, message.usage.output_tokens) == (100, 30)
    assert message.usage.cost_usd == pytest.approx(100 * READ + 30 * WRITTEN)
    assert (totals.total.runs, totals.total.output) == (1, 30)
    assert totals.total.cost_usd == message.usage.cost_usd


async def test_where_no_price_is_known_the_cost_is_absent(tmp_path: Path) -> None:
    async with asked(tmp_path, reply(2, ending="cut"), name="somebody") as caller:
        failed = await failed_chat(caller, pb.ChatRequest(text="hi"))
        message, totals = await kept(caller, failed.events[0].start.conversation_id)
    assert (message.usage.output_tokens, message.usage.HasField("cost_usd")) == (20, False)
    assert not totals.total.HasField("cost_usd")


async def test_a_listing_that_cannot_be_had_still_shows_what_is_known(tmp_path: Path) -> None:
    async with asked(tmp_path, json_reply({"error": {"message": "no listing"}}, status=404)) as caller:
        found = await caller.models.ListModels(model_pb.ListModelsRequest(reasoning="any"))
    model = next(each for each in found.models if each.id == MODEL)
    assert (model.current, model.reasoning, model.context_length) == (True, "mandatory", 128_000)
    assert model.price.input == pytest.approx(READ)
    assert "demo/reasoner" in [each.id for each in found.models]
    assert [note.partition(":")[0] for note in found.notes] == ["perplexity"]
