"""Keyword arguments become the contract's request."""

from __future__ import annotations

from typing import Any

import pytest

from thinkaloud import ChatOptions, ReasoningControl, ResponseFormat, Tool, ToolResult
from thinkaloud.request import chat_request, watch_request
from thinkaloud.v1 import chat_service_pb2, message_pb2

HI = message_pb2.InputMessage(role="user", parts=[message_pb2.Part(text="hi")])

OPTIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "messages": ([{"role": "user", "content": "hi"}, HI], {"messages": [HI, HI]}),
    "tool_results": (
        [ToolResult("c1", "rain"), ToolResult("c2", "no sensor", is_error=True)],
        {
            "messages": [
                message_pb2.InputMessage(
                    role="tool",
                    parts=[
                        message_pb2.Part(tool_result=message_pb2.ToolResult(id="c1", result="rain")),
                        message_pb2.Part(
                            tool_result=message_pb2.ToolResult(id="c2", result="no sensor", is_error=True)
                        ),
                    ],
                )
            ]
        },
    ),
    "conversation_id": ("c", {"conversation_id": "c"}),
    "model": ("p/m", {"model": "p/m"}),
    "include_reasoning": (True, {"include_reasoning": True}),
    "reasoning": (
        ReasoningControl(max_tokens=0, summary="auto"),
        {"reasoning": chat_service_pb2.ReasoningControl(max_tokens=0, summary="auto")},
    ),
    "reasoning_only_fallback": (False, {"reasoning_only_fallback": False}),
    "context": ({"a": [1, {"b": None}]}, {"context": {"a": [1, {"b": None}]}}),
    "context_files": (["a"], {"context_files": ["a"]}),
    "image_path": ("a.png", {"image_path": "a.png"}),
    "image_paths": (["a.png"], {"image_paths": ["a.png"]}),
    "image_url": ("http://a", {"image_url": "http://a"}),
    "image_urls": (["http://a"], {"image_urls": ["http://a"]}),
    "max_iterations": (3, {"max_iterations": 3}),
    "tools": (
        [Tool("look", "d", {"type": "object"}, strict=True), Tool("see", parameters='{"a":1}')],
        {
            "tools": [
                chat_service_pb2.Tool(name="look", description="d", parameters='{"type": "object"}', strict=True),
                chat_service_pb2.Tool(name="see", parameters='{"a":1}'),
            ]
        },
    ),
    "tool_choice": ("auto", {"tool_choice": "auto"}),
    "temperature": (0.0, {"temperature": 0.0}),
    "top_p": (0.5, {"top_p": 0.5}),
    "max_output_tokens": (9, {"max_output_tokens": 9}),
    "stop": (["\n"], {"stop": ["\n"]}),
    "seed": (0, {"seed": 0}),
    "response_format": (
        ResponseFormat("json_schema", "n", {"type": "object"}, strict=True),
        {
            "response_format": chat_service_pb2.ResponseFormat(
                type="json_schema", name="n", schema='{"type": "object"}', strict=True
            )
        },
    ),
    "metadata": ({"a": "b"}, {"metadata": {"a": "b"}}),
    "store": (False, {"store": False}),
    "idempotency_key": ("mine", {"idempotency_key": "mine"}),
    "detach": (0, {"detach": 0}),
    "on_busy": ("queue", {"on_busy": "queue"}),
    "fallback_models": (["a/b"], {"fallback_models": ["a/b"]}),
    "timeout_s": (1.0, {}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_becomes_its_field(name: str) -> None:
    value, fields = OPTIONS[name]
    request = chat_request("hi", {name: value}, fresh_key="fresh")  # type: ignore[misc]  # the key is a variable
    assert request == chat_service_pb2.ChatRequest(**{"text": "hi", "idempotency_key": "fresh", **fields})
    for field in fields:
        if request.DESCRIPTOR.fields_by_name[field].has_presence:
            assert request.HasField(field)


def test_every_field_of_the_contract_is_an_option() -> None:
    fields = {field.name for field in chat_service_pb2.ChatRequest.DESCRIPTOR.fields}
    # `text` is an argument of its own, and `streaming` is for old HTTP clients.
    assert (
        set(ChatOptions.__annotations__) - {"timeout_s", "tool_results"}
        == fields - {"text", "streaming"}
        == set(OPTIONS) - {"timeout_s", "tool_results"}
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_none_is_the_same_as_leaving_an_option_out(name: str) -> None:
    request = chat_request("hi", {name: None}, fresh_key="fresh")  # type: ignore[misc]  # the key is a variable
    assert request == chat_service_pb2.ChatRequest(text="hi", idempotency_key="fresh")


def test_results_of_tools_can_be_a_mapping_from_calls_to_results() -> None:
    request = chat_request("", {"tool_results": {"c1": "rain", "c2": "sun"}, "conversation_id": "c"}, fresh_key="k")
    (message,) = request.messages
    assert message.role == "tool"
    results = [part.tool_result for part in message.parts]
    assert [(each.id, each.result, each.is_error) for each in results] == [("c1", "rain", False), ("c2", "sun", False)]


def test_results_of_tools_and_a_history_are_not_given_together() -> None:
    with pytest.raises(TypeError, match="either messages or tool_results"):
        chat_request("", {"tool_results": {"c1": "rain"}, "messages": [HI]}, fresh_key="k")


def test_an_effort_can_be_one_word() -> None:
    assert chat_request("hi", {"reasoning": "high"}, fresh_key="k").reasoning.effort == "high"


def test_an_option_that_does_not_exist_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="'modle'"):
        chat_request("hi", {"modle": "p/m"}, fresh_key="k")  # type: ignore[typeddict-unknown-key]  # the very thing


def test_one_string_is_not_a_list_of_stops() -> None:
    with pytest.raises(TypeError, match="stop"):
        chat_request("hi", {"stop": "\n"}, fresh_key="k")  # str is a Sequence of str, for the type checker too


@pytest.mark.parametrize("fallback", [None, True, False])
def test_a_watch_says_what_it_was_told(fallback: bool | None) -> None:
    request = watch_request("run_1", 7, True, fallback)
    assert (request.run_id, request.after_sequence, request.include_reasoning) == ("run_1", 7, True)
    assert request.HasField("reasoning_only_fallback") == (fallback is not None)
    assert request.reasoning_only_fallback == bool(fallback)
