"""Decodes one answer: server-sent events, or, from servers that were asked to stream and did not, one JSON object.

Theory of operation. The first byte that is no white space says what the answer is: "{" or "[" begin JSON, "<" a page
of somebody's proxy, anything else server-sent events. Of each chunk an error is looked for before anything else:
errors come with a finish reason, in a normal chunk, as a chunk of their own, before or in place of the end mark.

An answer has ended well when a reason to finish was given. `[DONE]` alone is believed of vendors whose rows say so,
and only when something was said; bytes that merely run out never are. What comes after the end is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    ReasoningDelta,
    RefusalDelta,
    ResponseInfo,
    TextDelta,
    UsageReport,
)
from thinkaloud_server.core.delta import StateDelta as ReplayDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.framing import SseFrame, SseFramer
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.error_body import ErrorBody, read_error, read_error_value
from thinkaloud_server.providers.openai_chat.chunk import Choice, Chunk, read_answer, read_chunk, text_of
from thinkaloud_server.providers.openai_chat.chunk import Delta as WireDelta
from thinkaloud_server.providers.openai_chat.counts import usage_of
from thinkaloud_server.providers.openai_chat.finish import failed_finish, finish_of
from thinkaloud_server.providers.openai_chat.last_words import LastWords
from thinkaloud_server.providers.openai_chat.replay import ReplayState
from thinkaloud_server.providers.openai_chat.tool_calls import ToolCalls

# One event, or one whole answer. Pictures in answers make events of megabytes.
FRAME_BYTES_MAX = 16 << 20
_LIFE_SIGNS = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})


class ChatDecoder:
    """A StreamDecoder (core/delta.py). `classify` says what an error's body means."""

    def __init__(
        self,
        *,
        finish_optional: bool,
        replay: tuple[str, ...],
        classify: Callable[[ErrorBody], Failure],
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        self._finish_optional = finish_optional
        self._classify = classify
        self._bytes_max = frame_bytes_max
        self._framer = SseFramer(frame_bytes_max=frame_bytes_max)
        self._last_words = LastWords()
        # None until the first byte has said which; then the JSON so far, or "sse".
        self._form: bytearray | str | None = None
        self._calls = ToolCalls()
        self._replay = ReplayState(replay)
        self._usage: Usage | None = None
        self._begun = False
        self._said = False
        self._finished = False
        self._ended = False

    def feed(self, data: bytes) -> Sequence[Delta]:
        """The deltas that these bytes complete."""
        out: list[Delta] = []
        if self._ended:
            return out
        if self._form is None:
            data = self._begin(data, out)
        if isinstance(self._form, bytearray):
            self._form += data
            if len(self._form) > self._bytes_max:
                self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider's answer is too long")
        elif self._form is not None and data and not self._ended:
            self._last_words.hear(data)
            try:
                frames = self._framer.feed(data)
            except ChatError as error:
                self._fail(out, error.reason, error.message)
                return out
            for frame in frames:
                self._frame(frame, out)
                if self._ended:
                    break
        return out

    def end(self) -> Sequence[Delta]:
        """The bytes ran out."""
        out: list[Delta] = []
        if self._ended:
            return out
        if isinstance(self._form, bytearray):
            self._whole_answer(bytes(self._form), out)
            return out
        for frame in self._framer.end():
            # These bytes may have been cut anywhere: what cannot be read is then not the provider's fault.
            self._frame(frame, out, whole=False)
        self._end(out, marked=False)
        return out

    def _begin(self, data: bytes, out: list[Delta]) -> bytes:
        stripped = data.lstrip(b" \t\r\n\xef\xbb\xbf")
        if not stripped:
            return b""
        if stripped[:1] in (b"{", b"["):
            self._form = bytearray()
        elif stripped[:1] == b"<":
            self._form = "sse"
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider answered with a page, not a stream")
        else:
            self._form = "sse"
        return stripped

    def _frame(self, frame: SseFrame, out: list[Delta], *, whole: bool = True) -> None:
        data = frame.data
        if frame.event:
            if frame.event.lower() in _LIFE_SIGNS:
                return
            if frame.event.lower() == "error":
                self._error(read_error(data), out)
                return
        try:
            chunk = read_chunk(data)
        except ValueError:
            self._no_json(data.strip(), out, whole=whole)
            return
        if chunk is not None:
            self._chunk(chunk, data, out)

    def _no_json(self, data: bytes, out: list[Delta], *, whole: bool) -> None:
        if data == b"[DONE]":
            self._end(out, marked=True)
        elif data and whole:
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider sent a chunk that is not JSON")

    def _chunk(self, chunk: Chunk, data: bytes, out: list[Delta]) -> None:
        if (chunk.error and _says_something(chunk.error)) or (chunk.choices is None and _is_error(chunk)):
            self._report_usage(chunk, out)
            self._error(read_error_value(chunk.error) if chunk.error else read_error(data), out)
            return
        if not self._begun and (chunk.choices or chunk.id or chunk.model):
            self._begun = True
            out.append(ResponseInfo(text_of(chunk.model), text_of(chunk.id)))
        if chunk.choices:
            # Only one answer was asked for; a choice of another number is somebody else's.
            choice: Choice | None = chunk.choices[0]
            if choice is not None and choice.index != 0:
                choice = next((other for other in chunk.choices if other.index == 0), None)
            if choice is not None and choice.delta is None and not self._said:
                choice = _with_message(choice, data)
            if choice is not None:
                self._choice(choice, out)
        if chunk.usage is not None or chunk.x_groq is not None:
            self._report_usage(chunk, out)

    def _choice(self, choice: Choice, out: list[Delta]) -> None:
        delta = choice.delta
        if delta is not None:
            before = len(out)
            # Nearly every chunk is either text or reasoning; a call for each question would cost as much as the answer.
            if (
                delta.reasoning
                or delta.reasoning_content
                or delta.reasoning_details
                or delta.reasoning_text
                or delta.thinking
            ):
                self._reasoning(delta, out)
            content = delta.content
            if content.__class__ is str:
                if content:
                    out.append(TextDelta(content))
            elif content is not None:
                self._parts(content, out)
            if delta.refusal and (refusal := text_of(delta.refusal)):
                out.append(RefusalDelta(refusal))
            if delta.tool_calls:
                out.extend(self._calls.feed(delta.tool_calls))
            elif delta.function_call:
                out.extend(self._calls.feed({"index": 0, "function": delta.function_call}))
            self._said = self._said or len(out) > before
        if choice.finish_reason and not self._ended:
            self._finish(choice, out)

    def _reasoning(self, delta: WireDelta, out: list[Delta]) -> None:
        """One of the names of the same text: vendors in transition send two of them at once."""
        text = delta.reasoning or delta.reasoning_content or delta.reasoning_text or delta.thinking
        details = delta.reasoning_details
        if text.__class__ is not str:
            text = text_of(text)
        if details:
            self._replay.add_details(details)
            self._said = True
            text = text or text_of(details)
        if text:
            out.append(ReasoningDelta(text, "summary" if details and _is_summary(details) else "raw"))
            if self._replay.keeps_content:
                self._replay.add_reasoning(text)

    def _parts(self, content: object, out: list[Delta]) -> None:
        """Content as a list of parts, as Mistral writes it when the model thinks."""
        for part in content if isinstance(content, list) else [content]:
            thoughts = isinstance(part, dict) and part.get("type") in ("thinking", "reasoning")
            if not (text := text_of(part)):
                continue
            out.append(ReasoningDelta(text) if thoughts else TextDelta(text))
            if thoughts and self._replay.keeps_content:
                self._replay.add_reasoning(text)

    def _finish(self, choice: Choice, out: list[Delta]) -> None:
        if self._finished:
            return
        word = text_of(choice.finish_reason)
        if failure := failed_finish(word):
            self._ended = True
            out.append(failure)
        elif word:
            self._finished = True
            out.append(finish_of(word, text_of(choice.native_finish_reason)))

    def _report_usage(self, chunk: Chunk, out: list[Delta]) -> None:
        usage = usage_of(chunk.usage)
        if usage is None and isinstance(chunk.x_groq, dict):
            usage = usage_of(chunk.x_groq.get("usage"))
        if usage is not None and usage != self._usage:
            self._usage = usage
            out.append(UsageReport(usage))

    def _error(self, body: ErrorBody, out: list[Delta]) -> None:
        failure = self._classify(body)
        if self._said:
            # A request of which something came was a good one, and is not sent again.
            reason = failure.reason
            if reason is ErrorReason.VALIDATION_FAILED:
                reason = ErrorReason.UPSTREAM_ERROR
            failure = replace(failure, reason=reason, reasoning_refused=False, unprocessed=False)
        self._ended = True
        out.append(failure)

    def _fail(self, out: list[Delta], reason: ErrorReason, message: str) -> None:
        self._ended = True
        out.append(Failure(reason, message))

    def _end(self, out: list[Delta], *, marked: bool) -> None:
        if self._ended:
            return
        last_words = b"" if self._finished else self._last_words.error()
        if self._finished or (marked and self._finish_optional and self._said and not last_words):
            if payload := self._replay.payload():
                out.append(ReplayDelta(payload))
            self._ended = True
            out.append(EndOfStream())
        elif last_words and not self._said:
            self._error(read_error(last_words), out)
        else:
            why = self._classify(read_error(last_words)).message if last_words else "it did not say that it is done"
            self._fail(out, ErrorReason.UPSTREAM_TRUNCATED, f"the provider's stream ended too soon: {why}")

    def _whole_answer(self, data: bytes, out: list[Delta]) -> None:
        try:
            chunk = read_answer(data)
        except ValueError:
            chunk = None
        if chunk is None:
            reason = ErrorReason.UPSTREAM_TRUNCATED if not data.endswith(b"}") else ErrorReason.UPSTREAM_PROTOCOL_ERROR
            self._fail(out, reason, "the provider's answer is not whole JSON")
            return
        self._chunk(chunk, data, out)
        if self._ended:
            return
        if not self._said and not self._finished:
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider's answer is no chat completion")
            return
        self._finished = True
        self._end(out, marked=True)


def _with_message(choice: Choice, data: bytes) -> Choice:
    """Proxies that pretend to stream send the whole answer as one event."""
    answer = read_answer(data) if b'"message"' in data else None
    return next((whole for whole in (answer and answer.choices) or () if whole.index == 0), choice)


def _says_something(error: object) -> bool:
    """False for an error that is there for form's sake: `{"code": 0, "message": ""}`."""
    return not isinstance(error, dict) or any(error.values())


def _is_error(chunk: Chunk) -> bool:
    """A chunk without choices that is nothing but a complaint."""
    if isinstance(chunk.base_resp, dict):
        return bool(chunk.base_resp.get("status_code"))
    return bool(chunk.detail or chunk.message)


def _is_summary(details: Any) -> bool:
    return any(isinstance(item, dict) and item.get("type") == "reasoning.summary" for item in details)
