"""Decodes one answer: server-sent events of GenerateContentResponse, or JSON where `alt=sse` was not understood.

There is no end mark: an answer has ended well when its bytes ran out after a finish reason. Usage may come with it or
after it, so nothing ends before the bytes do. Thoughts are one markdown text however it was cut into parts: their own
headings and empty lines are in it, so all of them are one part of a summary.
"""

from __future__ import annotations

from thinkaloud_server.core.delta import Delta, Failure, Finish, ReasoningDelta, ResponseInfo, TextDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.framing import SseFrame, SseFramer
from thinkaloud_server.providers.answer import FRAME_BYTES_MAX, AnswerDecoder, Classify
from thinkaloud_server.providers.error_body import read_error, read_error_value
from thinkaloud_server.providers.gemini.calls import Calls
from thinkaloud_server.providers.gemini.chunk import Candidate, Chunk, Counts, Part, read_chunk, read_chunks
from thinkaloud_server.providers.gemini.counts import usage_of
from thinkaloud_server.providers.gemini.finish import block_of, blocked, finish_of
from thinkaloud_server.providers.gemini.replay import ReplayParts

# What is kept of the end of a stream; forgetting is a copy, so it is done now and then.
_TAIL_BYTES = 8 << 10
_TAIL_BYTES_HELD_MAX = 8 * _TAIL_BYTES


class GeminiDecoder(AnswerDecoder[SseFrame]):
    """A StreamDecoder (core/delta.py). `classify` says what an error's body means."""

    def __init__(self, *, classify: Classify, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        super().__init__(
            SseFramer(frame_bytes_max=frame_bytes_max), classify=classify, answer_bytes_max=frame_bytes_max
        )
        self._replay = ReplayParts()
        self._calls = Calls(self._replay)
        self._counts: Counts | None = None
        self._begun = False
        # The model went on after a reason to finish (it does where Google runs code for it): another must follow.
        self._went_on = False
        self._tail = bytearray()

    def _state(self) -> str:
        return self._replay.payload()

    def _hear(self, data: bytes) -> None:
        tail = self._tail
        tail += data
        if len(tail) > _TAIL_BYTES_HELD_MAX:
            del tail[:-_TAIL_BYTES]

    def _frame(self, frame: SseFrame, out: list[Delta], *, whole: bool) -> None:
        try:
            chunk = read_chunk(frame.data)
        except ValueError:
            data = frame.data.strip()
            if data == b"[DONE]":
                # Not Google's, but of proxies that end all formats alike.
                self._end(out)
            elif data and whole:
                self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider sent a chunk that is not JSON")
            return
        if chunk is not None:
            self._chunk(chunk, out)

    def _chunk(self, chunk: Chunk, out: list[Delta]) -> None:
        if chunk.error:
            self._error(read_error_value(chunk.error), out)
            return
        if not self._begun and (chunk.candidates or chunk.model_version or chunk.response_id):
            self._begin_answer(chunk, out)
        reason = None
        if chunk.candidates:
            candidate = chunk.candidates[0]
            if candidate.index:
                # Only one answer was asked for; another is somebody else's.
                candidate = next((other for other in chunk.candidates if not other.index), Candidate())
            reason = candidate.finish_reason
            if candidate.content is not None and candidate.content.parts:
                before = len(out)
                self._parts(candidate.content.parts, out)
                if self._finished and len(out) > before:
                    self._went_on = not reason
        # Before what may be a failure: nothing counts after it.
        if chunk.usage_metadata is not None and chunk.usage_metadata != self._counts:
            self._counts = chunk.usage_metadata
            self._report(out, usage_of(chunk.usage_metadata))
        if reason and not self._finished:
            self._stop(finish_of(reason), out)
        if chunk.prompt_feedback and not self._ended and (block := block_of(chunk.prompt_feedback)):
            self._block(block, out)

    def _begin_answer(self, chunk: Chunk, out: list[Delta]) -> None:
        self._begun = True
        model = chunk.model_version if isinstance(chunk.model_version, str) else ""
        response_id = chunk.response_id if isinstance(chunk.response_id, str) else ""
        out.append(ResponseInfo(model.removeprefix("models/"), response_id))

    def _parts(self, parts: list[Part], out: list[Delta]) -> None:
        for part in parts:
            text = part.text
            if text and text.__class__ is str and not part.thought_signature:
                self._said = True
                if part.thought:
                    out.append(ReasoningDelta(text, "summary"))
                else:
                    self._replay.texts.append(text)
                    out.append(TextDelta(text))
            else:
                self._rarer_part(part, out)

    def _rarer_part(self, part: Part, out: list[Delta]) -> None:
        """A call, or a text with a signature. Pictures and code that was run are not ours to show."""
        signature = part.thought_signature if isinstance(part.thought_signature, str) else ""
        if bytes(part.function_call) not in (b"", b"null"):
            self._said = True
            self._calls.feed(bytes(part.function_call), signature, out)
        elif isinstance(part.text, str) and signature:
            self._said = True
            if part.text:
                out.append(ReasoningDelta(part.text, "summary") if part.thought else TextDelta(part.text))
            self._replay.add_signed_text(part.text, signature, thought=bool(part.thought))

    def _end(self, out: list[Delta], *, trusted: bool = False) -> None:
        if self._went_on:
            self._finished = trusted = False
        super()._end(out, trusted=trusted)

    def _stop(self, finish: Finish | Failure | None, out: list[Delta]) -> None:
        if isinstance(finish, Failure):
            self._ended = True
            out.append(finish)
        elif finish is not None:
            if finish.reason == "stop":
                self._calls.close(out)
            self._finish(out, finish)

    def _block(self, reason: str, out: list[Delta]) -> None:
        if self._said:
            self._finish(out, Finish("content_filter", reason))
        elif not self._finished:
            self._error(blocked(reason), out)

    def _ran_out(self, out: list[Delta]) -> None:
        """An error in the middle of a stream may be bare JSON after the last event: to an event's lines it is noise."""
        if not self._finished:
            last = bytes(self._tail).replace(b"\r\n", b"\n").rpartition(b"\n\n")[2].strip()
            if last[:1] in (b"{", b"[") and b'"error"' in last:
                self._error(read_error(last), out)
                return
        self._end(out)

    def _value(self, data: bytes, out: list[Delta]) -> None:
        chunks, whole = read_chunks(data)
        for chunk in chunks:
            self._chunk(chunk, out)
            if self._ended:
                return
        if whole and not (self._begun or self._said):
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider's answer is no answer of this format")
            return
        # One whole object is an answer that was not streamed; an array, or a file of lines, may lack its end.
        self._end(out, trusted=whole and self._said and len(chunks) == 1 and data.lstrip()[:1] == b"{")
