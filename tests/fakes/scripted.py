"""A provider that says what a test tells it to, and counts who holds a stream of it open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from thinkaloud_server.core.delta import Delta, EndOfStream, Failure, Finish, ReasoningDelta, TextDelta, UsageReport
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.engine.ports import AttemptTrace, ThinkTags

Script = Callable[[ModelRequest], AsyncIterator[Sequence[Delta]]]


async def say(*deltas: Delta) -> AsyncIterator[Sequence[Delta]]:
    """One batch a delta."""
    for delta in deltas:
        yield [delta]


def answer(text: str, reasoning: str = "", usage: Usage | None = None) -> tuple[Delta, ...]:
    """The deltas of an ordinary answer, a word at a time."""
    thinks = tuple(ReasoningDelta(word) for word in _words(reasoning))
    says = tuple(TextDelta(word) for word in _words(text))
    return (*thinks, *says, Finish("stop", "stop"), UsageReport(usage or Usage(3, 5, 2, 0)), EndOfStream())


def _words(text: str) -> list[str]:
    return [word + " " for word in text.split(" ")[:-1]] + [text.split(" ")[-1]] if text else []


class ScriptedProvider:
    """Satisfies engine.ports.Provider. Scripts are taken in order; the last one serves ever after."""

    dialect = "scripted"
    base_url = ""
    lists_all = True
    tells_reasoning = False

    def __init__(self, *scripts: Script, name: str = "fake", models: Sequence[str] = ("m",)) -> None:
        self.name = name
        self.requests: list[ModelRequest] = []
        self.open = 0
        self.closed = asyncio.Event()
        self._scripts = list(scripts)
        self._models = models
        # What `known` and the listing tell, by name.
        self.table: dict[str, ModelInfo] = {}

    def known(self, model: str) -> ModelInfo:
        return self.table.get(model, ModelInfo(model, self.name))

    def think_tags(self, model: str) -> ThinkTags:
        return "auto"

    @asynccontextmanager
    async def stream(
        self, request: ModelRequest, *, request_id: str, trace: AttemptTrace
    ) -> AsyncIterator[AsyncIterator[Sequence[Delta]]]:
        self.requests.append(request)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        self.open += 1
        trace.sent = True
        trace.reasoning_sent = request.reasoning is not None and not request.plain
        try:
            yield script(request)
        finally:
            self.open -= 1
            self.closed.set()

    async def models(self) -> Sequence[ModelInfo]:
        return [self.known(model) for model in self._models]


class SilentListing(ScriptedProvider):
    """A provider whose listing does not answer."""

    lists_all = False

    async def models(self) -> Sequence[ModelInfo]:
        raise ChatError(ErrorReason.UPSTREAM_ERROR, "no listing here")


def failing(reason: ErrorReason, **fields: object) -> Script:
    """A script that fails before its first delta."""
    failure = Failure(reason, "the fake says no", **fields)  # type: ignore[arg-type]  # Failure's own fields
    return lambda request: say(failure)
