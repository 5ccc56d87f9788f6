"""The demo models: what each one does on purpose, as payment APIs do with test cards.

Only `reasoner` keeps a real model's pace, so that people see it stream, and only `slow` is silent for long; all
others say what they have to say without delay, for tests and benches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

from thinkaloud_server.core.delta import Failure, Finish, ReasoningDelta, TextDelta, ToolCallDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelInfo, ModelRequest, Tool
from thinkaloud_server.providers.demo import example
from thinkaloud_server.providers.demo.question import Question, reasoning, think
from thinkaloud_server.providers.demo.step import Pause, Step, Steps
from thinkaloud_server.providers.demo.wording import awkward, pieces

FIRST_PAUSE_S = 0.08
PACE_S = 0.012
SILENCE_S = 5.0
SILENCE_S_MAX = 600.0
LONG_TOKENS = 5000
LONG_TOKENS_MAX = 200_000
RETRY_AFTER_S = 30.0

Scene = Callable[[Question, ModelRequest], Steps]


class _Spoken(NamedTuple):
    reasoning: list[str]
    text: list[str]


def _spoken(question: Question, request: ModelRequest) -> _Spoken:
    """The reasoning and the answer, in pieces, as the request limits and shapes them."""
    thought = think(question)
    thinking = pieces(reasoning(question, thought, request))
    if request.reasoning and request.reasoning.max_tokens is not None:
        thinking = thinking[: request.reasoning.max_tokens]
    return _Spoken(thinking, pieces(_shaped(thought.answer, request)))


def _shaped(answer: str, request: ModelRequest) -> str:
    form = request.response_format
    if form and form.type == "json_object":
        answer = json.dumps({"answer": answer}, ensure_ascii=False)
    elif form and form.type == "json_schema":
        answer = example.arguments(form.schema, answer)
    for stop in request.sampling.stop:
        if stop:
            answer = answer.partition(stop)[0]
    return answer


def _thinking(texts: Iterable[str], part: int = 0) -> Steps:
    return (ReasoningDelta(text, "raw", part) for text in texts)


def _saying(texts: Iterable[str], part: int = 0) -> Steps:
    return (TextDelta(text, part) for text in texts)


def _paced(steps: Iterable[Step]) -> Steps:
    for step in steps:
        yield Pause(PACE_S)
        yield step


def _reasoner(question: Question, request: ModelRequest) -> Steps:
    spoken = _spoken(question, request)
    yield Pause(FIRST_PAUSE_S)
    yield from _paced(_thinking(spoken.reasoning))
    yield from _paced(_saying(spoken.text))
    yield Finish("stop")


def _plain(question: Question, request: ModelRequest) -> Steps:
    yield from _saying(pieces(_shaped(think(question).answer, request)))
    yield Finish("stop")


def _reasoning_only(question: Question, request: ModelRequest) -> Steps:
    """It cannot be told not to think: effort none leaves it one step, for else it would say nothing at all."""
    thinking = _spoken(question, request).reasoning or pieces(think(question).steps[-1])
    yield from _thinking(thinking)
    yield Finish("stop")


def _tags(question: Question, request: ModelRequest) -> Steps:
    """Reasoning inside think tags of the text, cut without regard for the tags."""
    spoken = _spoken(question, request)
    thinking, text = "".join(spoken.reasoning), "".join(spoken.text)
    whole = f"<think>\n{thinking}\n</think>\n\n{text}" if thinking else text
    yield from _saying(awkward(whole, question.turn))
    yield Finish("stop")


def _tools(question: Question, request: ModelRequest) -> Steps:
    """Calls the named or the first tool, or every tool when the message says "every tool"; reads the results."""
    if question.results:
        told = " ".join(
            f"The tool {'failed' if result.is_error else 'answered'}: {result.result}" for result in question.results
        )
        yield from _saying(pieces(_shaped(told, request)))
        yield Finish("stop")
        return
    chosen = _chosen(question, request)
    if not chosen:
        why = "you gave me none" if not request.tools else f"tool_choice is {request.tool_choice!r}"
        yield from _saying(pieces(f"I would call a tool here, but {why}. Send tools with the request."))
        yield Finish("stop")
        return
    for index, tool in enumerate(chosen):
        yield ToolCallDelta(index, f"call_{question.turn:08x}{index}", tool.name)
        for piece in pieces(example.arguments(tool.parameters, question.text)):
            yield ToolCallDelta(index, arguments=piece)
    yield Finish("tool_calls")


def _chosen(question: Question, request: ModelRequest) -> tuple[Tool, ...]:
    if request.tool_choice == "none":
        return ()
    if request.tool_choice not in ("", "auto", "required"):
        return tuple(tool for tool in request.tools if tool.name == request.tool_choice)[:1]
    return request.tools if "every tool" in question.text.lower() else request.tools[:1]


def _slow(question: Question, request: ModelRequest) -> Steps:
    """Silent before it begins and again before it answers: the first number of the message, in seconds."""
    number = question.first_number
    silence = Pause(min(SILENCE_S if number is None else number, SILENCE_S_MAX))
    spoken = _spoken(question, request)
    yield silence
    yield from _thinking(spoken.reasoning)
    yield silence
    yield from _saying(spoken.text)
    yield Finish("stop")


def _long(question: Question, request: ModelRequest) -> Steps:
    """Counts from 1 to the first number of the message, a token each: what is lost or repeated shows at once."""
    number = question.first_number
    last = min(LONG_TOKENS if number is None else max(int(number), 1), LONG_TOKENS_MAX)
    yield from _saying(str(n) if n == 1 else f" {n}" for n in range(1, last + 1))
    yield Finish("stop")


def _interleaved(question: Question, request: ModelRequest) -> Steps:
    spoken = _spoken(question, request)
    thought, said = (len(spoken.reasoning) + 1) // 2, (len(spoken.text) + 1) // 2
    yield from _thinking(spoken.reasoning[:thought], 0)
    yield from _saying(spoken.text[:said], 1)
    yield from _thinking(spoken.reasoning[thought:], 2)
    yield from _saying(spoken.text[said:], 3)
    yield Finish("stop")


def _broken(reason: ErrorReason, message: str) -> Scene:
    """Thinks, says half of its answer, and fails."""

    def scene(question: Question, request: ModelRequest) -> Steps:
        spoken = _spoken(question, request)
        yield from _thinking(spoken.reasoning)
        yield from _saying(spoken.text[: (len(spoken.text) + 1) // 2])
        yield Failure(reason, message, 200)

    return scene


def _failing(failure: Failure) -> Scene:
    """Fails before it says anything."""
    return lambda question, request: iter((failure,))


def _empty(question: Question, request: ModelRequest) -> Steps:
    yield Finish("stop")


SCENES: Mapping[str, Scene] = {
    "reasoner": _reasoner,
    "plain": _plain,
    "reasoning-only": _reasoning_only,
    "tags": _tags,
    "tools": _tools,
    "slow": _slow,
    "long": _long,
    "interleaved": _interleaved,
    "truncated": _broken(ErrorReason.UPSTREAM_TRUNCATED, "the demo model's answer was cut, on purpose"),
    "error-mid": _broken(ErrorReason.UPSTREAM_ERROR, "the demo model failed while it answered, on purpose"),
    "error-before": _failing(
        Failure(ErrorReason.UPSTREAM_ERROR, "the demo model failed before it answered, on purpose", 500)
    ),
    "empty": _empty,
    "rate-limited": _failing(
        Failure(
            ErrorReason.UPSTREAM_RATE_LIMITED,
            "the demo model is rate limited, on purpose",
            429,
            retry_after_s=RETRY_AFTER_S,
            unprocessed=True,
        )
    ),
}

_WITHOUT_REASONING = frozenset({"plain", "tools", "long", "error-before", "empty", "rate-limited"})


def _info(name: str) -> ModelInfo:
    thinks: Literal["none", "optional", "mandatory"] = "none" if name in _WITHOUT_REASONING else "optional"
    if name == "reasoning-only":
        thinks = "mandatory"
    return ModelInfo(name, "demo", 131_072, LONG_TOKENS_MAX, thinks, tools=name == "tools")


MODELS: tuple[ModelInfo, ...] = tuple(_info(name) for name in SCENES)
