"""What decoding an answer is in every dialect: its form, its frames, its errors, and how it may end.

Theory of operation. The first byte that is no white space says what an answer is: "{" or "[" begin one JSON value
(servers that were asked to stream and did not), "<" a page of somebody's proxy, anything else the dialect's frames. A
dialect whose frames begin with "{" turns that off.

An answer ends well when the dialect says so; bytes that merely run out never do. What comes after the end is not
read. An error inside a stream of which something was said already is the provider's fault, whatever it says: the
request was good, and is not sent again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from thinkaloud_server.core.delta import Delta, EndOfStream, Failure, Finish, StateDelta, UsageReport
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.error_body import ErrorBody

# One frame, or one whole answer. Pictures in answers make events of megabytes.
FRAME_BYTES_MAX = 16 << 20

# What an error's body means: failure.stream_failure, bound to the endpoint.
Classify = Callable[[ErrorBody], Failure]

Frame = TypeVar("Frame")
Made = TypeVar("Made", covariant=True)


class Framer(Protocol[Made]):
    """Cuts bytes into frames; core/framing.py has those for events and lines."""

    def feed(self, data: bytes) -> Sequence[Made]: ...

    def end(self) -> Sequence[Made]: ...


class AnswerDecoder(ABC, Generic[Frame]):
    """A StreamDecoder (core/delta.py); a dialect says what a frame means, and what one JSON value does.

    `_said` is True once anything of the answer was told, `_finished` once a reason to finish was.
    """

    def __init__(
        self,
        framer: Framer[Frame],
        *,
        classify: Classify,
        sniffs_json: bool = True,
        answer_bytes_max: int = FRAME_BYTES_MAX,
    ) -> None:
        self._framer = framer
        self._classify = classify
        self._sniffs_json = sniffs_json
        self._bytes_max = answer_bytes_max
        # None until the first byte has said which; then the JSON so far, or "frames".
        self._form: bytearray | str | None = None
        self._usage: Usage | None = None
        self._said = False
        self._finished = False
        self._ended = False

    @abstractmethod
    def _frame(self, frame: Frame, out: list[Delta], *, whole: bool) -> None:
        """What one frame says. Not `whole` is the last one of an answer that was cut anywhere."""

    @abstractmethod
    def _value(self, data: bytes, out: list[Delta]) -> None:
        """What an answer that is one JSON value says; it must end it."""

    def _state(self) -> str:
        """The reasoning state to be replayed, as JSON text; "" when there is none."""
        return ""

    def _hear(self, data: bytes) -> None:
        """All bytes of an answer of frames, before they are cut."""

    def _ran_out(self, out: list[Delta]) -> None:
        """The bytes ran out, and no end mark was seen."""
        self._end(out)

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
            self._hear(data)
            try:
                frames = self._framer.feed(data)
            except ChatError as error:
                self._fail(out, error.reason, error.message)
                return out
            for frame in frames:
                self._frame(frame, out, whole=True)
                if self._ended:
                    break
        return out

    def end(self) -> Sequence[Delta]:
        """The bytes ran out."""
        out: list[Delta] = []
        if self._ended:
            return out
        if isinstance(self._form, bytearray):
            self._value(bytes(self._form), out)
            return out
        try:
            frames = self._framer.end()
        except ChatError as error:
            self._fail(out, error.reason, error.message)
            return out
        for frame in frames:
            # These bytes may have been cut anywhere: what cannot be read is then not the provider's fault.
            self._frame(frame, out, whole=False)
            if self._ended:
                return out
        self._ran_out(out)
        return out

    def _begin(self, data: bytes, out: list[Delta]) -> bytes:
        stripped = data.lstrip(b" \t\r\n\xef\xbb\xbf")
        if not stripped:
            return b""
        self._form = "frames"
        if self._sniffs_json and stripped[:1] in (b"{", b"["):
            self._form = bytearray()
        elif stripped[:1] == b"<":
            self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider answered with a page, not a stream")
        return stripped

    def _finish(self, out: list[Delta], finish: Finish) -> None:
        """Why the model stopped; the first word counts."""
        if not self._finished:
            self._finished = True
            out.append(finish)

    def _report(self, out: list[Delta], usage: Usage | None) -> None:
        """Token counts, told when they changed."""
        if usage is not None and usage != self._usage:
            self._usage = usage
            out.append(UsageReport(usage))

    def _error(self, body: ErrorBody, out: list[Delta]) -> None:
        """An error in the stream."""
        failure = self._classify(body)
        if self._said:
            reason = failure.reason
            if reason is ErrorReason.VALIDATION_FAILED:
                reason = ErrorReason.UPSTREAM_ERROR
            failure = replace(failure, reason=reason, reasoning_refused=False, unprocessed=False)
        self._ended = True
        out.append(failure)

    def _fail(self, out: list[Delta], reason: ErrorReason, message: str) -> None:
        self._ended = True
        out.append(Failure(reason, message))

    def _end(self, out: list[Delta], *, trusted: bool = False) -> None:
        """The end: a good one when a reason to finish was given, or when the end mark alone is `trusted`."""
        if self._ended:
            return
        if self._finished or trusted:
            if payload := self._state():
                out.append(StateDelta(payload))
            self._ended = True
            out.append(EndOfStream())
        else:
            message = "the provider's stream ended too soon: it did not say that it is done"
            self._fail(out, ErrorReason.UPSTREAM_TRUNCATED, message)
