"""The fold: events in, result out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf import json_format

from thinkaloud import (
    Action,
    ActionResult,
    Complete,
    Error,
    Event,
    Fold,
    Heartbeat,
    Message,
    Progress,
    Reasoning,
    Result,
    Start,
    Status,
    Token,
    ToolCall,
    ToolRequest,
    Usage,
    Warning,
)
from thinkaloud.events import from_proto
from thinkaloud.v1 import event_pb2

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "runs").glob("*.json"))
START = Start("run_1", "conv_1", "msg_1", "p/m", "p", sequence=1)


def fold(*events: Event) -> Result:
    folding = Fold()
    for event in events:
        folding.feed(event)
    return folding.result()


def test_nothing_comes_to_an_empty_result() -> None:
    assert fold() == Result("")


def test_a_complete_event_is_the_result() -> None:
    complete = Complete(
        "It is 391.",
        reasoning="hm",
        finish_reason="stop",
        model="p/other",
        provider="p",
        usage=Usage(1, 2, 3, 4, 0.5),
        reasoning_used=True,
        iterations=2,
        max_iterations=5,
        conversation_id="conv_1",
        message_id="msg_1",
    )
    result = fold(START, Warning("FELL_BACK"), Reasoning("h"), Reasoning("m"), Token("It "), Token("is 391."), complete)
    assert (result.response, result.reasoning, result.model, result.usage) == (
        "It is 391.",
        "hm",
        "p/other",
        Usage(1, 2, 3, 4, 0.5),
    )
    assert (result.finish_reason, result.iterations, result.run_id) == ("stop", 2, "run_1")
    assert result.warnings == (Warning("FELL_BACK"),)
    assert result.error is None


def test_what_complete_says_wins_over_the_pieces() -> None:
    assert fold(START, Token("half"), Complete("whole")).response == "whole"


def test_a_run_that_failed_is_what_it_had_said() -> None:
    error = Error("UPSTREAM_TRUNCATED", "cut", partial=True)
    result = fold(
        START,
        Progress(1, 5),
        Reasoning("h"),
        Reasoning("m"),
        Token("It "),
        Action("a", "look", "{}", "started"),
        Action("a", "look", "{}", "completed", "found"),
        Action("b", "look", "{}", "failed", "gone"),
        ToolCall("t", "ask", '{"q"'),
        ToolCall("t", "ask", ":1}", True, '{"q":1}'),
        error,
    )
    assert (result.response, result.reasoning, result.finish_reason, result.error) == ("It ", "hm", "", error)
    assert result.action_results == (
        ActionResult("a", "look", "{}", "completed", "found"),
        ActionResult("b", "look", "{}", "failed", "gone"),
    )
    assert result.tool_calls == (ToolRequest("t", "ask", '{"q":1}'),)
    assert (result.model, result.provider, result.run_id, result.conversation_id) == ("p/m", "p", "run_1", "conv_1")
    assert (result.iterations, result.max_iterations, result.reasoning_used) == (1, 5, True)


@pytest.mark.parametrize(
    "event", [Heartbeat(3), Status("active"), Message("user", "hi")], ids=lambda e: type(e).__name__
)
def test_life_signs_and_states_leave_nothing_behind(event: Event) -> None:
    assert fold(START, event, Token("a")) == fold(START, Token("a"))


def test_the_result_can_be_asked_for_at_any_moment() -> None:
    folding = Fold()
    said = []
    for word in ("a", "b", "c"):
        folding.feed(Token(word))
        said.append(folding.result().response)
    assert said == ["a", "ab", "abc"]


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_vectors_of_runs_fold_to_the_servers_own_answer(path: Path) -> None:
    vector = json.loads(path.read_text())
    folding = Fold()
    for sequence, each in enumerate(vector["events"], 2):
        proto = json_format.ParseDict({"sequence": sequence, each["event"]: each["data"]}, event_pb2.ChatEvent())
        event = from_proto(proto)
        assert event is not None
        folding.feed(event)
    result, answer = folding.result(), vector["answer"]
    assert (result.response, result.reasoning) == (answer["text"], answer["reasoning"])
    assert [(call.id, call.name, call.arguments) for call in result.tool_calls] == [
        (call["id"], call["name"], call["arguments"]) for call in answer["tool_calls"]
    ]


def test_there_are_vectors() -> None:
    assert VECTORS
