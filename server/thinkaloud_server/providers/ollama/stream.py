"""Decodes one answer: JSON lines, the last of which says `done`. An answer that was not streamed is one such line.

An error is a line of its own, in an answer of status 200 (server/routes.go, streamResponse). Without `done` nothing
has ended well.
"""

from __future__ import annotations

from thinkaloud_server.core.delta import (
    Delta,
    Finish,
    FinishReason,
    ReasoningDelta,
    ResponseInfo,
    TextDelta,
    ToolCallDelta,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.framing import LineFramer
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.answer import FRAME_BYTES_MAX, AnswerDecoder, Classify
from thinkaloud_server.providers.error_body import read_error
from thinkaloud_server.providers.fact import count
from thinkaloud_server.providers.ollama.line import Call, Line, Piece, arguments_of, read_line
from thinkaloud_server.providers.ollama.replay import state_of

# "load" and "unload" answer requests without messages; a word that nobody knows is a plain stop.
_REASONS: dict[str, FinishReason] = {"length": "length", "tool_calls": "tool_calls", "content_filter": "content_filter"}


class OllamaDecoder(AnswerDecoder[bytes]):
    """A StreamDecoder (core/delta.py). `classify` says what an error's body means."""

    def __init__(self, *, classify: Classify, line_bytes_max: int = FRAME_BYTES_MAX) -> None:
        super().__init__(
            LineFramer(line_bytes_max=line_bytes_max),
            classify=classify,
            sniffs_json=False,
            answer_bytes_max=line_bytes_max,
        )
        self._begun = False
        self._calls = 0
        self._thinking: list[str] = []

    def _state(self) -> str:
        return state_of("".join(self._thinking))

    def _frame(self, frame: bytes, out: list[Delta], *, whole: bool) -> None:
        try:
            line = read_line(frame)
        except ValueError:
            if whole:
                self._fail(out, ErrorReason.UPSTREAM_PROTOCOL_ERROR, "the provider sent a line that is not JSON")
            return
        if line.error:
            self._error(read_error(frame), out)
            return
        if not self._begun and line.model:
            self._begun = True
            out.append(ResponseInfo(line.model))
        piece = line.message
        if piece is None and (line.response or line.thinking):
            piece = Piece(line.response, line.thinking)
        if piece is not None:
            self._piece(piece, out)
        if line.done:
            self._done(line, out)

    def _value(self, data: bytes, out: list[Delta]) -> None:
        """An answer that is one value is an answer of one line."""
        self._frame(data, out, whole=True)
        self._end(out)

    def _piece(self, piece: Piece, out: list[Delta]) -> None:
        if piece.thinking:
            self._said = True
            self._thinking.append(piece.thinking)
            out.append(ReasoningDelta(piece.thinking))
        if piece.content:
            self._said = True
            out.append(TextDelta(piece.content))
        if piece.tool_calls:
            for call in piece.tool_calls:
                self._call(call, out)

    def _call(self, call: Call, out: list[Delta]) -> None:
        """A call comes whole; `function.index` begins anew with each line and says nothing."""
        function = call.function
        if function is None or not isinstance(function.name, str) or not function.name:
            return
        self._said = True
        call_id = call.id if isinstance(call.id, str) else ""
        out.append(ToolCallDelta(self._calls, call_id, function.name, arguments_of(function)))
        self._calls += 1

    def _done(self, line: Line, out: list[Delta]) -> None:
        word = line.done_reason or ""
        self._finish(out, Finish(_REASONS.get(word, "stop"), word))
        counts = {"read": line.prompt_eval_count, "written": line.eval_count}
        usage = Usage(count(counts, "read"), count(counts, "written"))
        self._report(out, usage if usage != _NOTHING else None)
        self._end(out)


_NOTHING = Usage()
