"""The demo models: each does on purpose what its name says, and says the same thing every time."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest

from fakes.clock import FakeClock
from thinkaloud_server.core.delta import (
    Delta,
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
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.request import (
    EFFORTS,
    Effort,
    ModelRequest,
    ReasoningControl,
    ResponseFormat,
    Sampling,
    Tool,
)
from thinkaloud_server.engine.demo import BATCH_DELTAS_MAX, DemoProvider
from thinkaloud_server.engine.ports import AttemptTrace, Provider
from thinkaloud_server.providers.demo import MODELS, Pause, Step, script

NAMES = [model.name for model in MODELS]
TIMES = "What is 17*23? think first"
WEATHER = Tool(
    "get_weather",
    "The weather of a place.",
    json.dumps({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}),
)
CLOCK = Tool("get_time", "", "{}")


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def ask(model: str, text: str = TIMES, **fields: Any) -> list[Step]:
    return list(script(model, ModelRequest(model, (user(text),), **fields)))


def said(steps: list[Step]) -> list[Delta]:
    return [step for step in steps if not isinstance(step, Pause)]


def reasoning(steps: list[Step]) -> str:
    return "".join(step.text for step in steps if isinstance(step, ReasoningDelta))


def text(steps: list[Step]) -> str:
    return "".join(step.text for step in steps if isinstance(step, TextDelta))


def finish(steps: list[Step]) -> str:
    (found,) = (step for step in steps if isinstance(step, Finish))
    return found.reason


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_has_the_grammar_of_deltas(name: str) -> None:
    deltas = said(ask(name))
    ends = [delta for delta in deltas if isinstance(delta, EndOfStream | Failure)]
    assert ends == deltas[-1:]
    if isinstance(deltas[-1], EndOfStream):
        assert [type(delta) for delta in deltas[-3:]] == [Finish, UsageReport, EndOfStream]
    if len(deltas) > 1:
        assert [at for at, delta in enumerate(deltas) if isinstance(delta, ResponseInfo)] == [0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [None, 1, 7])
def test_the_same_request_gets_the_same_answer(name: str, seed: int | None) -> None:
    sampling = Sampling(seed=seed)
    assert ask(name, sampling=sampling) == ask(name, sampling=sampling)


def test_the_seed_varies_the_wording_and_never_the_answer() -> None:
    answers = [ask("reasoner", sampling=Sampling(seed=seed)) for seed in range(20)]
    assert len({reasoning(steps) for steps in answers}) > 1
    assert {text(steps) for steps in answers} == {"17*23 = 391."}


def test_the_models_are_those_of_the_contract() -> None:
    first = ["reasoner", "plain", "reasoning-only", "tags", "tools", "slow", "long", "interleaved"]
    assert [*first, "truncated", "error-mid", "error-before", "empty", "rate-limited"] == NAMES
    assert all(model.id == f"demo/{model.name}" for model in MODELS)
    assert [model.name for model in MODELS if model.tools] == ["tools"]


def test_a_model_that_is_not_there_fails_as_a_provider_would() -> None:
    (failure,) = ask("oracle")
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.status) == (ErrorReason.MODEL_NOT_FOUND, 404)
    assert "reasoner" in failure.message


def test_the_reasoner_really_computes_before_it_answers() -> None:
    steps = ask("reasoner")
    assert "17*20 = 340, 17*3 = 51, 340 + 51 = 391" in reasoning(steps)
    assert text(steps) == "17*23 = 391."
    kinds = [type(step) for step in steps if isinstance(step, ReasoningDelta | TextDelta)]
    assert kinds == sorted(kinds, key=lambda kind: kind is TextDelta)


def test_the_reasoner_keeps_the_pace_of_a_model() -> None:
    steps = ask("reasoner")
    pauses = [step.seconds for step in steps if isinstance(step, Pause)]
    spoken = [step for step in steps if isinstance(step, ReasoningDelta | TextDelta)]
    assert len(pauses) == len(spoken) + 1
    assert 0.3 < sum(pauses) < 3


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("reasoner", "slow")])
def test_other_models_do_not_wait(name: str) -> None:
    assert not [step for step in ask(name) if isinstance(step, Pause)]


def test_more_effort_is_more_reasoning() -> None:
    lengths = [len(reasoning(ask("reasoner", reasoning=ReasoningControl(effort=effort)))) for effort in EFFORTS]
    assert lengths[0] == 0
    assert all(less < more for less, more in pairwise(lengths))


@pytest.mark.parametrize("effort", EFFORTS)
def test_the_answer_does_not_depend_on_the_effort(effort: Effort) -> None:
    assert text(ask("reasoner", reasoning=ReasoningControl(effort=effort))) == "17*23 = 391."


def test_a_reasoning_budget_is_kept() -> None:
    steps = ask("reasoner", reasoning=ReasoningControl(max_tokens=5))
    assert sum(isinstance(step, ReasoningDelta) for step in steps) == 5
    assert text(steps) == "17*23 = 391."


def test_plain_only_answers() -> None:
    steps = ask("plain", "What is the capital of Kenya?")
    assert (reasoning(steps), text(steps), finish(steps)) == ("", "The capital of Kenya is Nairobi.", "stop")


@pytest.mark.parametrize("effort", [None, *EFFORTS])
def test_reasoning_only_never_answers_and_always_thinks(effort: Effort | None) -> None:
    steps = ask("reasoning-only", reasoning=ReasoningControl(effort=effort))
    assert text(steps) == ""
    assert "391" in reasoning(steps)


def test_tags_writes_its_reasoning_into_the_text_and_cuts_the_tags() -> None:
    steps = ask("tags")
    whole = text(steps)
    assert reasoning(steps) == ""
    assert whole.startswith("<think>\n")
    assert whole.endswith("\n</think>\n\n17*23 = 391.")
    assert not [step for step in steps if isinstance(step, TextDelta) and "think>" in step.text]
    assert text(ask("tags", reasoning=ReasoningControl(effort="none"))) == "17*23 = 391."


def test_interleaved_thinks_and_answers_by_turns() -> None:
    steps = ask("interleaved")
    spoken = [step for step in steps if isinstance(step, ReasoningDelta | TextDelta)]
    parts = [(type(step), step.part) for step in spoken]
    assert list(dict.fromkeys(parts)) == [(ReasoningDelta, 0), (TextDelta, 1), (ReasoningDelta, 2), (TextDelta, 3)]
    assert parts == sorted(parts, key=lambda part: part[1])
    assert text(steps) == "17*23 = 391."


@pytest.mark.parametrize(("prompt", "seconds"), [("0.25 please", 0.25), ("be slow", 5.0), ("99999", 600.0), ("0", 0.0)])
def test_slow_is_silent_before_it_thinks_and_before_it_answers(prompt: str, seconds: float) -> None:
    steps = ask("slow", prompt)
    assert [step for step in steps if isinstance(step, Pause)] == [Pause(seconds)] * 2
    assert steps[0] == Pause(seconds)
    assert isinstance(steps[steps.index(Pause(seconds), 1) + 1], TextDelta)


@pytest.mark.parametrize(("prompt", "last"), [("count to 12", 12), ("go", 5000), ("0", 1), ("9999999", 200_000)])
def test_long_counts_as_far_as_it_is_told(prompt: str, last: int) -> None:
    steps = ask("long", prompt)
    assert text(steps) == " ".join(map(str, range(1, last + 1)))
    assert sum(isinstance(step, TextDelta) for step in steps) == last


@pytest.mark.parametrize(
    ("name", "reason"),
    [("truncated", ErrorReason.UPSTREAM_TRUNCATED), ("error-mid", ErrorReason.UPSTREAM_ERROR)],
)
def test_a_broken_answer_is_half_said(name: str, reason: ErrorReason) -> None:
    steps = ask(name)
    assert isinstance(steps[-1], Failure)
    assert (steps[-1].reason, steps[-1].status) == (reason, 200)
    assert reasoning(steps)
    assert text(steps)
    assert "17*23 = 391.".startswith(text(steps))
    assert text(steps) != "17*23 = 391."


def test_error_before_says_nothing_but_500() -> None:
    (failure,) = ask("error-before")
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.status, failure.unprocessed) == (ErrorReason.UPSTREAM_ERROR, 500, False)


def test_rate_limited_says_when_to_come_back() -> None:
    (failure,) = ask("rate-limited")
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.status) == (ErrorReason.UPSTREAM_RATE_LIMITED, 429)
    assert (failure.retry_after_s, failure.unprocessed) == (30.0, True)


def test_empty_stops_without_a_word() -> None:
    steps = ask("empty")
    assert (reasoning(steps), text(steps), finish(steps)) == ("", "", "stop")


def test_tools_calls_the_first_tool_in_fragments() -> None:
    steps = ask("tools", "What is the weather in New York?", tools=(WEATHER, CLOCK))
    calls = [step for step in steps if isinstance(step, ToolCallDelta)]
    assert (calls[0].name, calls[0].id[:5]) == ("get_weather", "call_")
    assert len(calls) > 3
    assert json.loads("".join(call.arguments for call in calls)) == {"city": "New York"}
    assert finish(steps) == "tool_calls"


@pytest.mark.parametrize(
    ("choice", "prompt", "called"),
    [
        ("", "go", ["get_weather"]),
        ("auto", "go", ["get_weather"]),
        ("required", "go", ["get_weather"]),
        ("get_time", "go", ["get_time"]),
        ("none", "go", []),
        ("unknown", "go", []),
        ("", "Call every tool.", ["get_weather", "get_time"]),
    ],
)
def test_tools_calls_what_it_is_told_to(choice: str, prompt: str, called: list[str]) -> None:
    steps = ask("tools", prompt, tools=(WEATHER, CLOCK), tool_choice=choice)
    calls = [step for step in steps if isinstance(step, ToolCallDelta) and step.name]
    assert [call.name for call in calls] == called
    assert len({call.id for call in calls}) == len(calls)
    assert bool(text(steps)) == (not called)


def test_tools_without_tools_says_so() -> None:
    steps = ask("tools")
    assert "you gave me none" in text(steps)
    assert finish(steps) == "stop"


def test_tools_reads_what_the_tools_answered() -> None:
    messages = (
        user("What is the weather in Rome?"),
        Message("assistant", (ToolCall("call_1", "get_weather", '{"city": "Rome"}'),)),
        Message("tool", (ToolResult("call_1", "18 degrees"), ToolResult("call_2", "no such place", is_error=True))),
    )
    steps = list(script("tools", ModelRequest("tools", messages, tools=(WEATHER,))))
    assert text(steps) == "The tool answered: 18 degrees The tool failed: no such place"
    assert finish(steps) == "stop"


def test_the_output_limit_ends_the_answer_and_is_told() -> None:
    steps = ask("long", "100", sampling=Sampling(max_output_tokens=10))
    assert text(steps) == "1 2 3 4 5 6 7 8 9 10"
    assert finish(steps) == "length"


def test_an_answer_of_just_the_limit_is_cut_by_nothing_but_its_end() -> None:
    steps = ask("long", "10", sampling=Sampling(max_output_tokens=11))
    assert (text(steps)[-2:], finish(steps)) == ("10", "stop")


@pytest.mark.parametrize(("stop", "expected"), [(("=",), "17*23 "), (("?", "9"), "17*23 = 3"), (("",), "17*23 = 391.")])
def test_stop_strings_end_the_answer(stop: tuple[str, ...], expected: str) -> None:
    assert text(ask("plain", sampling=Sampling(stop=stop))) == expected


def test_the_form_of_the_answer_is_kept() -> None:
    form = ResponseFormat("json_object")
    assert json.loads(text(ask("plain", response_format=form))) == {"answer": "17*23 = 391."}
    schema = {"type": "object", "properties": {"content": {"type": "string"}}, "required": ["content"]}
    form = ResponseFormat("json_schema", "reply", json.dumps(schema))
    assert json.loads(text(ask("plain", response_format=form))) == {"content": "17*23 = 391."}


def test_usage_counts_what_was_said() -> None:
    steps = ask("reasoner")
    (report,) = (step for step in steps if isinstance(step, UsageReport))
    thought = sum(isinstance(step, ReasoningDelta) for step in steps)
    spoken = sum(isinstance(step, TextDelta) for step in steps)
    assert (report.usage.reasoning_tokens, report.usage.output_tokens) == (thought, thought + spoken)
    assert report.usage.input_tokens == 3 + (len(TIMES) + 3) // 4


def test_pictures_are_not_claimed_to_be_seen() -> None:
    message = Message("user", (TextPart("What is 1+1?"), ImagePart(url="https://example.com/a.png")))
    assert "cannot see pictures" in text(list(script("plain", ModelRequest("plain", (message,)))))


@pytest.mark.parametrize("messages", [(), (Message("system", (TextPart("Be kind."),)),), (user(""),)])
def test_a_request_without_a_question_gets_an_answer(messages: tuple[Message, ...]) -> None:
    assert "no language model" in text(list(script("reasoner", ModelRequest("reasoner", messages))))


def test_the_last_user_message_is_the_question() -> None:
    history = (user("What is 1+1?"), Message("assistant", (TextPart("2"),)), user("What is 2+3?"))
    assert text(list(script("plain", ModelRequest("plain", history)))) == "2 + 3 = 5."


# The provider that plays the scripts.


async def play(provider: DemoProvider, request: ModelRequest, trace: AttemptTrace) -> list[tuple[Delta, ...]]:
    async with provider.stream(request, request_id="r", trace=trace) as batches:
        return [tuple(batch) async for batch in batches]


@pytest.mark.parametrize("name", NAMES)
async def test_the_provider_plays_the_script_and_nothing_else(name: str) -> None:
    request = ModelRequest(name, (user("What is 17*23?"),))
    batches = await play(DemoProvider(clock=FakeClock(), pace=0), request, AttemptTrace())
    assert [delta for batch in batches for delta in batch] == said(list(script(name, request)))
    assert all(0 < len(batch) <= BATCH_DELTAS_MAX for batch in batches)


@pytest.mark.parametrize(("name", "status"), [("plain", 200), ("error-before", 500), ("rate-limited", 429)])
async def test_the_trace_tells_of_the_attempt(name: str, status: int) -> None:
    trace = AttemptTrace()
    await play(DemoProvider(clock=FakeClock(), pace=0), ModelRequest(name, (user("hi"),)), trace)
    assert (trace.sent, trace.status, trace.connect_ms) == (True, status, 0.0)
    assert trace.first_byte_ms == 0.0


class LoopClock(FakeClock):
    """The time of the running loop, in which scripts sleep."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


async def test_the_pace_is_kept_in_time_and_the_trace_tells_the_time_it_took() -> None:
    clock = LoopClock()
    begun = clock.monotonic()
    trace = AttemptTrace()
    await play(DemoProvider(clock=clock), ModelRequest("slow", (user("0.05"),)), trace)
    took_s = clock.monotonic() - begun
    assert took_s >= 0.099
    assert 49.9 <= trace.first_byte_ms <= took_s * 1000 - 49


async def test_a_stop_ends_a_silence_at_once() -> None:
    trace = AttemptTrace()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await play(DemoProvider(clock=FakeClock()), ModelRequest("slow", (user("600"),)), trace)
    assert (trace.sent, trace.status) == (True, 0)


async def test_a_long_script_lets_others_run() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(count())
    batches = await play(DemoProvider(clock=FakeClock()), ModelRequest("long", (user("1000"),)), AttemptTrace())
    task.cancel()
    assert turns >= len(batches) - 1


async def test_leaving_early_is_allowed() -> None:
    request = ModelRequest("long", (user("1000"),))
    async with DemoProvider(clock=FakeClock()).stream(request, request_id="r", trace=AttemptTrace()) as batches:
        assert len(await anext(batches)) == BATCH_DELTAS_MAX


async def test_the_provider_fits_its_seam() -> None:
    provider: Provider = DemoProvider(clock=FakeClock())
    assert (provider.name, provider.dialect, provider.base_url) == ("demo", "demo", "")
    assert {name: provider.think_tags(name) for name in ("tags", "reasoner")} == {"tags": "auto", "reasoner": "off"}
    assert await provider.models() == MODELS
    assert provider.lists_all
