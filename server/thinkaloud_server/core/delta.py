"""Deltas: what a provider said, normalised. Every dialect decodes to these and nothing else.

    stream := (ResponseInfo | TextDelta | ReasoningDelta | RefusalDelta | ToolCallDelta | StateDelta
               | UsageReport | Finish)* (EndOfStream | Failure)

`Finish` comes at most once, when the provider first says why it stops; usage may follow it. `EndOfStream` or
`Failure` comes exactly once and last: at the format's own end mark, or from the decoder's `end()` when the bytes
ran out. Bytes that run out before the provider said that it is done are a Failure (UPSTREAM_TRUNCATED).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.usage import Usage

ReasoningKind = Literal["raw", "summary", "plan"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class ResponseInfo:
    """The provider began to answer. Empty strings where it does not say."""

    model: str = ""
    response_id: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Answer text; may still carry inline think tags. `part` is the provider's own number of the part."""

    text: str
    part: int = 0


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """Readable reasoning that the provider keeps apart from the answer."""

    text: str
    kind: ReasoningKind = "raw"
    part: int = 0


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """Text of a refusal that the provider keeps apart from the answer; shown as answer text."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A fragment of a tool call. Fragments with one `index` are one call; id and name come when known."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class StateDelta:
    """The whole opaque reasoning state of this answer, as JSON text; the last one wins."""

    payload: str

    def __repr__(self) -> str:
        return f"StateDelta({len(self.payload)} characters)"


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Token counts so far; the last report wins."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finish:
    """Why the model stopped; `native` is the provider's own word."""

    reason: FinishReason
    native: str = ""


@dataclass(frozen=True, slots=True)
class EndOfStream:
    """The provider is done."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The provider, or the way to it, failed: before its stream (status >= 400) or in it.

    `message` is fit for the caller: no key, no host. `reasoning_refused` marks the refusal of a reasoning control
    (formats: retry once with every reasoning field left out). `unprocessed` is the provider's word, or a
    connection's proof, that the request was not worked on and may be sent again. `efforts` are the words that a
    refusal of an effort says it would take.
    """

    reason: ErrorReason
    message: str
    status: int = 0
    retry_after_s: float | None = None
    reasoning_refused: bool = False
    unprocessed: bool = False
    efforts: tuple[str, ...] = ()


Delta = (
    ResponseInfo
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | ToolCallDelta
    | StateDelta
    | UsageReport
    | Finish
    | EndOfStream
    | Failure
)


def joined(deltas: Sequence[Delta]) -> list[tuple[Delta, int]]:
    """The same in fewer: neighbours that go on with one text are one. With each, how many it was.

    What may be of a think tag stands alone, for what follows it may be of another kind.
    """
    if len(deltas) < 2:
        return [(delta, 1) for delta in deltas]
    found: list[tuple[Delta, int]] = []
    texts: list[str] = []
    last: object = None
    for delta in deltas:
        place: object = None
        text = ""
        # Not by `match`, which takes four times as long, for each piece of an answer.
        if type(delta) is TextDelta:
            text, place = delta.text, delta.part
        elif type(delta) is ReasoningDelta:
            text, place = delta.text, (delta.kind, delta.part)
        if "<" in text:
            place = None
        if place is not None and place == last:
            texts.append(text)
            continue
        _close(found, texts)
        found.append((delta, 1))
        texts = [text]
        last = place
    _close(found, texts)
    return found


def _close(found: list[tuple[Delta, int]], texts: list[str]) -> None:
    """Give the last one the texts that were found to go on with it."""
    if len(texts) > 1:
        first = found[-1][0]
        assert isinstance(first, TextDelta | ReasoningDelta)
        found[-1] = replace(first, text="".join(texts)), len(texts)


class StreamDecoder(Protocol):
    """Eats the bytes of one answer. Cutting them elsewhere never changes the joined deltas."""

    def feed(self, data: bytes) -> Sequence[Delta]:
        """The deltas that these bytes complete. Nothing more comes after EndOfStream or Failure."""

    def end(self) -> Sequence[Delta]:
        """The bytes ran out: what was held back, and EndOfStream or Failure if neither came yet."""
