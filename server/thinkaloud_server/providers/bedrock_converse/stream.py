"""Decodes one answer: messages of an event stream, named by their headers, or one JSON object.

An answer has ended well when `messageStop` said why; `metadata` with the usage is its last message. A message that
lacks bytes at the end, or whose checksum is wrong, says nothing (core/event_stream.py).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from thinkaloud_server.core.delta import (
    Delta,
    Failure,
    ReasoningDelta,
    ResponseInfo,
    TextDelta,
    ToolCallDelta,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.event_stream import EventFrame, EventStreamFramer
from thinkaloud_server.providers.answer import FRAME_BYTES_MAX, AnswerDecoder, Classify
from thinkaloud_server.providers.bedrock_converse.counts import usage_of
from thinkaloud_server.providers.bedrock_converse.event import (
    BlockStart,
    Chunk,
    MessageStop,
    Metadata,
    Reasoning,
    read_delta,
    read_event,
)
from thinkaloud_server.providers.bedrock_converse.failure import frame_error
from thinkaloud_server.providers.bedrock_converse.finish import finish_of
from thinkaloud_server.providers.bedrock_converse.invoke import InvokeCounts, read_chunk
from thinkaloud_server.providers.bedrock_converse.invoke_models import Said
from thinkaloud_server.providers.bedrock_converse.replay import ReplayState
from thinkaloud_server.providers.bedrock_converse.whole import read_answer
from thinkaloud_server.providers.error_body import read_error, read_error_value

_Reader = Callable[["ConverseDecoder", bytes, list[Delta]], None]


class ConverseDecoder(AnswerDecoder[EventFrame]):
    """A StreamDecoder (core/delta.py). `classify` says what an error's body means."""

    def __init__(self, *, classify: Classify, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        super().__init__(
            EventStreamFramer(frame_bytes_max=frame_bytes_max), classify=classify, answer_bytes_max=frame_bytes_max
        )
        self._replay = ReplayState()
        # The wire's number of a block -> ours of a call. A number that comes again is another call's.
        self._calls: dict[int, int] = {}
        self._calls_count = 0
        self._begun = False
        self._invoked = InvokeCounts()

    def _state(self) -> str:
        return self._replay.payload()

    def _frame(self, frame: EventFrame, out: list[Delta], *, whole: bool) -> None:
        if frame.kind != "event":
            self._error(frame_error(frame), out)
            return
        reader = _READERS.get(frame.name)
        if reader is None:
            # An event that nobody knows is nothing to fail for.
            return
        try:
            reader(self, frame.payload, out)
        except ValueError:
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, f"the provider sent a {frame.name} that is not JSON")

    def _value(self, data: bytes, out: list[Delta]) -> None:
        try:
            answer = read_answer(data)
        except ValueError:
            reason = ErrorReason.UPSTREAM_TRUNCATED if not data.endswith(b"}") else ErrorReason.UPSTREAM_PROTOCOL_ERROR
            self._fail(out, reason, "the provider's answer is not whole JSON")
            return
        if answer is None:
            error = read_error(data)
            if error.message or error.codes:
                self._error(error, out)
            else:
                self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider's answer is no message")
            return
        for name, event in answer:
            _READERS[name](self, event, out)
        self._end(out)

    def _begin_answer(self, out: list[Delta], model: str = "", response_id: str = "") -> None:
        if not self._begun:
            self._begun = True
            out.append(ResponseInfo(model, response_id))

    def _message_start(self, data: bytes, out: list[Delta]) -> None:
        self._begin_answer(out)

    def _block_start(self, data: bytes, out: list[Delta]) -> None:
        event = read_event(data, BlockStart)
        if event.start is not None and event.start.toolUse is not None:
            tool = event.start.toolUse
            if tool.type == "server_tool_use":
                # Amazon runs it and goes on (Nova's code interpreter): nothing for the caller to do.
                self._calls.pop(event.contentBlockIndex, None)
                return
            self._call(event.contentBlockIndex, tool.toolUseId, tool.name, out)

    def _block_delta(self, data: bytes, out: list[Delta]) -> None:
        event = read_delta(data)
        delta = event.delta
        if delta is None:
            return
        if delta.reasoningContent is not None:
            self._reasoning(event.contentBlockIndex, delta.reasoningContent, out)
        if delta.text:
            self._text(event.contentBlockIndex, delta.text, out)
        if delta.toolUse is not None and delta.toolUse.input:
            self._input(event.contentBlockIndex, delta.toolUse.input, out)

    def _message_stop(self, data: bytes, out: list[Delta]) -> None:
        self._stop(read_event(data, MessageStop).stopReason, out)

    def _metadata(self, data: bytes, out: list[Delta]) -> None:
        self._report(out, usage_of(read_event(data, Metadata).usage))
        if self._finished:
            self._end(out)

    def _chunk(self, data: bytes, out: list[Delta]) -> None:
        for said in read_chunk(read_event(data, Chunk).bytes):
            self._invoke(said, out)

    def _invoke(self, said: Said, out: list[Delta]) -> None:
        match said.what:
            case "begin":
                self._begin_answer(out, said.text, said.more or "")
            case "text" if said.text:
                self._text(said.index, said.text, out)
            case "converse" if said.text in _READERS:
                _READERS[said.text](self, msgspec.json.encode(said.more), out)
            case "reasoning":
                self._reasoning(said.index, Reasoning(text=said.text), out)
            case "signature":
                self._reasoning(said.index, Reasoning(signature=said.text), out)
            case "redacted":
                self._reasoning(said.index, Reasoning(redactedContent=said.text), out)
            case "call":
                self._call(said.index, said.text, said.more, out)
            case "input" if said.text:
                self._input(said.index, said.text, out)
            case "usage":
                self._report(out, self._invoked.add(said.more))
            case "stop":
                self._stop(said.text, out)
            case "error":
                self._error(read_error_value(said.more), out)
            case "end":
                self._end(out)

    def _text(self, index: int, text: str, out: list[Delta]) -> None:
        self._said = True
        self._replay.text(index, text)
        out.append(TextDelta(text))

    def _reasoning(self, index: int, thought: Reasoning, out: list[Delta]) -> None:
        self._said = True
        if thought.text:
            self._replay.reasoning(index, thought.text)
            out.append(ReasoningDelta(thought.text))
        if thought.signature:
            self._replay.signature(index, thought.signature)
        if thought.redactedContent:
            self._replay.redacted(index, thought.redactedContent)

    def _call(self, index: int, call_id: str, name: str, out: list[Delta]) -> None:
        self._said = True
        self._calls[index], self._calls_count = self._calls_count, self._calls_count + 1
        self._replay.call(index, call_id)
        out.append(ToolCallDelta(self._calls[index], call_id, name))

    def _input(self, index: int, text: str, out: list[Delta]) -> None:
        """A fragment of arguments; of a call that never began nobody could say what it calls."""
        if index in self._calls:
            out.append(ToolCallDelta(self._calls[index], arguments=text))

    def _stop(self, word: str, out: list[Delta]) -> None:
        if self._finished or not word:
            return
        finish = finish_of(word)
        if isinstance(finish, Failure):
            self._fail(out, finish.reason, finish.message)
        else:
            self._finish(out, finish)


def _nothing(decoder: ConverseDecoder, data: bytes, out: list[Delta]) -> None:
    """The end of a block says nothing that the next block does not."""


_READERS: dict[str, _Reader] = {
    "contentBlockDelta": ConverseDecoder._block_delta,
    "contentBlockStop": _nothing,
    "contentBlockStart": ConverseDecoder._block_start,
    "messageStart": ConverseDecoder._message_start,
    "messageStop": ConverseDecoder._message_stop,
    "metadata": ConverseDecoder._metadata,
    "chunk": ConverseDecoder._chunk,
}
