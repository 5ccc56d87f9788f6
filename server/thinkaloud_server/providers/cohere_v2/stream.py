"""Decodes one answer: server-sent events that say their type in their data, or one JSON object.

Asked for JSON, Cohere streams events as lines of it; who stands in for it may do so unasked.

`message-end` is the end; what follows (`[DONE]`) says nothing more. A plan for the tools that the model is about to
call (`tool_plan`) is reasoning of a kind of its own. Citations are not ours to show.
"""

from __future__ import annotations

from typing import Any

from thinkaloud_server.core.delta import Delta, Failure, Finish, ReasoningDelta, ResponseInfo, TextDelta, ToolCallDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.framing import SseFrame, SseFramer
from thinkaloud_server.providers.answer import FRAME_BYTES_MAX, AnswerDecoder, Classify
from thinkaloud_server.providers.cohere_v2.counts import usage_of
from thinkaloud_server.providers.cohere_v2.event import (
    Call,
    Content,
    Event,
    Message,
    calls_of,
    contents_of,
    index_of,
    read_event,
    read_object,
)
from thinkaloud_server.providers.cohere_v2.finish import finish_of
from thinkaloud_server.providers.cohere_v2.replay import payload_of
from thinkaloud_server.providers.error_body import read_error, read_error_value


class CohereDecoder(AnswerDecoder[SseFrame]):
    """A StreamDecoder (core/delta.py). `classify` says what an error's body means."""

    def __init__(self, *, classify: Classify, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        super().__init__(
            SseFramer(frame_bytes_max=frame_bytes_max), classify=classify, answer_bytes_max=frame_bytes_max
        )
        self._thinking: list[str] = []
        self._plan: list[str] = []
        self._calls = 0
        self._begun = False

    def _state(self) -> str:
        return payload_of("".join(self._plan), "".join(self._thinking)) if self._calls else ""

    def _frame(self, frame: SseFrame, out: list[Delta], *, whole: bool) -> None:
        data = frame.data
        try:
            event = read_event(data)
        except ValueError:
            if data.strip() == b"[DONE]":
                self._end(out)
            elif data.strip() and whole:
                self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider sent an event that is not JSON")
            return
        if event is not None:
            self._event(event, event.type or frame.event, data, out)

    def _event(self, event: Event, kind: object, data: bytes, out: list[Delta]) -> None:
        message = event.delta.message if event.delta is not None else None
        if kind in ("content-delta", "content-start"):
            if message is not None:
                for content in contents_of(message):
                    self._content(content, index_of(event), out)
        elif kind == "tool-plan-delta":
            if message is not None:
                self._add_plan(message.tool_plan, out)
        elif kind in ("tool-call-delta", "tool-call-start"):
            if message is not None:
                for number, call in enumerate(calls_of(message), index_of(event)):
                    self._call(call, number, out)
        elif kind == "message-start":
            if not self._begun:
                self._begun = True
                out.append(ResponseInfo(response_id=_text(event.id)))
        elif kind == "message-end":
            self._message_end(event, out)
        elif event.error or kind == "error" or (not kind and event.message):
            self._error(read_error(data), out)

    def _content(self, content: Content, index: int, out: list[Delta]) -> None:
        if thinking := _text(content.thinking):
            self._said = True
            self._thinking.append(thinking)
            out.append(ReasoningDelta(thinking))
        if text := _text(content.text):
            self._said = True
            out.append(TextDelta(text, index))

    def _add_plan(self, value: object, out: list[Delta]) -> None:
        if plan := _text(value):
            self._said = True
            self._plan.append(plan)
            out.append(ReasoningDelta(plan, "plan"))

    def _call(self, call: Call, index: int, out: list[Delta]) -> None:
        call_id = _text(call.id)
        name = _text(call.function.name) if call.function is not None else ""
        arguments = _text(call.function.arguments) if call.function is not None else ""
        if call_id or name or arguments:
            self._said = True
            self._calls += 1
            out.append(ToolCallDelta(index, call_id, name, arguments))

    def _message_end(self, event: Event, out: list[Delta]) -> None:
        delta = event.delta
        if delta is not None:
            self._report(out, usage_of(delta.usage))
            self._stop(delta.finish_reason, delta.error, out)
        # The event is the word that the message is whole, also where it gives no reason.
        self._end(out, trusted=self._said)

    def _stop(self, word: object, error: object, out: list[Delta]) -> None:
        end = finish_of(word)
        if isinstance(end, Finish):
            self._finish(out, end)
        elif error:
            self._error(read_error_value(error), out)
        elif isinstance(end, Failure):
            self._ended = True
            out.append(end)

    def _value(self, data: bytes, out: list[Delta]) -> None:
        try:
            value = read_object(data)
        except ValueError:
            value = None
        if value is None and self._lines(data, out):
            return
        if value is None:
            cut = not data.rstrip().endswith(b"}")
            reason = ErrorReason.UPSTREAM_TRUNCATED if cut else ErrorReason.UPSTREAM_PROTOCOL_ERROR
            self._fail(out, reason, "the provider's answer is not whole JSON")
            return
        message = value.get("message")
        if not isinstance(message, dict):
            if message or value.get("error"):
                self._error(read_error(data), out)
            else:
                self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider's answer is no chat answer")
            return
        out.append(ResponseInfo(response_id=_text(value.get("id"))))
        self._whole_message(message, out)
        self._report(out, usage_of(value.get("usage")))
        self._stop(value.get("finish_reason"), value.get("error"), out)
        self._end(out, trusted=self._said)

    def _lines(self, data: bytes, out: list[Delta]) -> bool:
        """Tell events that came as lines of JSON; False when these bytes are none."""
        lines = [line for line in data.split(b"\n") if line.strip()]
        try:
            if len(lines) < 2 or read_object(lines[0]) is None:
                return False
        except ValueError:
            return False
        for line in lines:
            self._frame(SseFrame("", line), out, whole=line is not lines[-1])
            if self._ended:
                return True
        self._end(out)
        return True

    def _whole_message(self, value: dict[str, Any], out: list[Delta]) -> None:
        content = value.get("content")
        message = Message(content=content if isinstance(content, list) else [{"text": content}])
        for index, item in enumerate(contents_of(message)):
            self._content(item, index, out)
        self._add_plan(value.get("tool_plan"), out)
        calls = value.get("tool_calls")
        for index, call in enumerate(calls_of(Message(tool_calls=calls if isinstance(calls, list) else []))):
            self._call(call, index, out)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
