"""Reasoning is shown to those who asked and to nobody else, on the wire; and it is stored whoever asked.

A canary thinks in the provider's stream, and is looked for in every byte that the server sends to its caller.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from fakes.chat_wire import chat_frames, chat_reply
from fakes.cutting_proxy import CuttingProxy
from fakes.provider import FakeProvider, Gate, Reply
from fakes.stubs import Stubs, stubs
from fakes.whole import whole_server
from thinkaloud.v1 import chat_service_pb2 as chat_pb
from thinkaloud.v1 import conversation_service_pb2 as conversation_pb
from thinkaloud.v1 import run_service_pb2 as run_pb

CANARY = "canary-of-the-reasoning"
SIGNATURE = "canary-of-the-signature"
TEXT = "it is 391"
DETAIL = {"type": "reasoning.text", "text": CANARY, "signature": SIGNATURE, "format": "anthropic-claude-v1", "index": 0}


def details() -> Reply:
    """As OpenRouter sends what it also wants back: with the provider's signature."""
    frames = chat_frames(TEXT)
    choice = {"index": 0, "delta": {"reasoning_details": [DETAIL]}}
    return Reply((frames[0], b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n", *frames[1:]))


# How providers send what a model thinks, with an answer behind it.
SAID = {
    "reasoning_content": chat_reply(TEXT, reasoning=CANARY),
    "reasoning": Reply(tuple(chat_frames(TEXT, reasoning=CANARY, reasoning_field="reasoning"))),
    "details": details(),
    "tags": chat_reply(f"<think>{CANARY}</think>{TEXT}"),
    "tags-in-one-piece": Reply((b"".join(chat_frames(f"<think>{CANARY}</think>{TEXT}")),)),
}
ONLY = chat_reply("", reasoning=CANARY)
BROKEN = chat_reply(TEXT, reasoning=CANARY, finish=None, usage=None, done=False, ending="cut")

# Every method that answers with events, messages or results.
STREAMS = {"ChatService/Chat": chat_pb.ChatRequest, "RunService/WatchRun": run_pb.WatchRunRequest}
NEW_RUNS = ("ChatService/Chat", "ChatService/SendMessage", "ChatService/BatchChat")
OLD_RUNS = ("RunService/WatchRun", "RunService/GetRun", "RunService/StopRun")
HISTORY = "ConversationService/GetHistory"
METHODS = (*NEW_RUNS, *OLD_RUNS, HISTORY)


def chat(**fields: Any) -> chat_pb.ChatRequest:
    return chat_pb.ChatRequest(text="go", model="openrouter/m", **fields)


def request_of(method: str, start: Any, **wish: Any) -> Any:
    """The request of this method about the run that began so."""
    match method:
        case "ChatService/Chat":
            return chat(**wish)
        case "ChatService/SendMessage":
            return chat_pb.SendMessageRequest(request=chat(**wish))
        case "ChatService/BatchChat":
            return chat_pb.BatchChatRequest(requests=[chat(**wish), chat(**wish)])
        case "RunService/WatchRun":
            return run_pb.WatchRunRequest(run_id=start.run_id, **wish)
        case "RunService/GetRun":
            return run_pb.GetRunRequest(run_id=start.run_id, **wish)
        case "RunService/StopRun":
            return run_pb.StopRunRequest(run_id=start.run_id, **wish)
    return conversation_pb.GetHistoryRequest(conversation_id=start.conversation_id, **wish)


@dataclass(frozen=True)
class House:
    """The server, its provider, and two callers; what is sent to one of them is tapped on its socket."""

    provider: FakeProvider
    tapped: Stubs
    tap: bytearray
    beside: Stubs

    async def begin(self) -> Any:
        """A run that goes on without its caller, who asked for no reasoning; its `start`."""
        call = self.beside.chat.Chat(chat(detach=-1))
        start = (await call.read()).event.start
        call.cancel()
        return start

    async def run(self) -> Any:
        """The same, once the run has ended."""
        start = await self.begin()
        await self.told("RunService/WatchRun", request_of("RunService/WatchRun", start))
        return start

    async def told(self, method: str, request: Any) -> bytes:
        """Every byte that this call was told: of the socket, and once more as grpc read it, trailers included."""
        self.tap.clear()
        data = request.SerializeToString()
        got: list[bytes] = []
        path = f"/thinkaloud.v1.{method}"
        call = self.tapped.channel.unary_stream(path)(data) if method in STREAMS else None
        try:
            if call is not None:
                async for each in call:
                    got.append(each)  # noqa: PERF401 - what came before a failure counts
            else:
                call = self.tapped.channel.unary_unary(path)(data)
                got.append(await call)
        except grpc.aio.AioRpcError as error:
            got += [repr(error).encode(), *(repr(pair).encode() for pair in error.trailing_metadata())]
        assert self.tap, "nothing went through the tap"
        return b"".join(got) + bytes(self.tap)


@asynccontextmanager
async def housed(data_dir: Path, reply: Reply) -> AsyncIterator[House]:
    tap = bytearray()
    async with FakeProvider(reply) as provider:
        # The name of a vendor whose signatures are kept and sent back.
        section = {"base_url": provider.base_url, "models": ["m"]}
        async with (
            whole_server(data_dir, {"openrouter": section}) as server,
            CuttingProxy(server.address, tap=tap) as proxy,
            stubs(proxy.address) as tapped,
            stubs(server.address) as beside,
        ):
            yield House(provider, tapped, tap, beside)
        await provider.wait_for(lambda each: each.open_connections == 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("said", SAID)
async def test_reasoning_is_on_the_wire_of_those_who_asked_alone(tmp_path: Path, said: str, method: str) -> None:
    async with housed(tmp_path, SAID[said]) as house:
        start = await house.run()
        hidden = await house.told(method, request_of(method, start))
        assert TEXT.encode() in hidden
        assert CANARY.encode() not in hidden
        shown = await house.told(method, request_of(method, start, include_reasoning=True))
        assert CANARY.encode() in shown
        # What only the provider can read is nobody's.
        assert SIGNATURE.encode() not in hidden + shown


@pytest.mark.parametrize("method", OLD_RUNS)
async def test_a_live_run_shows_its_reasoning_to_those_who_asked_alone(tmp_path: Path, method: str) -> None:
    """Watched, looked at and stopped right after it thought; a stopped run's result is what was said until then."""
    for wish in ({}, {"include_reasoning": True}):
        gate = Gate()
        async with housed(tmp_path, chat_reply(TEXT, reasoning=CANARY, hold=gate, hold_at=3)) as house:
            start = await house.begin()
            await gate.reached.wait()
            if method == "RunService/WatchRun":
                gate.open()
            told = await house.told(method, request_of(method, start, **wish))
            # A run that has not ended has no result to look at.
            assert (CANARY.encode() in told) is (bool(wish) and method != "RunService/GetRun")
            assert start.run_id.encode() in told
            gate.open()
            await house.beside.runs.StopRun(run_pb.StopRunRequest(run_id=start.run_id))


@pytest.mark.parametrize("method", [each for each in METHODS if each != HISTORY])
async def test_an_answer_of_reasoning_alone_is_shown_as_the_response_under_the_fallback_alone(
    tmp_path: Path, method: str
) -> None:
    async with housed(tmp_path, ONLY) as house:
        start = await house.run()
        assert CANARY.encode() not in await house.told(method, request_of(method, start))
        for wish in ("reasoning_only_fallback", "include_reasoning"):
            assert CANARY.encode() in await house.told(method, request_of(method, start, **{wish: True}))


@pytest.mark.parametrize("method", METHODS)
async def test_a_run_that_broke_tells_nothing_of_what_it_thought(tmp_path: Path, method: str) -> None:
    async with housed(tmp_path, BROKEN) as house:
        start = await house.run()
        told = await house.told(method, request_of(method, start))
        assert CANARY.encode() not in told
        assert b"UPSTREAM_TRUNCATED" in told or method == HISTORY


@pytest.mark.parametrize("reply", [*SAID.values(), ONLY, BROKEN], ids=[*SAID, "only", "broken"])
async def test_reasoning_is_stored_whether_or_not_somebody_asked(tmp_path: Path, reply: Reply) -> None:
    async with housed(tmp_path, reply) as house:
        start = await house.begin()
        request = run_pb.WatchRunRequest(run_id=start.run_id, include_reasoning=True)
        events = []
        try:
            async for response in house.beside.runs.WatchRun(request):
                events.append(response.event)  # noqa: PERF401 - what came before a failure counts
        except grpc.aio.AioRpcError:
            assert reply is BROKEN
        assert "".join(event.reasoning.token for event in events) == CANARY
        asked = conversation_pb.GetHistoryRequest(conversation_id=start.conversation_id, include_reasoning=True)
        answer = (await house.beside.conversations.GetHistory(asked)).messages[-1]
        assert (answer.role, answer.reasoning, answer.partial) == ("assistant", CANARY, reply is BROKEN)
        assert answer.text == ("" if reply is ONLY else TEXT)


async def test_a_key_that_is_used_again_shows_each_caller_what_that_caller_asked_for(tmp_path: Path) -> None:
    async with housed(tmp_path, SAID["reasoning_content"]) as house:
        for wish in (False, True, False):
            request = chat(idempotency_key="one", include_reasoning=wish)
            assert (CANARY.encode() in await house.told("ChatService/Chat", request)) is wish
        assert len(house.provider.requests) == 1


async def test_the_next_turn_sends_the_signature_back_and_still_shows_it_to_nobody(tmp_path: Path) -> None:
    async with housed(tmp_path, SAID["details"]) as house:
        start = await house.run()
        request = chat(conversation_id=start.conversation_id, include_reasoning=True)
        assert SIGNATURE.encode() not in await house.told("ChatService/Chat", request)
        assert SIGNATURE in house.provider.requests[-1].body.decode()


async def test_the_log_has_no_word_of_reasoning_question_or_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with housed(tmp_path, SAID["reasoning_content"]) as house:
            start = await house.run()
            await house.told("RunService/WatchRun", request_of("RunService/WatchRun", start, include_reasoning=True))
    records = "\n".join(repr(vars(record)) for record in caplog.records if record.name.startswith("thinkaloud"))
    assert "rpc_completed" in records
    for word in (CANARY, TEXT, SIGNATURE):
        assert word not in records
