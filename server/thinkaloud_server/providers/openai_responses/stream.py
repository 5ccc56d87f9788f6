"""Decodes one answer: typed server-sent events, or, from servers that do not stream, one response object.

The type in an event's data says what it is; its `event:` line only where the data has none. Deltas are passed on as
they come; a `done` of any kind adds what no delta told (told.py, calls.py). Numbers of a sequence and padding against
traffic analysis are not looked at: neither says anything of the answer.

An answer has ended well with `response.completed` or `response.incomplete`, and with nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from thinkaloud_server.core.delta import Delta, Finish, ReasoningDelta, RefusalDelta, ResponseInfo, TextDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.framing import SseFrame, SseFramer
from thinkaloud_server.providers.answer import FRAME_BYTES_MAX, AnswerDecoder, Classify
from thinkaloud_server.providers.error_body import read_error, read_error_value
from thinkaloud_server.providers.openai_chat.chunk import text_of
from thinkaloud_server.providers.openai_responses.calls import ITEMS, Calls, arguments_text
from thinkaloud_server.providers.openai_responses.counts import usage_of
from thinkaloud_server.providers.openai_responses.event import Event, Response, read_event, read_item, read_response
from thinkaloud_server.providers.openai_responses.finish import finish_of_response
from thinkaloud_server.providers.openai_responses.parts import KINDS, read_part, texts_of
from thinkaloud_server.providers.openai_responses.replay import Output, is_replayable
from thinkaloud_server.providers.openai_responses.told import Kind, Place, Told

# What the last event is called, and the status that it means where the response names none.
_ENDS = {
    "response.completed": "completed",
    "response.done": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}


class ResponsesDecoder(AnswerDecoder[SseFrame]):
    """A StreamDecoder (core/delta.py). `keeps_reasoning`: the vendor wants its reasoning items back."""

    def __init__(self, *, keeps_reasoning: bool, classify: Classify, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        super().__init__(
            SseFramer(frame_bytes_max=frame_bytes_max), classify=classify, answer_bytes_max=frame_bytes_max
        )
        self._keeps_reasoning = keeps_reasoning
        self._told = Told()
        self._calls = Calls()
        self._output = Output()
        self._begun = False
        self._thoughts = 0

    def _state(self) -> str:
        return self._output.payload() if self._keeps_reasoning else ""

    def _frame(self, frame: SseFrame, out: list[Delta], *, whole: bool) -> None:
        try:
            event = read_event(frame.data)
        except ValueError:
            self._no_json(frame, out, whole=whole)
            return
        if event is None:
            return
        name = event.type or frame.event
        handler = _HANDLERS.get(name)
        if handler is not None:
            handler(self, event, out)
        elif name in _ENDS:
            self._response(_response_of(event), _ENDS[name], out)
        elif _complains(name, frame):
            self._error(read_error(frame.data), out)
        elif event.response and not self._begun:
            self._begin_response(_response_of(event), out)

    def _no_json(self, frame: SseFrame, out: list[Delta], *, whole: bool) -> None:
        data = frame.data.strip()
        if data == b"[DONE]":
            self._end(out)
        elif frame.event == "error":
            self._error(read_error(data), out)
        elif data and whole:
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider sent an event that is not JSON")

    def _begin_response(self, response: Response, out: list[Delta]) -> None:
        if not self._begun and (response.id or response.model):
            self._begun = True
            out.append(ResponseInfo(text_of(response.model), text_of(response.id)))

    def on_delta(self, kind: Kind, event: Event, out: list[Delta]) -> None:
        text = event.delta
        if text.__class__ is not str:
            text = text_of(text)
        if text:
            part = self._told.more(kind, event.type, event.place, event.index, text)
            if part >= 0:
                self._said = True
                out.append(_delta(kind, part, text))

    def on_thought(self, event: Event, out: list[Delta]) -> None:
        """Perplexity's thought about a step of its own, whole; each is a part."""
        if text := text_of(event.thought):
            self._thoughts += 1
            part = self._told.more("summary", event.type, event.type, self._thoughts, text)
            self._said = True
            out.append(_delta("summary", part, text))

    def on_done(self, kind: Kind, event: Event, out: list[Delta]) -> None:
        """A part is done, and has its whole text."""
        self._whole(kind, event, text_of(event.refusal if kind == "refusal" else event.text), out)

    def on_content_part(self, event: Event, out: list[Delta]) -> None:
        kind, whole = read_part(event.part)
        if kind is not None:
            self._whole(kind, event, whole, out)

    def _whole(self, kind: Kind, event: Event, whole: str, out: list[Delta]) -> None:
        number, rest = self._told.rest(kind, event.place, event.index, whole)
        if rest:
            self._said = True
            out.append(_delta(kind, number, rest))

    def on_arguments(self, event: Event, out: list[Delta]) -> None:
        if arguments := arguments_text(event.delta):
            self._said = True
            out.append(self._calls.more(event.place, event.item_id, arguments))

    def on_arguments_done(self, event: Event, out: list[Delta]) -> None:
        arguments = arguments_text(event.arguments if event.arguments is not None else event.input)
        out.extend(self._calls.whole(event.place, event.item_id, arguments))

    def on_item(self, event: Event, out: list[Delta]) -> None:
        item = read_item(event.item)
        if item.get("type") in ITEMS:
            self._said = True
            out.extend(self._calls.begin(event.place, item))

    def on_item_done(self, event: Event, out: list[Delta]) -> None:
        self._item_done(event.place, event.item, read_item(event.item), out)

    def _item_done(self, place: Place, raw: msgspec.Raw, item: dict[str, Any], out: list[Delta]) -> None:
        self._output.add(place, raw, item)
        if item.get("type") in ITEMS:
            self._said = True
            out.extend(self._calls.done(place, item))
            return
        self._said = self._said or (item.get("type") == "reasoning" and is_replayable(item))
        texts = texts_of(item)
        place = self._told.place_of(place, text_of(item.get("id")))
        for kind in KINDS:
            if kind == "summary" and self._is_said_already(place, texts):
                continue
            for number, rest in self._told.rest_of_item(kind, place, texts[kind]):
                self._said = True
                out.append(_delta(kind, number, rest))

    def _is_said_already(self, place: Place, texts: Mapping[Kind, list[str]]) -> bool:
        """Whether a summary that came in no delta is the reasoning over again."""
        summary = "".join(texts["summary"])
        return not self._told.of_item("summary", place) and summary == (
            self._told.of_item("raw", place) or "".join(texts["raw"])
        )

    def _response(self, response: Response, ended: str, out: list[Delta]) -> None:
        """The last event. Its own status is believed: vLLM says "completed" of every answer that has ended."""
        self._begin_response(response, out)
        status = text_of(response.status)
        status = status if status in _ENDS.values() else ended
        if status == "failed" or (response.error and status != "completed"):
            self._report(out, usage_of(response.usage))
            self._error(read_error_value(response.error), out)
            return
        self._add_output(response.output or [], out)
        out.extend(self._calls.finish())
        finish = finish_of_response(response, status, calls=bool(self._calls))
        if isinstance(finish, Finish):
            self._finish(out, finish)
            self._report(out, usage_of(response.usage))
            self._end(out)
        else:
            self._ended = True
            out.append(finish)

    def _add_output(self, output: list[msgspec.Raw], out: list[Delta]) -> None:
        """What stands in the response at the end, and in no event before."""
        items = [read_item(raw) for raw in output]
        if not self._said:
            for place, (raw, item) in enumerate(zip(output, items, strict=True)):
                self._item_done(place, raw, item, out)
            return
        if not self._output:
            for place, (raw, item) in enumerate(zip(output, items, strict=True)):
                self._output.add(place, raw, item)
        texts: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
        for of_item in map(texts_of, items):
            if of_item["summary"] == of_item["raw"]:
                of_item["summary"] = []
            for kind in KINDS:
                texts[kind] += of_item[kind]
        for kind in KINDS:
            for number, rest in self._told.rest_of_all(kind, texts[kind]):
                out.append(_delta(kind, number, rest))
        for place, item in enumerate(items):
            if item.get("type") in ITEMS:
                out.extend(self._calls.done(place, item))

    def _value(self, data: bytes, out: list[Delta]) -> None:
        try:
            response = read_response(data)
        except ValueError:
            reason = ErrorReason.UPSTREAM_TRUNCATED if not data.endswith(b"}") else ErrorReason.UPSTREAM_PROTOCOL_ERROR
            self._fail(out, reason, "the provider's answer is not whole JSON")
            return
        body = read_error(data)
        if response.output is not None or response.object == "response":
            self._response(response, "failed" if response.error else "completed", out)
        elif response.error or body.codes or body.message:
            self._error(body, out)
        else:
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider's answer is no response")


def _complains(name: str, frame: SseFrame) -> bool:
    """Whether an event that is none of the format's is an error, by its name or by what it holds."""
    if "error" in (name, frame.event):
        return True
    if name.startswith("response."):
        return False
    return b'"error"' in frame.data or (not name and bool(read_error(frame.data).message))


def _response_of(event: Event) -> Response:
    try:
        return read_response(event.response) if event.response else Response()
    except ValueError:
        return Response()


def _delta(kind: Kind, part: int, text: str) -> Delta:
    if kind == "text":
        return TextDelta(text, part)
    if kind == "refusal":
        return RefusalDelta(text)
    return ReasoningDelta(text, kind, part)


_Handler = Callable[[ResponsesDecoder, Event, list[Delta]], None]


def _on_delta(kind: Kind) -> _Handler:
    return lambda decoder, event, out: decoder.on_delta(kind, event, out)


def _on_done(kind: Kind) -> _Handler:
    return lambda decoder, event, out: decoder.on_done(kind, event, out)


# `response.reasoning.*` and `response.reasoning_summary.*` were the names until August 2025 (openai-python 1.80 to
# 1.98), and live on in servers of that time.
_HANDLERS: Mapping[str, _Handler] = MappingProxyType(
    {
        "response.output_text.delta": _on_delta("text"),
        "response.reasoning_summary_text.delta": _on_delta("summary"),
        "response.reasoning_summary.delta": _on_delta("summary"),
        "response.reasoning_text.delta": _on_delta("raw"),
        "response.reasoning.delta": _on_delta("raw"),
        "response.refusal.delta": _on_delta("refusal"),
        "response.output_text.done": _on_done("text"),
        "response.reasoning_summary_text.done": _on_done("summary"),
        "response.reasoning_summary.done": _on_done("summary"),
        "response.reasoning_text.done": _on_done("raw"),
        "response.reasoning.done": _on_done("raw"),
        "response.refusal.done": _on_done("refusal"),
        "response.content_part.done": ResponsesDecoder.on_content_part,
        "response.reasoning_part.done": ResponsesDecoder.on_content_part,
        "response.reasoning_summary_part.done": ResponsesDecoder.on_content_part,
        "response.function_call_arguments.delta": ResponsesDecoder.on_arguments,
        "response.custom_tool_call_input.delta": ResponsesDecoder.on_arguments,
        "response.function_call_arguments.done": ResponsesDecoder.on_arguments_done,
        "response.custom_tool_call_input.done": ResponsesDecoder.on_arguments_done,
        "response.reasoning.started": ResponsesDecoder.on_thought,
        "response.reasoning.search_queries": ResponsesDecoder.on_thought,
        "response.reasoning.search_results": ResponsesDecoder.on_thought,
        "response.reasoning.fetch_url_queries": ResponsesDecoder.on_thought,
        "response.reasoning.fetch_url_results": ResponsesDecoder.on_thought,
        "response.output_item.added": ResponsesDecoder.on_item,
        "response.output_item.done": ResponsesDecoder.on_item_done,
    }
)
