"""Every member of the contract's oneof becomes its value."""

from __future__ import annotations

import dataclasses

import pytest
from google.protobuf import struct_pb2

from thinkaloud import (
    Action,
    ActionResult,
    Attempt,
    Complete,
    Error,
    Event,
    Heartbeat,
    Message,
    Progress,
    Reasoning,
    Start,
    Status,
    Timing,
    Token,
    ToolCall,
    ToolRequest,
    Usage,
    Warning,
)
from thinkaloud.events import complete_from_proto, from_proto
from thinkaloud.v1 import event_pb2, message_pb2

DETAILS = struct_pb2.Struct()
DETAILS.update({"near": ["a/b"], "retry_after_s": 12})

EVENTS: dict[str, tuple[event_pb2.ChatEvent, Event]] = {
    "start": (
        event_pb2.ChatEvent(
            sequence=1,
            start=event_pb2.StartEvent(
                run_id="r",
                conversation_id="c",
                message_id="m",
                model="p/m",
                provider="p",
                request_id="q",
                resumable=True,
            ),
        ),
        Start("r", "c", "m", "p/m", "p", "q", True, 1),
    ),
    "progress": (
        event_pb2.ChatEvent(sequence=2, progress=event_pb2.ProgressEvent(iteration=1, max_iterations=5, message="go")),
        Progress(1, 5, "go", 2),
    ),
    "reasoning": (
        event_pb2.ChatEvent(sequence=3, reasoning=event_pb2.ReasoningEvent(token="hm", kind="summary", index=1)),
        Reasoning("hm", "summary", 1, 3),
    ),
    "token": (
        event_pb2.ChatEvent(sequence=4, token=event_pb2.TokenEvent(token="It", index=2)),
        Token("It", 2, 4),
    ),
    "tool_call": (
        event_pb2.ChatEvent(
            sequence=5,
            tool_call=event_pb2.ToolCallEvent(id="t", name="n", arguments_delta="}", done=True, arguments="{}"),
        ),
        ToolCall("t", "n", "}", True, "{}", 5),
    ),
    "action": (
        event_pb2.ChatEvent(
            sequence=6,
            action=event_pb2.ActionEvent(id="a", action="n", arguments="{}", status="completed", result="ok"),
        ),
        Action("a", "n", "{}", "completed", "ok", 6),
    ),
    "warning": (
        event_pb2.ChatEvent(sequence=7, warning=event_pb2.WarningEvent(code="FELL_BACK", message="why")),
        Warning("FELL_BACK", "why", 7),
    ),
    "status": (
        event_pb2.ChatEvent(sequence=8, status=event_pb2.StatusEvent(status="active", message="why")),
        Status("active", "why", 8),
    ),
    "message": (
        event_pb2.ChatEvent(sequence=9, message=event_pb2.MessageEvent(role="assistant", text="hi")),
        Message("assistant", "hi", 9),
    ),
    "heartbeat": (
        event_pb2.ChatEvent(heartbeat=event_pb2.HeartbeatEvent(last_sequence=9)),
        Heartbeat(9),
    ),
    "complete": (
        event_pb2.ChatEvent(
            sequence=10,
            complete=event_pb2.CompleteEvent(
                response="It",
                reasoning="hm",
                action_results=[
                    event_pb2.ActionResult(id="a", action="n", arguments="{}", status="failed", result="no")
                ],
                iterations=1,
                max_iterations=5,
                finish_reason="tool_calls",
                model="p/m",
                provider="p",
                reasoning_used=True,
                reasoning_only=True,
                usage=message_pb2.Usage(
                    input_tokens=1, output_tokens=2, reasoning_tokens=3, cached_tokens=4, cost_usd=0.5
                ),
                timing=event_pb2.Timing(queue_ms=1, connect_ms=2, first_byte_ms=3, first_token_ms=4, total_ms=5),
                attempts=[
                    event_pb2.Attempt(
                        model="p/m", provider="p", reasoning=True, status=200, code="X", message="y", total_ms=6
                    )
                ],
                conversation_id="c",
                message_id="m",
                tool_calls=[message_pb2.ToolCall(id="t", name="n", arguments="{}")],
                run_id="r",
            ),
        ),
        Complete(
            response="It",
            reasoning="hm",
            action_results=(ActionResult("a", "n", "{}", "failed", "no"),),
            iterations=1,
            max_iterations=5,
            finish_reason="tool_calls",
            model="p/m",
            provider="p",
            reasoning_used=True,
            reasoning_only=True,
            usage=Usage(1, 2, 3, 4, 0.5),
            timing=Timing(1, 2, 3, 4, 5),
            attempts=(Attempt("p/m", "p", True, 200, "X", "y", 6),),
            conversation_id="c",
            message_id="m",
            tool_calls=(ToolRequest("t", "n", "{}"),),
            run_id="r",
            sequence=10,
        ),
    ),
    "error": (
        event_pb2.ChatEvent(
            sequence=11,
            error=event_pb2.ErrorEvent(
                code="X", message="y", details=DETAILS, request_id="q", retryable=True, partial=True
            ),
        ),
        Error("X", "y", {"near": ["a/b"], "retry_after_s": 12}, "q", True, True, 11),
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_each_event_becomes_its_value(name: str) -> None:
    proto, value = EVENTS[name]
    assert proto.WhichOneof("event") == name
    assert from_proto(proto) == value


def test_every_member_of_the_oneof_is_here() -> None:
    members = event_pb2.ChatEvent.DESCRIPTOR.oneofs_by_name["event"].fields
    assert {member.name for member in members} == set(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_no_field_of_the_contract_is_left_out(name: str) -> None:
    proto, value = EVENTS[name]
    contract = {field.name for field in getattr(proto, name).DESCRIPTOR.fields}
    assert {field.name for field in dataclasses.fields(value)} == contract | {"sequence"}


def test_an_event_of_a_newer_contract_is_none() -> None:
    unknown = event_pb2.ChatEvent.FromString(b"\x08\x05\xfa\x01\x00")  # sequence 5, and field 31
    assert from_proto(unknown) is None


def test_events_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Token("a").token = "b"  # type: ignore[misc]  # the very thing


@pytest.mark.parametrize("cost", [None, 0.0])
def test_a_cost_that_nobody_knows_is_none_and_not_zero(cost: float | None) -> None:
    data = event_pb2.CompleteEvent(usage=message_pb2.Usage(input_tokens=1, cost_usd=cost))
    assert complete_from_proto(data).usage.cost_usd == cost
