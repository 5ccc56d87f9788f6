"""core/assembler.py: the vectors, whole and cut elsewhere, and the grammar of what comes out."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.grammar import check_body, check_log, check_run
from fakes.run_vectors import RunVector, answer_json, run_vectors
from thinkaloud_server.core.assembler import Answer, Assembler
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    FinishReason,
    ReasoningDelta,
    RefusalDelta,
    StateDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.event import (
    Action,
    Complete,
    Error,
    Event,
    Logged,
    Progress,
    Reasoning,
    Start,
    Token,
    ToolCallEvent,
)
from thinkaloud_server.core.message import ToolCall
from thinkaloud_server.core.think import ThinkMode
from thinkaloud_server.core.usage import Timing, Usage

VECTORS = run_vectors()
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=[vector.name for vector in VECTORS])

START = Start("run_1", "conv_1", "msg_1", "demo/x", "demo", "request", resumable=True)


def run(deltas: Iterable[Delta], think_tags: ThinkMode = "auto") -> tuple[list[Event], Answer]:
    assembler = Assembler(think_tags=think_tags)
    events = [event for delta in deltas for event in assembler.feed(delta)]
    events += assembler.end()
    return events, assembler.answer


def complete(answer: Answer) -> Complete:
    """The terminal event as the engine makes it of an answer, near enough for the grammar."""
    return Complete(
        response=answer.text,
        reasoning=answer.reasoning,
        finish_reason=answer.finish or "stop",
        model="demo/x",
        provider="demo",
        reasoning_used=answer.reasoning_used,
        reasoning_only=bool(answer.reasoning and not answer.text and not answer.tool_calls),
        usage=answer.usage,
        timing=Timing(),
        attempts=(),
        conversation_id="conv_1",
        message_id="msg_1",
        run_id="run_1",
        tool_calls=answer.tool_calls,
    )


ERROR = Error("UPSTREAM_TRUNCATED", "broke off", "request", partial=True)


def whole_run(events: Sequence[Event], answer: Answer) -> list[Event]:
    return [START, *events, complete(answer) if answer.failure is None else ERROR]


def merged(events: Iterable[Event]) -> list[Event]:
    """Neighbouring pieces of one part, or of one call, made one."""
    found: list[Event] = []
    for event in events:
        last = found[-1] if found else None
        match event, last:
            case Token(), Token() if event.index == last.index:
                found[-1] = replace(last, token=last.token + event.token)
            case Reasoning(), Reasoning() if event.index == last.index:
                found[-1] = replace(last, token=last.token + event.token)
            case ToolCallEvent(), ToolCallEvent() if event.id == last.id:
                found[-1] = replace(event, arguments_delta=last.arguments_delta + event.arguments_delta)
            case _:
                found.append(event)
    return found


def pieces(delta: Delta, dice: random.Random, size_max: int) -> list[Delta]:
    """The same delta in pieces of 1 to `size_max` characters."""

    def cut(text: str) -> list[str]:
        found = []
        while text:
            size = dice.randint(1, size_max)
            found.append(text[:size])
            text = text[size:]
        return found

    match delta:
        case TextDelta() | ReasoningDelta() | RefusalDelta():
            return [replace(delta, text=text) for text in cut(delta.text)]
        case ToolCallDelta() if delta.arguments:
            first, *rest = cut(delta.arguments)
            return [replace(delta, arguments=first), *(ToolCallDelta(delta.index, arguments=text) for text in rest)]
        case _:
            return [delta]


def cut_elsewhere(deltas: Iterable[Delta], dice: random.Random, size_max: int) -> list[Delta]:
    return [piece for delta in deltas for piece in pieces(delta, dice, size_max)]


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 30


@each_vector
def test_a_vector_gives_its_events_and_its_answer(vector: RunVector) -> None:
    events, answer = run(vector.deltas, vector.think_tags)
    assert events == list(vector.events)
    assert answer_json(answer) == vector.answer


@each_vector
def test_a_vector_is_a_run(vector: RunVector) -> None:
    check_run(whole_run(*run(vector.deltas, vector.think_tags)))


@each_vector
def test_what_clients_join_is_the_answer(vector: RunVector) -> None:
    answer = vector.answer
    assert "".join(event.token for event in vector.events if isinstance(event, Token)) == answer["text"]
    assert "".join(event.token for event in vector.events if isinstance(event, Reasoning)) == answer["reasoning"]
    done = [event for event in vector.events if isinstance(event, ToolCallEvent) and event.done]
    calls = [{"id": event.id, "name": event.name, "arguments": event.arguments} for event in done]
    assert calls == answer["tool_calls"]


@each_vector
def test_cutting_the_deltas_elsewhere_changes_nothing(vector: RunVector) -> None:
    events, answer = run(vector.deltas, vector.think_tags)
    dice = random.Random(vector.name)
    for size_max in [1, 2, *[5] * 10]:
        cut_events, cut_answer = run(cut_elsewhere(vector.deltas, dice, size_max), vector.think_tags)
        assert cut_answer == answer
        assert merged(cut_events) == merged(events)
        check_run(whole_run(cut_events, cut_answer))


TEXT = st.sampled_from(["a", "b\n", "<think>", "</think>", "<thi", "nk>", "<tool_call>", " ", "\n", "`", "é🤔"])
DELTAS = st.lists(
    st.one_of(
        st.builds(TextDelta, TEXT, st.integers(0, 1)),
        st.builds(ReasoningDelta, TEXT, st.sampled_from(["raw", "summary", "plan"]), st.integers(0, 2)),
        st.builds(RefusalDelta, TEXT),
        st.builds(
            ToolCallDelta,
            st.integers(0, 1),
            st.sampled_from(["", "x", "y"]),
            st.sampled_from(["", "f"]),
            st.sampled_from(["", "{", "}"]),
        ),
        st.builds(StateDelta, st.just("[]")),
        st.builds(UsageReport, st.builds(Usage, st.integers(0, 9))),
        st.builds(Finish, st.sampled_from(["stop", "length", "tool_calls"])),
    ),
    max_size=15,
)
ENDS = st.sampled_from([[], [EndOfStream()], [Failure(ErrorReason.UPSTREAM_TRUNCATED, "broke off")]])


@settings(max_examples=300)
@given(DELTAS, ENDS, st.sampled_from(["auto", "inside", "off", "anywhere"]), st.randoms(use_true_random=False))
def test_whatever_a_decoder_says_the_run_is_one_and_cutting_changes_nothing(
    deltas: list[Delta], end: list[Delta], think_tags: ThinkMode, dice: random.Random
) -> None:
    events, answer = run(deltas + end, think_tags)
    check_run(whole_run(events, answer))
    texts = [delta for delta in deltas if not isinstance(delta, ToolCallDelta)]
    whole_events, whole_answer = run(texts + end, think_tags)
    cut_events, cut_answer = run([*cut_elsewhere(texts, dice, 3), *end], think_tags)
    assert cut_answer == whole_answer
    assert merged(cut_events) == merged(whole_events)


def test_text_comes_at_once() -> None:
    assembler = Assembler()
    assert assembler.feed(TextDelta("a")) == [Token("a", 0)]
    assert assembler.feed(TextDelta("b")) == [Token("b", 0)]
    assert assembler.answer.text == "ab"
    assert not assembler.answer.ended


def test_held_text_belongs_to_the_provider_part_it_came_in() -> None:
    events, _ = run([TextDelta("a", 0), TextDelta("b", 1), TextDelta(" <", 1), EndOfStream()])
    assert events == [Token("a", 0), Token("b", 1), Token(" ", 1), Token("<", 1)]


def test_held_text_comes_before_a_tool_call() -> None:
    events, _ = run([TextDelta("a <"), ToolCallDelta(0, "c", "f", "{}"), EndOfStream()])
    assert events[:3] == [Token("a ", 0), Token("<", 0), ToolCallEvent("c", "f", "{}")]


def test_held_text_comes_before_a_refusal() -> None:
    events, answer = run([TextDelta("a <"), RefusalDelta("no"), EndOfStream()])
    assert events == [Token("a ", 0), Token("<", 0), Token("no", 1)]
    assert (answer.text, answer.refusal) == ("a <no", "no")


def test_end_gives_nothing_twice() -> None:
    assembler = Assembler()
    assembler.feed(TextDelta("<"))
    assembler.feed(ToolCallDelta(0, "c", "f", "{}"))
    assembler.feed(EndOfStream())
    assert assembler.end()
    answer = assembler.answer
    assert assembler.end() == []
    assert assembler.answer == answer


@pytest.mark.parametrize("last", [EndOfStream(), Failure(ErrorReason.UPSTREAM_ERROR, "no")])
def test_nothing_counts_after_the_end(last: Delta) -> None:
    assembler = Assembler()
    assembler.feed(last)
    answer = assembler.answer
    for delta in (TextDelta("a"), ReasoningDelta("a"), ToolCallDelta(0, "c", "f"), Finish("stop"), EndOfStream()):
        assert assembler.feed(delta) == []
    assert assembler.end() == []
    assert assembler.answer == answer


CALL = ToolCallDelta(0, "c", "f", "{}")
FAILURE = Failure(ErrorReason.UPSTREAM_TRUNCATED, "broke off")


@pytest.mark.parametrize(
    ("deltas", "done"),
    [
        ([CALL, Finish("tool_calls"), EndOfStream()], True),
        ([CALL, EndOfStream()], True),
        ([CALL, Finish("tool_calls")], True),
        ([CALL], False),
        ([CALL, FAILURE], False),
        ([CALL, Finish("tool_calls"), FAILURE], False),
    ],
    ids=["finished", "no finish", "stopped after the finish", "stopped", "failed", "failed after the finish"],
)
def test_a_call_is_done_only_when_the_provider_was(deltas: list[Delta], done: bool) -> None:
    events, answer = run(deltas)
    assert [event.done for event in events if isinstance(event, ToolCallEvent)] == [False, True][: 1 + done]
    assert answer.tool_calls == ((ToolCall("c", "f", "{}"),) if done else ())


@pytest.mark.parametrize(
    ("reason", "arguments"), [("tool_calls", "{}"), ("stop", "{}"), ("length", ""), ("content_filter", "")]
)
def test_arguments_that_never_came_are_none_unless_the_answer_was_cut_off(reason: FinishReason, arguments: str) -> None:
    _, answer = run([ToolCallDelta(0, "c", "f"), Finish(reason), EndOfStream()])
    assert answer.tool_calls == (ToolCall("c", "f", arguments),)


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", None])
def test_stop_with_calls_means_tool_calls(reason: str | None) -> None:
    finish: list[Delta] = [Finish(reason, "native")] if reason else []  # type: ignore[arg-type]
    _, answer = run([CALL, *finish, EndOfStream()])
    assert answer.finish == ("tool_calls" if reason in ("stop", None) else reason)
    assert answer.native_finish == ("native" if reason else "")


@pytest.mark.parametrize(
    ("deltas", "empty"),
    [
        ([Finish("stop"), EndOfStream()], True),
        ([EndOfStream()], True),
        ([TextDelta("<think>\n</think>\n"), Finish("stop"), EndOfStream()], True),
        ([Finish("stop")], False),
        ([Finish("length"), EndOfStream()], False),
        ([Finish("content_filter"), EndOfStream()], False),
        ([FAILURE], False),
        ([TextDelta("a"), Finish("stop"), EndOfStream()], False),
        ([ReasoningDelta("a"), Finish("stop"), EndOfStream()], False),
        ([RefusalDelta("a"), Finish("stop"), EndOfStream()], False),
        ([StateDelta("[]"), Finish("stop"), EndOfStream()], False),
        ([UsageReport(Usage(1, 1, 1)), Finish("stop"), EndOfStream()], False),
        ([UsageReport(Usage(1, 1)), Finish("stop"), EndOfStream()], True),
        ([CALL, Finish("stop"), EndOfStream()], False),
    ],
)
def test_empty_is_an_answer_that_ended_well_and_holds_nothing(deltas: list[Delta], empty: bool) -> None:
    assert run(deltas)[1].empty is empty


# The recogniser itself.


def test_the_recogniser_accepts_a_log() -> None:
    events: list[Event] = [
        START,
        Progress(1, 5),
        Reasoning("a"),
        Token("b", 1),
        complete(run([ReasoningDelta("a"), TextDelta("b")])[1]),
    ]
    check_log([Logged(number, event) for number, event in enumerate(events, 1)])
    with pytest.raises(AssertionError, match="numbers rise by one"):
        check_log([Logged(number, event) for number, event in enumerate(events)])


def test_the_recogniser_knows_one_action_after_another() -> None:
    actions = [Action("a", "x", "{}", "started"), Action("b", "x", "{}", "started"), Action("a", "x", "{}", "failed")]
    check_body([*actions, Progress(2, 5), Token("a", 0)])


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([], id="nothing"),
        pytest.param([START], id="no end"),
        pytest.param([ERROR], id="no start"),
        pytest.param([START, START, ERROR], id="two starts"),
        pytest.param([START, ERROR, ERROR], id="two ends"),
        pytest.param([START, ERROR, Token("a")], id="after the end"),
        pytest.param([START, Token("a", 1), ERROR], id="part 0 missing"),
        pytest.param([START, Token("a", 0), Reasoning("a", index=2), ERROR], id="part left out"),
        pytest.param([START, Token("a", 0), Reasoning("a", index=0), ERROR], id="part of two kinds"),
        pytest.param([START, Reasoning("a", "raw", 0), Reasoning("a", "plan", 0), ERROR], id="two kinds of reasoning"),
        pytest.param([START, Token("a", 0), Reasoning("a", index=1), Token("a", 0), ERROR], id="part comes back"),
        pytest.param([START, Token("", 0), ERROR], id="empty token"),
        pytest.param([START, Reasoning(""), ERROR], id="empty reasoning"),
        pytest.param([START, ToolCallEvent("", "f"), ERROR], id="call without id"),
        pytest.param([START, ToolCallEvent("a", ""), ERROR], id="call without name"),
        pytest.param([START, ToolCallEvent("a", "f"), ToolCallEvent("a", "g"), ERROR], id="call changes its name"),
        pytest.param([START, *[ToolCallEvent("a", "f", "{}", True, "{}")] * 2, ERROR], id="call done twice"),
        pytest.param([START, ToolCallEvent("a", "f", "{", True, "{}"), ERROR], id="arguments not joined"),
        pytest.param([START, ToolCallEvent("a", "f", "{", False, "{"), ERROR], id="whole arguments early"),
        pytest.param([START, Action("a", "x", "{}", "completed"), ERROR], id="action not started"),
        pytest.param([START, Token("a"), complete(run([TextDelta("b")])[1])], id="response is not the tokens"),
        pytest.param(
            [START, Reasoning("a"), complete(run([ReasoningDelta("b")])[1])], id="reasoning is not the tokens"
        ),
    ],
)
def test_the_recogniser_refuses_what_is_no_run(events: list[Event]) -> None:
    with pytest.raises(AssertionError):
        check_run(events)
