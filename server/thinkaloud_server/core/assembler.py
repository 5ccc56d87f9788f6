"""The assembler: deltas of one answer in, events and the whole answer out. It knows what the stream means.

    deltas of one model request  ->  (reasoning | token | tool_call)*  and an Answer

Parts of text and reasoning are numbered together from 0 in order of beginning. A part begins when what is said
changes (text, refusal, or a kind of reasoning) or when the provider begins another part of its own.

What clients join is what the Answer holds: the `token`s are its `text`, the `reasoning` tokens its `reasoning`, and
the `arguments_delta`s of a call its `arguments`. Therefore the empty line between two parts of a summary is sent,
at the start of the later one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    ResponseInfo,
    StateDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.event import Event, Reasoning, Token
from thinkaloud_server.core.message import ToolCall
from thinkaloud_server.core.think import Piece, ThinkMode, ThinkSplitter
from thinkaloud_server.core.toolcall import ToolCallAssembler
from thinkaloud_server.core.usage import Usage

_SMALL_PIECES_MAX = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, so far or in whole.

    `finish` is None when the provider has not said why it stopped. `text` includes `refusal`. `orphan_close` says
    that a closing think tag without a block was dropped from the text: reasoning probably stands before it.
    `ended` is True once EndOfStream or Failure has come.
    """

    text: str
    reasoning: str
    tool_calls: tuple[ToolCall, ...]
    usage: Usage
    finish: FinishReason | None
    native_finish: str
    state_payload: str
    refusal: str
    response_model: str
    orphan_close: bool
    failure: Failure | None
    ended: bool

    @property
    def reasoning_used(self) -> bool:
        """Whether the model reasoned: readably, opaquely, or only by its token count."""
        return bool(self.reasoning or self.state_payload or self.usage.reasoning_tokens)

    @property
    def empty(self) -> bool:
        """Whether the provider finished well and the answer holds nothing at all, not even hidden reasoning."""
        finished_well = self.ended and self.failure is None and self.finish in ("stop", None)
        return finished_well and not (self.text or self.refusal or self.tool_calls or self.reasoning_used)


class _Gathered:
    """Text that comes in many small pieces: kept in fewer, larger ones, since each string has a head of 49 bytes."""

    __slots__ = ("_large", "_small", "last")

    def __init__(self) -> None:
        self.last = ""
        self._large: list[str] = []
        self._small: list[str] = []

    def add(self, piece: str) -> None:
        self.last = piece
        self._small.append(piece)
        if len(self._small) == _SMALL_PIECES_MAX:
            self._large.append("".join(self._small))
            self._small.clear()

    def joined(self) -> str:
        return "".join(self._large) + "".join(self._small)


class Assembler:
    """Feed it the deltas of one model request; then call `end` and read `answer`.

    After EndOfStream or Failure nothing counts any more. Calls are closed by `end` alone, and only when the provider
    said that it was done: arguments that a failure cut off must never look whole, so such calls get no `done` event
    and are not in the answer.
    """

    def __init__(self, *, think_tags: ThinkMode = "auto") -> None:
        self._splitter = ThinkSplitter(think_tags)
        self._calls = ToolCallAssembler()
        self._text = _Gathered()
        self._reasoning = _Gathered()
        self._refusal: list[str] = []
        # The part that is being written: what it is, the provider's number of it, and ours.
        self._said = ""
        self._provider_part = 0
        self._index = -1
        self._text_part = 0
        self._summary_part: int | None = None
        self._native = False
        self._usage = Usage()
        self._finish: FinishReason | None = None
        self._native_finish = ""
        self._state_payload = ""
        self._response_model = ""
        self._failure: Failure | None = None
        self._ended = False
        self._closed_calls: tuple[ToolCall, ...] = ()

    def feed(self, delta: Delta) -> list[Event]:
        """The events that this delta makes certain."""
        if self._ended:
            return []
        match delta:
            case TextDelta():
                return self._feed_text(delta)
            case ReasoningDelta():
                return self._feed_reasoning(delta)
            case RefusalDelta():
                return self._feed_refusal(delta)
            case ToolCallDelta():
                return [*self._split(self._splitter.implicit_close()), *self._calls.feed(delta)]
            case StateDelta():
                self._state_payload = delta.payload
            case UsageReport():
                self._usage = delta.usage
            case Finish():
                if self._finish is None:
                    self._finish, self._native_finish = delta.reason, delta.native
            case ResponseInfo():
                self._response_model = delta.model or self._response_model
            case Failure():
                self._failure, self._ended = delta, True
            case EndOfStream():
                self._ended = True
            case _:
                assert_never(delta)
        return []

    def end(self) -> list[Event]:
        """Nothing more will come, for whatever reason: what was held back, and the ends of the calls."""
        events = self._split(self._splitter.end())
        done = self._failure is None and (self._ended or self._finish is not None)
        if done and not self._closed_calls:
            events += self._calls.end(cut_off=self._finish in ("length", "content_filter"))
            self._closed_calls = self._calls.closed
        return events

    @property
    def answer(self) -> Answer:
        """What was answered; complete after `end`. Joins all text: read it once."""
        finish = self._finish
        if self._closed_calls and finish in ("stop", None):
            # Gemini and others say "stop" when it is the caller's turn.
            finish = "tool_calls"
        return Answer(
            text=self._text.joined(),
            reasoning=self._reasoning.joined(),
            tool_calls=self._closed_calls,
            usage=self._usage,
            finish=finish,
            native_finish=self._native_finish,
            state_payload=self._state_payload,
            refusal="".join(self._refusal),
            response_model=self._response_model,
            orphan_close=self._splitter.orphan_close,
            failure=self._failure,
            ended=self._ended,
        )

    def _feed_text(self, delta: TextDelta) -> list[Event]:
        text = delta.text
        part = delta.part
        if not text:
            return []
        if not self._splitter.pass_through(text):
            return self._split(self._splitter.feed(text), part)
        if self._said != "text" or self._provider_part != part:
            self._begin("text", part)
        self._text.add(text)
        return [Token(text, self._index)]

    def _feed_reasoning(self, delta: ReasoningDelta) -> list[Event]:
        text = delta.text
        kind = delta.kind
        part = delta.part
        if not text:
            return []
        events: list[Event] = []
        if not self._native:
            self._native = True
            events = self._split(self._splitter.native_reasoning())
        if self._said != kind or self._provider_part != part:
            self._begin(kind, part)
            if kind == "summary":
                text = self._paragraph(text, part)
        self._reasoning.add(text)
        events.append(Reasoning(text, kind, self._index))
        return events

    def _feed_refusal(self, delta: RefusalDelta) -> list[Event]:
        if not delta.text:
            return []
        events = self._split(self._splitter.implicit_close())
        if self._said != "refusal":
            self._begin("refusal", 0)
        self._refusal.append(delta.text)
        self._text.add(delta.text)
        events.append(Token(delta.text, self._index))
        return events

    def _split(self, pieces: list[Piece], part: int | None = None) -> list[Event]:
        """The events of these pieces of the provider's text part; of the last one when they were held back."""
        if part is None:
            part = self._text_part
        self._text_part = part
        events: list[Event] = []
        for kind, text in pieces:
            said = "text" if kind == "text" else "raw"
            if self._said != said or self._provider_part != part:
                self._begin(said, part)
            if kind == "text":
                self._text.add(text)
                events.append(Token(text, self._index))
            else:
                self._reasoning.add(text)
                events.append(Reasoning(text, "raw", self._index))
        return events

    def _begin(self, said: str, part: int) -> None:
        self._said = said
        self._provider_part = part
        self._index += 1

    def _paragraph(self, text: str, part: int) -> str:
        """The first text of a part of a summary, set apart from the part before it."""
        other = self._summary_part not in (None, part)
        self._summary_part = part
        return f"\n\n{text}" if other and not self._reasoning.last.endswith("\n") else text
