"""Decodes one answer: server-sent events, or, from servers that were asked to stream and did not, one JSON object.

Of each chunk an error is looked for before anything else: errors come with a finish reason, in a normal chunk, as a
chunk of their own, before or in place of the end mark.

An answer has ended well when a reason to finish was given. `[DONE]` alone is believed of vendors whose rows say so,
and only when something was said (providers/answer.py has the rest).
"""

from __future__ import annotations

from typing import Any

from thinkaloud_server.core.delta import Delta, ReasoningDelta, RefusalDelta, ResponseInfo, TextDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.framing import SseFrame, SseFramer
from thinkaloud_server.providers.answer import FRAME_BYTES_MAX, AnswerDecoder, Classify
from thinkaloud_server.providers.error_body import read_error, read_error_value
from thinkaloud_server.providers.openai_chat.chunk import Choice, Chunk, read_answer, read_chunk, text_of, word_of
from thinkaloud_server.providers.openai_chat.chunk import Delta as WireDelta
from thinkaloud_server.providers.openai_chat.counts import usage_of
from thinkaloud_server.providers.openai_chat.finish import failed_finish, finish_of
from thinkaloud_server.providers.openai_chat.last_words import LastWords
from thinkaloud_server.providers.openai_chat.replay import ReplayState
from thinkaloud_server.providers.openai_chat.tool_calls import ToolCalls

_LIFE_SIGNS = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})


class ChatDecoder(AnswerDecoder[SseFrame]):
    """A StreamDecoder (core/delta.py). `classify` says what an error's body means."""

    def __init__(
        self,
        *,
        finish_optional: bool,
        replay: tuple[str, ...],
        classify: Classify,
        frame_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        super().__init__(
            SseFramer(frame_bytes_max=frame_bytes_max), classify=classify, answer_bytes_max=frame_bytes_max
        )
        self._finish_optional = finish_optional
        self._last_words = LastWords()
        self._hear = self._last_words.hear  # type: ignore[method-assign]  # one call less for each read
        self._calls = ToolCalls()
        self._replay = ReplayState(replay)
        self._begun = False

    def _state(self) -> str:
        return self._replay.payload(self._calls.extras)

    def _ran_out(self, out: list[Delta]) -> None:
        self._over(out, marked=False)

    def _end(self, out: list[Delta], *, trusted: bool = False) -> None:
        if not self._ended and (self._finished or trusted):
            out.extend(self._calls.finish())
        super()._end(out, trusted=trusted)

    def _frame(self, frame: SseFrame, out: list[Delta], *, whole: bool) -> None:
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
            self._over(out, marked=True)
        elif data and whole:
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider sent a chunk that is not JSON")

    def _chunk(self, chunk: Chunk, data: bytes, out: list[Delta]) -> None:
        if (chunk.error and _says_something(chunk.error)) or (not chunk.choices and _is_error(chunk, data)):
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
            # A failure is the last word, also where its chunk counts tokens.
            failure = [out.pop()] if self._ended else []
            self._report_usage(chunk, out)
            out.extend(failure)

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
        if choice.error and _says_something(choice.error):
            self._error(read_error_value(choice.error), out)
        elif choice.finish_reason:
            self._stop(choice, out)

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

    def _stop(self, choice: Choice, out: list[Delta]) -> None:
        if self._finished:
            return
        word = word_of(choice.finish_reason)
        if failure := failed_finish(word):
            self._ended = True
            out.append(failure)
        elif word:
            out.extend(self._calls.finish())
            self._finish(out, finish_of(word, text_of(choice.native_finish_reason)))

    def _report_usage(self, chunk: Chunk, out: list[Delta]) -> None:
        usage = usage_of(chunk.usage)
        if usage is None and isinstance(chunk.x_groq, dict):
            usage = usage_of(chunk.x_groq.get("usage"))
        self._report(out, usage)

    def _over(self, out: list[Delta], *, marked: bool) -> None:
        last_words = b"" if self._finished or self._ended else self._last_words.error(marked=marked)
        if last_words and not self._said:
            self._error(read_error(last_words), out)
        elif last_words:
            why = self._classify(read_error(last_words)).message
            self._fail(out, ErrorReason.UPSTREAM_TRUNCATED, f"the provider's stream ended too soon: {why}")
        else:
            self._end(out, trusted=marked and self._finish_optional and self._said)

    def _value(self, data: bytes, out: list[Delta]) -> None:
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
        self._end(out, trusted=True)


def _with_message(choice: Choice, data: bytes) -> Choice:
    """Proxies that pretend to stream send the whole answer as one event."""
    answer = read_answer(data) if b'"message"' in data else None
    return next((whole for whole in (answer and answer.choices) or () if whole.index == 0), choice)


def _says_something(error: object) -> bool:
    """False for an error that is there for form's sake: `{"code": 0, "message": ""}`."""
    return not isinstance(error, dict) or any(error.values())


def _is_error(chunk: Chunk, data: bytes) -> bool:
    """A chunk without choices that is nothing but a complaint.

    With an empty list of them it may be a word of success beside the token counts, unless it names a status.
    """
    if isinstance(chunk.base_resp, dict):
        return bool(chunk.base_resp.get("status_code"))
    complains = bool(chunk.detail or chunk.message)
    return complains and (chunk.choices is None or read_error(data).status >= 400)


def _is_summary(details: Any) -> bool:
    return isinstance(details, list) and any(
        isinstance(item, dict) and item.get("type") == "reasoning.summary" for item in details
    )
