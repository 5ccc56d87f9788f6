"""The script of one answer: deltas and the pauses between them, as a pure function of the request.

A scene says what a model does; here its steps become a whole answer: a beginning, a limit, counted tokens, an end.
"""

from __future__ import annotations

from thinkaloud_server.core.delta import (
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    ResponseInfo,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.message import ToolCall, ToolResult
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.demo.question import read
from thinkaloud_server.providers.demo.scenes import SCENES
from thinkaloud_server.providers.demo.step import Pause, Steps
from thinkaloud_server.providers.demo.wording import count

_SAID = (ReasoningDelta, TextDelta, ToolCallDelta)
_SILENT = (Pause, Failure)


def script(model: str, request: ModelRequest) -> Steps:
    """What this demo model does with the request; it ends with EndOfStream or Failure, as every answer."""
    scene = SCENES.get(model)
    if scene is None:
        known = ", ".join(SCENES)
        yield Failure(ErrorReason.MODEL_NOT_FOUND, f"there is no demo model {model!r}; there are {known}", 404)
        return
    question = read(request)
    info = ResponseInfo(model, f"demo-{question.turn:08x}")
    yield from _whole(scene(question, request), request, info)


def _whole(steps: Steps, request: ModelRequest, info: ResponseInfo) -> Steps:
    """The steps between `info` and the end, cut at max_output_tokens; each piece counts as one token."""
    limit = request.sampling.max_output_tokens
    reasoning = written = 0
    begun = False
    finish = Finish("stop", "end_of_script")
    for step in steps:
        if not begun and not isinstance(step, _SILENT):
            begun = True
            yield info
        if isinstance(step, Finish):
            finish = step
            break
        yield step
        if isinstance(step, Failure):
            return
        if isinstance(step, _SAID):
            written += 1
            reasoning += isinstance(step, ReasoningDelta)
            if written == limit:
                finish = Finish("length", "max_output_tokens")
                break
    yield finish
    yield UsageReport(Usage(_read(request), written, reasoning))
    yield EndOfStream()


def _read(request: ModelRequest) -> int:
    """About how many tokens the request has: its texts, and a few for the frame of each message."""
    tokens = 0
    for message in request.messages:
        tokens += 3 + count(message.text)
        for part in message.parts:
            if isinstance(part, ToolCall):
                tokens += count(part.name) + count(part.arguments)
            elif isinstance(part, ToolResult):
                tokens += count(part.result)
    return tokens
