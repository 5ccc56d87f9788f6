"""Every event, result and message in protobuf, and who sees reasoning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import json_format

from fakes.engine import complete
from thinkaloud.v1 import event_pb2
from thinkaloud_server.core import event as ev
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.request import ModelInfo, Price
from thinkaloud_server.core.run import Conversation, Run, StoredMessage
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.rpc import wire
from thinkaloud_server.rpc.status import FACES, from_event, retry_after
from thinkaloud_server.rpc.wire import Audience

CANARY = "canary-of-the-reasoning"
EVERYTHING = Audience(include_reasoning=True, reasoning_only_fallback=True)
NOTHING = Audience()
FALLBACK = Audience(include_reasoning=False, reasoning_only_fallback=True)

EVENTS: dict[str, tuple[ev.Event, dict[str, Any]]] = {
    "token": (ev.Token("a", 2), {"token": {"token": "a", "index": 2}}),
    "reasoning": (
        ev.Reasoning("hm", "summary", 1),
        {"reasoning": {"token": "hm", "kind": "summary", "index": 1}},
    ),
    "progress": (
        ev.Progress(1, 5, "asking"),
        {"progress": {"iteration": 1, "max_iterations": 5, "message": "asking"}},
    ),
    "start": (
        ev.Start("run_1", "conv_1", "msg_1", "p/m", "p", "req", True),
        {
            "start": {
                "run_id": "run_1",
                "conversation_id": "conv_1",
                "message_id": "msg_1",
                "model": "p/m",
                "provider": "p",
                "request_id": "req",
                "resumable": True,
            }
        },
    ),
    "tool_call": (
        ev.ToolCallEvent("call_1", "weather", "{", True, "{}"),
        {
            "tool_call": {
                "id": "call_1",
                "name": "weather",
                "arguments_delta": "{",
                "done": True,
                "arguments": "{}",
            }
        },
    ),
    "action": (
        ev.Action("a", "search", "{}", "completed", "found"),
        {
            "action": {
                "id": "a",
                "action": "search",
                "arguments": "{}",
                "status": "completed",
                "result": "found",
            }
        },
    ),
    "status": (ev.Status("paused", "why"), {"status": {"status": "paused", "message": "why"}}),
    "message": (ev.RunMessage("user", "hi"), {"message": {"role": "user", "text": "hi"}}),
    "warning": (ev.Warning("FELL_BACK", "to b"), {"warning": {"code": "FELL_BACK", "message": "to b"}}),
    "error": (
        ev.Error("UPSTREAM_ERROR", "no", "req", True, {"near": ["a"], "n": 2, "deep": {"x": None}}),
        {
            "error": {
                "code": "UPSTREAM_ERROR",
                "message": "no",
                "request_id": "req",
                "retryable": True,
                "partial": True,
                "details": {"near": ["a"], "n": 2.0, "deep": {"x": None}},
            }
        },
    ),
}


def written(event: ev.Event, audience: Audience, sequence: int = 7) -> event_pb2.ChatEvent | None:
    target = event_pb2.ChatEvent()
    if not wire.fill_event(target, ev.Logged(sequence, event), audience):
        assert target == event_pb2.ChatEvent()
        return None
    return target


def as_json(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found


@pytest.mark.parametrize(
    ("code", "details", "hint"),
    [
        ("UPSTREAM_RATE_LIMITED", {"retry_after_s": 30}, 30),
        ("UPSTREAM_RATE_LIMITED", {}, 1),
        ("STORAGE_UNAVAILABLE", {}, 1),
        ("UPSTREAM_ERROR", {}, None),
        ("UPSTREAM_ERROR", {"retry_after_s": 2.5}, 2.5),
    ],
)
def test_the_error_event_has_the_hint_of_the_status_behind_it(
    code: str, details: dict[str, Any], hint: float | None
) -> None:
    error = ev.Error(code, "no", "req", False, details)
    told = as_json(wire.error_to_proto(error)).get("details", {})
    assert told.get("retry_after_s") == hint
    assert retry_after(from_event(error)) == hint


@pytest.mark.parametrize("reason", list(ErrorReason))
def test_the_error_event_is_retryable_when_the_table_of_the_contract_says_so(reason: ErrorReason) -> None:
    assert wire.error_to_proto(ev.Error(reason, "no", "req", False)).retryable is FACES[reason].retryable


def test_a_failure_that_this_server_has_no_word_for_keeps_its_code_and_is_final() -> None:
    told = wire.error_to_proto(ev.Error("OF_A_LATER_RELEASE", "no", "req", True))
    assert (told.code, told.retryable, told.partial) == ("OF_A_LATER_RELEASE", False, True)


@pytest.mark.parametrize("name", EVENTS)
def test_each_event_is_written_whole(name: str) -> None:
    event, expected = EVENTS[name]
    message = written(event, EVERYTHING)
    assert message is not None
    assert as_json(message) == {"sequence": 7, **expected}
    assert message.WhichOneof("event") == name


def test_no_kind_of_event_is_missing_from_these_tests() -> None:
    kinds = {case.name for case in event_pb2.ChatEvent.DESCRIPTOR.oneofs_by_name["event"].fields}
    assert kinds == {*EVENTS, "complete", "heartbeat"}


def test_a_complete_is_written_whole() -> None:
    end = complete(
        "391",
        "because",
        tool_calls=(ToolCall("c", "weather", "{}"),),
        action_results=(ev.Action("a", "search", "{}", "failed", "no"),),
        iterations=2,
    )
    message = written(end, EVERYTHING)
    assert message is not None
    found = as_json(message)["complete"]
    assert found["response"] == "391"
    assert found["reasoning"] == "because"
    assert found["usage"] == {
        "input_tokens": 3,
        "output_tokens": 5,
        "reasoning_tokens": 2,
        "cached_tokens": 1,
    }
    assert found["timing"] == {
        "queue_ms": 0.5,
        "connect_ms": 1.5,
        "first_byte_ms": 2.5,
        "first_token_ms": 3.5,
        "total_ms": 4.5,
    }
    assert found["attempts"] == [
        {"model": "fake/m", "provider": "fake", "reasoning": True, "status": 200, "total_ms": 4.0}
    ]
    assert found["tool_calls"] == [{"id": "c", "name": "weather", "arguments": "{}"}]
    assert found["action_results"] == [
        {"id": "a", "action": "search", "arguments": "{}", "status": "failed", "result": "no"}
    ]
    assert (found["iterations"], found["max_iterations"], found["finish_reason"]) == (2, 5, "stop")
    assert found["run_id"].startswith("run_")
    assert found["reasoning_used"] is True


def test_the_first_part_is_number_zero_and_a_token_has_presence_even_when_empty() -> None:
    message = written(ev.Token(""), NOTHING)
    assert message is not None
    assert message.WhichOneof("event") == "token"
    assert message.token.index == 0


def test_a_heartbeat_has_no_sequence() -> None:
    message = event_pb2.ChatEvent()
    wire.fill_heartbeat(message, 0)
    assert message.WhichOneof("event") == "heartbeat"
    wire.fill_heartbeat(message, 12)
    assert (message.sequence, message.heartbeat.last_sequence) == (0, 12)


# Who sees reasoning.


@pytest.mark.parametrize("audience", [NOTHING, FALLBACK], ids=["default", "fallback"])
def test_a_reasoning_event_is_dropped_without_the_wish_for_it(audience: Audience) -> None:
    assert written(ev.Reasoning(CANARY), audience) is None


def test_a_complete_has_no_reasoning_field_without_the_wish_for_it() -> None:
    message = wire.complete_to_proto(complete("391", CANARY), NOTHING)
    assert not message.HasField("reasoning")
    assert CANARY.encode() not in message.SerializeToString()
    assert message.reasoning_used


def test_a_complete_has_a_reasoning_field_for_those_who_asked_even_when_there_was_none() -> None:
    assert wire.complete_to_proto(complete("391", ""), EVERYTHING).HasField("reasoning")


@pytest.mark.parametrize(
    ("audience", "response", "shown"),
    [
        (NOTHING, "", False),
        (FALLBACK, CANARY, False),
        (Audience(include_reasoning=True), "", True),
        (EVERYTHING, CANARY, True),
    ],
    ids=["default", "fallback-only", "reasoning-only", "both"],
)
def test_the_response_of_a_reasoning_only_answer_is_the_reasoning_under_fallback_alone(
    audience: Audience, response: str, shown: bool
) -> None:
    message = wire.complete_to_proto(complete("", CANARY, reasoning_only=True), audience)
    assert message.response == response
    assert message.HasField("reasoning") == shown
    assert message.reasoning_only


def test_an_answer_is_never_replaced_by_its_reasoning() -> None:
    assert wire.complete_to_proto(complete("391", CANARY), EVERYTHING).response == "391"


@pytest.mark.parametrize(
    ("include", "fallback", "expected"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_the_fallback_follows_the_wish_for_reasoning_unless_it_is_given(
    include: bool, fallback: bool | None, expected: bool
) -> None:
    assert Audience.of(include, fallback) == Audience(include, expected)


def test_what_carries_no_reasoning_is_passed_through_untouched() -> None:
    for name, (event, _) in EVENTS.items():
        if name != "reasoning":
            assert wire.visible(event, NOTHING) is event


# Runs, messages, conversations, models.

RUN = Run(
    run_id="run_" + "1" * 32,
    tenant="default",
    kind="chat",
    state="running",
    conversation_id="conv_" + "2" * 32,
    message_id="msg_" + "3" * 32,
    model="p/m",
    request_id="req",
    last_sequence=9,
    created_at=1_790_000_000.25,
    metadata={"k": "v"},
)


def test_a_live_run_has_no_end() -> None:
    message = wire.run_to_proto(RUN, None, EVERYTHING)
    assert as_json(message) == {
        "run_id": RUN.run_id,
        "kind": "chat",
        "state": "running",
        "conversation_id": RUN.conversation_id,
        "model": "p/m",
        "last_sequence": 9,
        "created_at": "2026-09-21T14:13:20.250Z",
        "metadata": {"k": "v"},
    }


def test_an_ended_run_carries_its_result_as_the_audience_sees_it() -> None:
    ended = replace(RUN, state="completed", ended_at=1_790_000_001.0, finish_reason="stop")
    hidden = wire.run_to_proto(ended, complete("391", CANARY), NOTHING)
    assert hidden.ended_at.seconds == 1_790_000_001
    assert hidden.complete.response == "391"
    assert CANARY.encode() not in hidden.SerializeToString()
    assert wire.run_to_proto(ended, complete("391", CANARY), EVERYTHING).complete.reasoning == CANARY
    failed = wire.run_to_proto(ended, ev.Error("INTERNAL", "no", "r", False), NOTHING)
    assert failed.error.code == "INTERNAL"
    assert not failed.HasField("complete")


def stored(message: Message, **fields: Any) -> StoredMessage:
    return StoredMessage("msg_1", "conv_1", "msg_0", message, "run_1", 1_790_000_000.0, **fields)


def test_a_message_keeps_its_parts_and_hides_its_reasoning() -> None:
    said = Message(
        "assistant",
        (TextPart("a"), ToolCall("c", "t", "{}"), ToolResult("c", "ok", True), TextPart("b")),
        reasoning=CANARY,
    )
    hidden = wire.message_to_proto(stored(said, usage=Usage(1, 2), model="p/m", partial=True), NOTHING)
    assert hidden.text == "ab"
    assert [part.WhichOneof("part") for part in hidden.parts] == ["text", "tool_call", "tool_result", "text"]
    assert hidden.usage.output_tokens == 2
    assert (hidden.parent_id, hidden.run_id, hidden.model, hidden.partial) == ("msg_0", "run_1", "p/m", True)
    assert not hidden.HasField("reasoning")
    assert CANARY.encode() not in hidden.SerializeToString()
    assert wire.message_to_proto(stored(said), EVERYTHING).reasoning == CANARY


def test_a_users_message_has_neither_reasoning_nor_usage() -> None:
    message = wire.message_to_proto(stored(Message("user", (TextPart("a"),))), EVERYTHING)
    assert not message.HasField("reasoning")
    assert not message.HasField("usage")


def test_the_bytes_of_a_picture_are_not_listed() -> None:
    picture = ImagePart(data_base64="AAAA", content_type="image/png")
    message = wire.message_to_proto(stored(Message("user", (picture,))), EVERYTHING)
    assert as_json(message)["parts"] == [{"image": {"url": "", "content_type": "image/png"}}]


def test_a_conversation_is_written_whole() -> None:
    conversation = Conversation("conv_1", "default", "Sums", 1.0, 2.5, 4, {"k": "v"}, "run_1")
    message = wire.conversation_to_proto(conversation)
    assert (message.title, message.message_count, message.live_run_id) == ("Sums", 4, "run_1")
    assert message.updated_at.nanos == 500_000_000
    assert dict(message.metadata) == {"k": "v"}


def test_a_model_is_current_when_its_id_is() -> None:
    model = ModelInfo("m", "p", 128_000, 4096, "optional", vision=True, tools=True)
    assert wire.model_to_proto(model, "p/m").current
    assert not wire.model_to_proto(model, "p/n").current
    assert wire.model_to_proto(model, "").id == "p/m"


def test_what_is_not_known_of_a_model_is_absent_and_not_zero() -> None:
    bare = wire.model_to_proto(ModelInfo("m", "p"), "")
    assert (bare.HasField("price"), list(bare.efforts), bare.default_effort) == (False, [], "")
    free = wire.model_to_proto(ModelInfo("m", "p", price=Price(0.0, 0.0)), "")
    assert (free.HasField("price"), free.price.HasField("cached"), free.price.HasField("reasoning")) == (
        True,
        False,
        False,
    )


def test_efforts_and_prices_of_a_model_go_out_as_they_are() -> None:
    price = Price(1e-6, 2e-6, 1e-7, 4e-6, 200_000)
    message = wire.model_to_proto(ModelInfo("m", "p", efforts=("low", "xhigh"), default_effort="low", price=price), "")
    assert (list(message.efforts), message.default_effort) == (["low", "xhigh"], "low")
    sent = message.price
    assert (sent.input, sent.output, sent.cached, sent.reasoning, sent.prompt_tokens_max) == (
        1e-6,
        2e-6,
        1e-7,
        4e-6,
        200_000,
    )


@pytest.mark.parametrize("cost", [None, 0.0, 0.0042])
def test_a_cost_is_absent_only_when_nobody_knows_it(cost: float | None) -> None:
    usage = wire.usage_to_proto(Usage(1, 2, cost_usd=cost))
    assert (usage.cost_usd if usage.HasField("cost_usd") else None) == cost


@pytest.mark.parametrize("count", [2**31, 2**40, -1], ids=["over", "far-over", "negative"])
def test_a_count_that_is_no_int32_does_not_break_the_answer(count: int) -> None:
    message = wire.complete_to_proto(complete(usage=Usage(output_tokens=count)), NOTHING)
    assert message.usage.output_tokens == (0 if count < 0 else 2**31 - 1)
