"""What an answer is made of before it is written down in any dialect: steps, and the blocks that they come in.

    steps  := (text | reasoning | tool call | signature | pause | usage)* (finish | failure)?
    events := (Pause | Opened | Said* | Signed | Closed)* (Done | Failed)

A block is a run of steps of one kind. Fragments of one tool call come together; of two calls they are not mixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.demo.step import Pause

Kind = Literal["reasoning", "text", "call"]


@dataclass(frozen=True, slots=True)
class Signature:
    """The vendor's seal on the reasoning before it: opaque, to be sent back."""

    text: str


Step = Delta | Pause | Signature


@dataclass(slots=True)
class Block:
    """A run of one kind. `index` counts all blocks, `number` those of its kind (content and calls apart)."""

    index: int
    kind: Kind
    number: int
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    signature: str = ""

    @property
    def text(self) -> str:
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Opened:
    block: Block


@dataclass(frozen=True, slots=True)
class Said:
    block: Block
    text: str


@dataclass(frozen=True, slots=True)
class Signed:
    block: Block
    text: str


@dataclass(frozen=True, slots=True)
class Closed:
    block: Block


@dataclass(frozen=True, slots=True)
class Done:
    """The end, and everything that was said before it."""

    finish: Finish
    usage: Usage
    blocks: tuple[Block, ...]

    def text(self, kind: Kind) -> str:
        return "".join(block.text for block in self.blocks if block.kind == kind)

    @property
    def calls(self) -> list[Block]:
        return [block for block in self.blocks if block.kind == "call"]

    @property
    def signature(self) -> str:
        return next((block.signature for block in self.blocks if block.signature), "")


@dataclass(frozen=True, slots=True)
class Failed:
    failure: Failure


Event = Pause | Opened | Said | Signed | Closed | Done | Failed


class _Blocks:
    """The blocks so far; at most one is open."""

    def __init__(self) -> None:
        self.all: list[Block] = []
        self.open: Block | None = None
        self._call_index = -1

    def close(self) -> Iterator[Event]:
        if self.open is not None:
            yield Closed(self.open)
        self.open = None

    def take(self, step: TextDelta | RefusalDelta | ReasoningDelta | ToolCallDelta | Signature) -> Iterator[Event]:
        match step:
            case ToolCallDelta(index=index):
                if self.open is None or self.open.kind != "call" or index != self._call_index:
                    self._call_index = index
                    number = sum(block.kind == "call" for block in self.all)
                    yield from self._begin("call", step.id or f"call_{number}", step.name)
                yield from self._say(step.arguments)
            case Signature(text=text):
                yield from self._turn_to("reasoning")
                assert self.open is not None
                self.open.signature += text
                yield Signed(self.open, text)
            case ReasoningDelta(text=text):
                yield from self._turn_to("reasoning")
                yield from self._say(text)
            case TextDelta(text=text) | RefusalDelta(text=text):
                yield from self._turn_to("text")
                yield from self._say(text)

    def _turn_to(self, kind: Kind) -> Iterator[Event]:
        if self.open is None or self.open.kind != kind:
            yield from self._begin(kind)

    def _begin(self, kind: Kind, call_id: str = "", name: str = "") -> Iterator[Event]:
        yield from self.close()
        number = sum((block.kind == "call") == (kind == "call") for block in self.all)
        self.open = Block(len(self.all), kind, number, call_id, name)
        self.all.append(self.open)
        yield Opened(self.open)

    def _say(self, text: str) -> Iterator[Event]:
        assert self.open is not None
        if text:
            self.open.pieces.append(text)
            yield Said(self.open, text)


def events(steps: Iterable[Step]) -> Iterator[Event]:
    """The steps as blocks that open and close, to their end; one that nobody wrote is "stop"."""
    blocks = _Blocks()
    finish: Finish | None = None
    usage = Usage()
    for step in steps:
        match step:
            case Pause():
                yield step
            case Failure():
                yield Failed(step)
                return
            case Finish():
                finish = finish or step
            case UsageReport(usage=counted):
                usage = counted
            case TextDelta() | RefusalDelta() | ReasoningDelta() | ToolCallDelta() | Signature():
                yield from blocks.take(step)
            case EndOfStream():
                break
            case _:  # what a vendor's own state is, only a dialect knows
                continue
    yield from blocks.close()
    called = any(block.kind == "call" for block in blocks.all)
    yield Done(finish or Finish("tool_calls" if called else "stop"), usage, tuple(blocks.all))
