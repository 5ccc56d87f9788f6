"""Every recorded stream, served by a real HTTP server in many cuts, out of `Chat` over a real gRPC socket."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import grpc
import pytest

from fakes.grammar import check_log
from fakes.provider import FakeProvider, Reply, cut
from fakes.rpc import Refused, collect, refused
from fakes.stubs import Stubs, stubs
from fakes.whole import whole_server
from recorded import FAILED, FINISH_CONTRADICTS, INLINE_TAGS, NO_FINISH, Recorded, digest, each_stream, needs_recorded
from thinkaloud.v1 import chat_service_pb2, event_pb2
from thinkaloud_server.engine.engine import Engine
from thinkaloud_server.rpc import wire

pytestmark = needs_recorded

RANDOM_CUTS = 3
LOG_BYTES_MAX = 64 * 1024 * 1024
EVERYTHING = wire.Audience.of(include_reasoning=True)


@dataclass(frozen=True)
class Told:
    """What one call of Chat told."""

    reasoning: str
    text: str
    calls: list[list[str]]
    end: event_pb2.ChatEvent
    status: Refused | None

    @property
    def joined(self) -> tuple[Any, ...]:
        """What must not depend on the cut."""
        end = self.end.complete
        usage = (end.usage.input_tokens, end.usage.output_tokens, end.usage.reasoning_tokens, end.usage.cached_tokens)
        error = (self.end.error.code, self.end.error.message, self.end.error.partial)
        return (self.reasoning, self.text, self.calls, end.finish_reason, usage, error)


@dataclass(frozen=True)
class House:
    """The server, its provider, and a caller."""

    engine: Engine
    provider: FakeProvider
    stubs: Stubs
    model: str

    async def chat(self, reply: Reply) -> Told:
        """Ask once; the events have been checked against the grammar and the log."""
        self.provider.answer(reply)
        request = chat_service_pb2.ChatRequest(text="go", model=self.model, include_reasoning=True)
        responses, error = await collect(self.stubs.chat.Chat(request))
        events = [response.event for response in responses if response.event.sequence]
        await self._check_log(events)
        await self.provider.wait_for(lambda provider: provider.busy_connections == 0)
        return Told(
            "".join(event.reasoning.token for event in events),
            "".join(event.token.token for event in events),
            [[event.tool_call.name, event.tool_call.arguments] for event in events if event.tool_call.done],
            events[-1],
            None if error is None else refused(error),
        )

    async def _check_log(self, events: Sequence[event_pb2.ChatEvent]) -> None:
        """The events are those of the log, each once and in order, and the log is a run."""
        logged = await self.engine.store.read_events("default", events[0].start.run_id, 0, LOG_BYTES_MAX)
        check_log(logged)
        in_log = [event_pb2.ChatEvent() for _ in logged]
        for target, entry in zip(in_log, logged, strict=True):
            wire.fill_event(target, entry, EVERYTHING)
        assert events == in_log


@pytest.fixture
async def house(stream: Recorded, tmp_path: Path) -> AsyncIterator[House]:
    """The provider is configured under its vendor's name, so that it is known for what it is."""
    vendor = stream.vendor().name
    async with FakeProvider() as provider:
        section = {
            "base_url": provider.base_url,
            "dialect": stream.dialect,
            "models": [stream.meta["model"]],
            "api_key": "sk-recorded",
        }
        async with (
            whole_server(tmp_path, {vendor: section}, store={"url": "memory://"}) as server,
            stubs(server.address) as caller,
        ):
            yield House(server.engine, provider, caller, f"{vendor}/{stream.meta['model']}")
        await provider.wait_for(lambda provider: provider.open_connections == 0)


def cuts_of(stream: Recorded) -> dict[str, tuple[bytes, ...]]:
    """The body whole, as it was read when it was recorded, and at random places."""
    cuts: dict[str, tuple[bytes, ...]] = {"whole": (stream.body,)}
    if sizes := stream.meta["chunk_sizes"]:
        cuts["recorded"] = cut(stream.body, sizes)
    for seed in range(RANDOM_CUTS):
        dice = Random(f"{stream.name} {seed}")
        places = sorted(dice.randrange(len(stream.body)) for _ in range(dice.randint(1, 60)))
        cuts[f"random {seed}"] = cut(stream.body, [b - a for a, b in zip([0, *places], places, strict=False)])
    return cuts


def said_on_the_wire(stream: Recorded) -> str:
    """The text of the answer, read as simply as can be: for streams with tags inside it."""
    chunks = [json.loads(line[5:]) for line in stream.body.split(b"\n") if re.match(rb"data: *\{", line)]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", ()))


def check_said(stream: Recorded, told: Told) -> None:
    """Reasoning and text are the `observed` ones, or what stands inside and behind the tags."""
    if stream.name not in INLINE_TAGS:
        assert digest(told.reasoning) == stream.observed["reasoning_sha256"]
        assert digest(told.text) == stream.observed["text_sha256"]
        return
    said = said_on_the_wire(stream)
    assert digest(said) == stream.observed["text_sha256"]
    tag = INLINE_TAGS[stream.name]
    inside = re.fullmatch(rf"\s*<{tag}>\s*(.*?)\s*</{tag}>\s*(.*)", said, re.DOTALL)
    assert inside is not None
    assert (told.reasoning.strip(), told.text) == inside.groups()


def check_end(stream: Recorded, told: Told) -> None:
    """Finish and usage are the vendor's, or the failure is the one that the table names, as event and as status."""
    if stream.name in FAILED:
        reason, words = FAILED[stream.name]
        error = told.end.error
        assert (error.code, error.retryable, error.partial) == (reason.value, True, True)
        assert words in error.message
        assert told.status is not None
        assert (told.status.reason, told.status.code) == (reason.value, grpc.StatusCode.ABORTED)
        assert told.status.request_id == error.request_id
        return
    complete = told.end.complete
    assert told.status is None
    finish = stream.observed["finish"]
    assert complete.finish_reason == (finish[0] if finish else "stop")
    assert finish or stream.name in NO_FINISH
    assert len(set(finish)) <= 1 or stream.name in FINISH_CONTRADICTS
    assert (complete.usage.input_tokens, complete.usage.output_tokens) == (stream.usage or (0, 0))
    # Who asks for reasoning is shown it in place of an answer that never came.
    assert complete.response == (told.reasoning if complete.reasoning_only else told.text)
    assert complete.reasoning == told.reasoning
    assert [[call.name, call.arguments] for call in complete.tool_calls] == told.calls
    assert complete.reasoning_only == (bool(told.reasoning) and not told.text and not told.calls)


@each_stream
async def test_a_recorded_stream_comes_out_of_chat_alike_however_it_is_cut(stream: Recorded, house: House) -> None:
    told = {name: await house.chat(Reply(pieces)) for name, pieces in cuts_of(stream).items()}
    whole = told["whole"]
    check_said(stream, whole)
    check_end(stream, whole)
    assert whole.calls == stream.observed["tool_calls"]
    for name, each in told.items():
        assert each.joined == whole.joined, name
        assert (each.status is None) == (whole.status is None), name
    assert len(house.provider.requests) == len(told), "nothing was asked twice"


@each_stream
async def test_a_recorded_stream_that_is_cut_off_ends_with_an_error_and_keeps_what_was_said(
    stream: Recorded, house: House
) -> None:
    whole = await house.chat(Reply((stream.body,)))
    half = stream.body[: len(stream.body) // 2]
    told = await house.chat(Reply((half,), ending="cut"))
    error = told.end.error
    assert (error.code, error.retryable) == ("UPSTREAM_TRUNCATED", True)
    assert error.partial == bool(told.reasoning or told.text)
    assert told.status is not None
    assert (told.status.reason, told.status.request_id) == (error.code, error.request_id)
    assert whole.reasoning.startswith(told.reasoning)
    assert whole.text.startswith(told.text)
