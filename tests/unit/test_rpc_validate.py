"""Every rule of the contract's comments: what is refused, with which reason and field; and what becomes of the rest."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import message_pb2
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.message import Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.request import ReasoningControl, ResponseFormat, Sampling, Tool
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.validate import request_hash, turn_of

CONVERSATION = "conv_" + "a" * 32
OBJECT = '{"type":"object"}'

user = {"role": "user", "parts": [{"text": "hi"}]}
call = {"tool_call": {"id": "c1", "name": "weather", "arguments": "{}"}}
result = {"tool_result": {"id": "c1", "result": "rain"}}
answered = {"role": "tool", "parts": [result]}
unnamed = {"role": "tool", "parts": [{"tool_result": {"result": "rain"}}]}
nul = {"role": "tool", "parts": [{"tool_result": {"id": "c\0", "result": "rain"}}]}
calling = {"role": "tool", "parts": [call]}


def asked(**fields: Any) -> pb.ChatRequest:
    """A request in the JSON form; a text is there unless messages are."""
    if "messages" not in fields:
        fields.setdefault("text", "hi")
    return json_format.ParseDict(fields, pb.ChatRequest())


def turn(**fields: Any) -> Turn:
    return turn_of(asked(**fields), Limits(), request_id="req-1", deadline_s=None)


def refusal(request: pb.ChatRequest) -> ChatError:
    with pytest.raises(ChatError) as caught:
        turn_of(request, Limits(), request_id="", deadline_s=None)
    return caught.value


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("text", {"text": ""}),
    ("text", {"text": " \n\t "}),
    ("text", {"text": "a\0b"}),
    ("messages", {"text": "hi", "messages": [user]}),
    ("messages[0].role", {"messages": [user], "conversation_id": CONVERSATION}),
    ("messages[1].role", {"messages": [answered, user], "conversation_id": CONVERSATION}),
    ("messages", {"text": "hi", "messages": [answered], "conversation_id": CONVERSATION}),
    ("messages[1].parts[0].tool_result.id", {"messages": [answered, answered], "conversation_id": CONVERSATION}),
    ("messages[0].parts[0].tool_result.id", {"messages": [unnamed], "conversation_id": CONVERSATION}),
    ("messages[0].parts[0].tool_result.id", {"messages": [nul], "conversation_id": CONVERSATION}),
    ("messages[0].parts[0].tool_call", {"messages": [calling], "conversation_id": CONVERSATION}),
    ("messages[0].parts", {"messages": [{"role": "tool"}], "conversation_id": CONVERSATION}),
    ("messages[0].role", {"messages": [{"role": "model", "parts": [{"text": "hi"}]}]}),
    ("messages[0].role", {"messages": [{"parts": [{"text": "hi"}]}]}),
    ("messages[0].parts", {"messages": [{"role": "user"}]}),
    ("messages[0].parts", {"messages": [{"role": "user", "parts": [{"text": "  "}]}]}),
    ("messages[0].parts[0]", {"messages": [{"role": "user", "parts": [{}]}]}),
    ("messages[0].parts[0].text", {"messages": [{"role": "user", "parts": [{"text": "a\0"}]}]}),
    ("messages[0].parts[0].text", {"messages": [{"role": "tool", "parts": [{"text": "hi"}]}]}),
    ("messages[0].parts[0].image", {"messages": [{"role": "user", "parts": [{"image": {"url": "http://x"}}]}]}),
    ("messages[0].parts[1].file", {"messages": [{"role": "user", "parts": [{"text": "a"}, {"file": {"path": "x"}}]}]}),
    ("messages[0].parts[0].tool_call", {"messages": [{"role": "user", "parts": [call]}]}),
    ("messages[0].parts[0].reasoning", {"messages": [{"role": "user", "parts": [{"reasoning": "hm"}]}]}),
    ("messages[0].parts", {"messages": [{"role": "assistant", "parts": [{"reasoning": "hm"}]}, user]}),
    ("messages[0].parts[0].tool_result.id", {"messages": [{"role": "tool", "parts": [result]}]}),
    ("messages[1].role", {"messages": [user, {"role": "assistant", "parts": [{"text": "hi"}]}]}),
    ("messages[0].role", {"messages": [{"role": "system", "parts": [{"text": "hi"}]}]}),
    (
        "messages[0].parts[0].tool_call.id",
        {"messages": [{"role": "assistant", "parts": [{"tool_call": {"name": "a"}}]}]},
    ),
    (
        "messages[0].parts[0].tool_call.name",
        {"messages": [{"role": "assistant", "parts": [{"tool_call": {"id": "a"}}]}]},
    ),
    ("model", {"model": "p/" + "m" * 255}),
    ("model", {"model": "p/\0"}),
    ("reasoning.effort", {"reasoning": {"effort": "extreme"}}),
    ("reasoning.effort", {"reasoning": {"effort": "HIGH"}}),
    ("reasoning.max_tokens", {"reasoning": {"max_tokens": 0}}),
    ("reasoning.max_tokens", {"reasoning": {"max_tokens": -5}}),
    ("reasoning.max_tokens", {"reasoning": {"max_tokens": 10_000_001}}),
    ("reasoning", {"reasoning": {"effort": "high", "max_tokens": 5}}),
    ("reasoning.summary", {"reasoning": {"summary": "long"}}),
    ("context_files", {"context_files": ["a.py"]}),
    ("image_path", {"image_path": "a.png"}),
    ("image_paths", {"image_paths": ["a.png"]}),
    ("image_url", {"image_url": "http://x/a.png"}),
    ("image_urls", {"image_urls": ["http://x/a.png"]}),
    ("max_iterations", {"max_iterations": 0}),
    ("max_iterations", {"max_iterations": 101}),
    ("max_iterations", {"max_iterations": -1}),
    ("tools[0].name", {"tools": [{"name": ""}]}),
    ("tools[0].name", {"tools": [{"name": "a b"}]}),
    ("tools[0].name", {"tools": [{"name": "a\n"}]}),
    ("tools[0].name", {"tools": [{"name": "a" * 65}]}),
    ("tools[1].name", {"tools": [{"name": "a"}, {"name": "a"}]}),
    ("tools[0].description", {"tools": [{"name": "a", "description": "\0"}]}),
    ("tools[0].parameters", {"tools": [{"name": "a", "parameters": "{"}]}),
    ("tools[0].parameters", {"tools": [{"name": "a", "parameters": "[]"}]}),
    ("tools[0].parameters", {"tools": [{"name": "a", "parameters": '{"a": NaN}'}]}),
    ("tools[0].parameters", {"tools": [{"name": "a", "parameters": '{"a": "\\ud800"}'}]}),
    ("tools[0].parameters", {"tools": [{"name": "a", "parameters": '{"a":' * 100_000}]}),
    ("tools[0].parameters", {"tools": [{"name": "a", "parameters": '{"a":' + "9" * 10_000 + "}"}]}),
    ("tool_choice", {"tool_choice": "required"}),
    ("tool_choice", {"tool_choice": "a"}),
    ("tool_choice", {"tool_choice": "b", "tools": [{"name": "a"}]}),
    ("temperature", {"temperature": -0.1}),
    ("temperature", {"temperature": 2.1}),
    ("temperature", {"temperature": "NaN"}),
    ("temperature", {"temperature": "Infinity"}),
    ("top_p", {"top_p": 1.01}),
    ("top_p", {"top_p": -1}),
    ("max_output_tokens", {"max_output_tokens": 0}),
    ("max_output_tokens", {"max_output_tokens": 10_000_001}),
    ("stop", {"stop": ["a"] * 17}),
    ("stop[1]", {"stop": ["a", ""]}),
    ("stop[0]", {"stop": ["\0"]}),
    ("response_format.type", {"response_format": {}}),
    ("response_format.type", {"response_format": {"type": "xml"}}),
    ("response_format.name", {"response_format": {"type": "json_schema", "schema": OBJECT}}),
    ("response_format.name", {"response_format": {"type": "json_schema", "name": "a b", "schema": OBJECT}}),
    ("response_format.name", {"response_format": {"type": "text", "name": "a"}}),
    ("response_format.schema", {"response_format": {"type": "json_schema", "name": "a"}}),
    ("response_format.schema", {"response_format": {"type": "json_schema", "name": "a", "schema": '"x"'}}),
    ("response_format.schema", {"response_format": {"type": "json_object", "schema": OBJECT}}),
    ("response_format.strict", {"response_format": {"type": "text", "strict": True}}),
    ("metadata", {"metadata": {f"k{number}": "" for number in range(17)}}),
    ("metadata", {"metadata": {"": "v"}}),
    ("metadata", {"metadata": {"k" * 65: "v"}}),
    ("metadata[k]", {"metadata": {"k": "v" * 513}}),
    ("metadata[k]", {"metadata": {"k": "\0"}}),
    ("detach", {"detach": -2}),
    ("detach", {"detach": 86_401}),
    ("on_busy", {"on_busy": "wait"}),
    ("fallback_models", {"fallback_models": ["p/m"] * 17}),
    ("fallback_models[1]", {"fallback_models": ["p/m", ""]}),
    ("fallback_models[0]", {"fallback_models": ["p/" + "m" * 300]}),
]


@pytest.mark.parametrize(
    ("path", "fields"), REFUSED, ids=[f"{number}-{path}" for number, (path, _) in enumerate(REFUSED)]
)
def test_a_field_that_holds_what_it_may_not_is_named(path: str, fields: dict[str, Any]) -> None:
    error = refusal(asked(**fields))
    assert error.reason is ErrorReason.VALIDATION_FAILED
    assert [field for field, _ in error.violations] == [path]
    assert error.message.startswith(f"{path}: ")


SPECIAL: list[tuple[ErrorReason, str, dict[str, Any]]] = [
    (ErrorReason.TEXT_TOO_LONG, "text", {"text": "x" * 500_001}),
    (
        ErrorReason.TEXT_TOO_LONG,
        "messages[0].parts[0].text",
        {"messages": [{"role": "user", "parts": [{"text": "x" * 500_001}]}]},
    ),
    (ErrorReason.TEXT_TOO_LONG, "context", {"context": {"a": "x" * 500_000}}),
    (ErrorReason.INVALID_ID, "conversation_id", {"conversation_id": "run_" + "a" * 32}),
    (ErrorReason.INVALID_ID, "conversation_id", {"conversation_id": "../x"}),
    (ErrorReason.INVALID_ID, "conversation_id", {"conversation_id": CONVERSATION + "\n"}),
    (ErrorReason.IDEMPOTENCY_KEY_INVALID, "idempotency_key", {"idempotency_key": "k" * 256}),
    (ErrorReason.IDEMPOTENCY_KEY_INVALID, "idempotency_key", {"idempotency_key": "a\nb"}),
    (ErrorReason.IDEMPOTENCY_KEY_INVALID, "idempotency_key", {"idempotency_key": "é"}),
]


@pytest.mark.parametrize(
    ("reason", "path", "fields"), SPECIAL, ids=[f"{number}-{case[0]}" for number, case in enumerate(SPECIAL)]
)
def test_some_fields_have_reasons_of_their_own(reason: ErrorReason, path: str, fields: dict[str, Any]) -> None:
    error = refusal(asked(**fields))
    assert error.reason is reason
    assert [field for field, _ in error.violations] == [path]


def test_a_text_that_is_too_long_is_told_the_limit_and_its_length() -> None:
    error = refusal(asked(text="x" * 500_001))
    assert "500000" in error.message
    assert "500001" in error.message
    assert error.details == {"limit": 500_000, "actual": 500_001}


def test_a_context_with_a_number_that_json_does_not_have_is_refused() -> None:
    request = asked()
    request.context.fields["x"].number_value = float("nan")
    assert refusal(request).violations[0][0] == "context"


def test_no_refusal_repeats_what_the_user_wrote() -> None:
    canary = "canary-of-the-user"
    for fields in ({"text": canary + "\0"}, {"context": {"a": canary * 100_000}}, {"metadata": {"k": canary * 100}}):
        assert canary not in refusal(asked(**fields)).message


def test_the_least_request_has_the_defaults_of_the_contract() -> None:
    assert turn() == Turn(
        user_message=Message("user", (TextPart("hi"),)),
        max_iterations=5,
        store=True,
        detach_s=15,
        on_busy="reject",
        request_id="req-1",
    )


def test_a_full_request_becomes_a_full_turn() -> None:
    found = turn(
        text="x" * 500_000,
        conversation_id=CONVERSATION,
        model="p/m",
        reasoning={"effort": "high", "summary": "concise"},
        context={"year": 2024, "ratio": 0.5, "deep": [1, {"a": None}], "é": True},
        max_iterations=100,
        tools=[{"name": "weather", "description": "d", "parameters": '{ "type": "object" }', "strict": True}],
        tool_choice="weather",
        temperature=0,
        top_p=1,
        max_output_tokens=1,
        stop=["a"] * 16,
        seed=-3,
        response_format={"type": "json_schema", "name": "sum", "schema": OBJECT, "strict": True},
        metadata={"k" * 64: "é" * 512},
        streaming=True,
        idempotency_key="k" * 255,
        detach=-1,
        on_busy="queue",
        fallback_models=["p/n", "q/o"],
    )
    assert found.conversation_id == CONVERSATION
    assert found.model == "p/m"
    assert found.reasoning == ReasoningControl(effort="high", summary="concise")
    assert found.context == '{"deep":[1,{"a":null}],"ratio":0.5,"year":2024,"é":true}'
    assert found.max_iterations == 100
    assert found.tools == (Tool("weather", "d", '{ "type": "object" }', True),)
    assert found.tool_choice == "weather"
    assert found.sampling == Sampling(0.0, 1.0, 1, ("a",) * 16, -3)
    assert found.response_format == ResponseFormat("json_schema", "sum", OBJECT, True)
    assert found.metadata == {"k" * 64: "é" * 512}
    assert found.idempotency_key == "k" * 255
    assert len(found.request_hash) == 64
    assert (found.detach_s, found.on_busy, found.fallback_models) == (-1, "queue", ("p/n", "q/o"))


def test_a_history_keeps_roles_parts_and_reasoning_apart() -> None:
    found = turn(
        messages=[
            {"role": "system", "parts": [{"text": "be brief"}]},
            user,
            {"role": "assistant", "parts": [{"reasoning": "hm"}, {"text": "a"}, call, {"reasoning": "!"}]},
            {"role": "tool", "parts": [result]},
        ]
    )
    assert found.user_message is None
    assert found.messages == (
        Message("system", (TextPart("be brief"),)),
        Message("user", (TextPart("hi"),)),
        Message("assistant", (TextPart("a"), ToolCall("c1", "weather", "{}")), "hm!"),
        Message("tool", (ToolResult("c1", "rain"),)),
    )


def test_results_of_tools_are_said_in_a_conversation_as_one_message() -> None:
    failed = {"role": "tool", "parts": [{"tool_result": {"id": "c2", "result": "no sensor", "is_error": True}}]}
    found = turn(messages=[answered, failed], conversation_id=CONVERSATION)
    assert found.user_message == Message("tool", (ToolResult("c1", "rain"), ToolResult("c2", "no sensor", True)))
    assert (found.messages, found.conversation_id) == ((), CONVERSATION)


def test_what_a_turn_is_given_from_its_call_is_in_it() -> None:
    found = turn_of(asked(), Limits(), request_id="r", deadline_s=2.5)
    assert (found.request_id, found.deadline_s) == ("r", 2.5)


def test_a_turn_that_keeps_nothing_ends_with_its_caller() -> None:
    assert turn(store=False).detach_s == 0
    assert turn(store=False, detach=5).detach_s == 5
    assert turn(store=True).detach_s == 15


def test_a_turn_that_keeps_nothing_may_read_a_stored_conversation() -> None:
    found = turn(store=False, conversation_id=CONVERSATION)
    assert (found.store, found.conversation_id) == (False, CONVERSATION)


def test_a_tool_without_parameters_has_the_schema_of_none() -> None:
    assert turn(tools=[{"name": "now"}]).tools[0].parameters == '{"type":"object","properties":{}}'


@pytest.mark.parametrize(("choice", "expected"), [("auto", ""), ("none", ""), ("", "")])
def test_a_choice_among_no_tools_that_is_true_anyway_is_left_out(choice: str, expected: str) -> None:
    assert turn(tool_choice=choice).tool_choice == expected


def test_an_empty_context_is_none() -> None:
    assert turn(context={}).context == ""


@pytest.mark.parametrize("kind", ["text", "json_object"])
def test_plain_forms_need_no_schema(kind: str) -> None:
    form = turn(response_format={"type": kind}).response_format
    assert form is not None
    assert (form.type, form.schema) == (kind, "")


def test_strange_but_valid_text_is_taken_as_it_is() -> None:
    text = "‮" + "́" * 1000 + "\U0001f914\r\n"
    found = turn(text=text).user_message
    assert found is not None
    assert found.text == text


# The digest that tells a repeated request from another one under the same key.

KEYED = {"idempotency_key": "k", "text": "hi", "metadata": {"a": "1", "b": "2"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"idempotency_key": "other"},
        {"include_reasoning": True},
        {"reasoning_only_fallback": False},
        {"detach": -1},
        {"metadata": {"b": "2", "a": "1"}},
    ],
    ids=["key", "include_reasoning", "fallback", "detach", "order-of-a-map"],
)
def test_who_sees_it_and_how_long_it_lives_is_not_in_the_digest(fields: dict[str, Any]) -> None:
    assert turn(**{**KEYED, **fields}).request_hash == turn(**KEYED).request_hash


@pytest.mark.parametrize(
    "fields",
    [{"text": "ho"}, {"model": "p/m"}, {"temperature": 0}, {"metadata": {"a": "1"}}, {"store": True}, {"tools": []}],
    ids=["text", "model", "temperature-zero", "metadata", "store", "nothing"],
)
def test_everything_else_is_in_the_digest(fields: dict[str, Any]) -> None:
    same = turn(**{**KEYED, **fields}).request_hash == turn(**KEYED).request_hash
    assert same == (fields == {"tools": []})


def test_the_digest_leaves_the_request_as_it_was_and_is_only_made_for_a_key() -> None:
    request = asked(**KEYED)
    before = request.SerializeToString(deterministic=True)
    request_hash(request)
    assert request.SerializeToString(deterministic=True) == before
    assert turn().request_hash == ""


def test_every_field_of_the_request_is_judged_here() -> None:
    judged = {field.split("[")[0].split(".")[0] for field, _ in REFUSED} | {
        *("idempotency_key", "conversation_id"),
        # Any value is right, or says nothing to the engine.
        "context",
        *("include_reasoning", "reasoning_only_fallback", "streaming", "store", "seed"),
    }
    assert judged >= {field.name for field in pb.ChatRequest.DESCRIPTOR.fields}
    parts = {field.name for field in message_pb2.Part.DESCRIPTOR.fields}
    assert parts == {"text", "image", "file", "tool_call", "tool_result", "reasoning"}
