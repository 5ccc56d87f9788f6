"""Recorded streams replayed: by a real HTTP server, in any cut, out of `Chat` over a real gRPC socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from fakes.grammar import check_log
from fakes.provider import FakeProvider, Reply, cut
from fakes.rpc import Refused, collect, refused
from fakes.stubs import Stubs, stubs
from fakes.whole import whole_server
from recorded import Recorded
from thinkaloud.v1 import chat_service_pb2, event_pb2
from thinkaloud_server.engine.engine import Engine
from thinkaloud_server.rpc import wire

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

    async def chat(self, stream: Recorded, reply: Reply) -> Told:
        """Ask once; the events have been checked against the grammar and the log."""
        self.provider.answer(reply)
        request = chat_service_pb2.ChatRequest(text="go", model=model_id(stream), include_reasoning=True)
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


def model_id(stream: Recorded) -> str:
    """A provider is configured under its vendor's name, so that it is known for what it is."""
    return f"{stream.vendor().name}/{stream.meta['model'] or 'model'}"


@asynccontextmanager
async def replaying(streams: Iterable[Recorded], data_dir: Path) -> AsyncIterator[House]:
    """A server with the providers of these streams, which are of one dialect; no connection may be left at the end."""
    async with FakeProvider() as provider:
        sections: dict[str, dict[str, Any]] = {}
        for stream in streams:
            name, _, model = model_id(stream).partition("/")
            row = {"base_url": provider.base_url, "dialect": stream.dialect, "models": [], "api_key": "sk-recorded"}
            sections.setdefault(name, row)["models"].append(model)
        async with (
            whole_server(data_dir, sections, store={"url": "memory://"}) as server,
            stubs(server.address) as caller,
        ):
            yield House(server.engine, provider, caller)
        await provider.wait_for(lambda provider: provider.open_connections == 0)


def reply_of(stream: Recorded, pieces: Sequence[bytes], **more: Any) -> Reply:
    """The recorded answer, in these pieces."""
    return Reply(tuple(pieces), content_type=stream.meta["content_type"] or "text/event-stream", **more)


def cuts_of(stream: Recorded, *, random_cuts: int = 1) -> dict[str, tuple[bytes, ...]]:
    """The body whole, as it was read when it was recorded, and at random places."""
    cuts: dict[str, tuple[bytes, ...]] = {"whole": (stream.body,)}
    if sizes := stream.meta["chunk_sizes"]:
        cuts["recorded"] = cut(stream.body, sizes)
    for seed in range(random_cuts):
        dice = Random(f"{stream.name} {seed}")
        places = sorted(dice.randrange(len(stream.body)) for _ in range(dice.randint(1, 60)))
        cuts[f"random {seed}"] = cut(stream.body, [b - a for a, b in zip([0, *places], places, strict=False)])
    return cuts
