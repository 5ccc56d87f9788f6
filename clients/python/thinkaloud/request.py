"""What a turn can be asked with, and the contract's request that it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from thinkaloud.v1 import chat_service_pb2, message_pb2, run_service_pb2

Effort = Literal["none", "minimal", "low", "medium", "high", "max"]
OnBusy = Literal["reject", "queue", "interrupt"]


@dataclass(frozen=True, slots=True)
class ReasoningControl:
    """How much the model thinks. At most one of `effort` and `max_tokens`."""

    effort: Effort | None = None
    max_tokens: int | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that you run yourself. `parameters` is a JSON Schema, as a mapping or as JSON text."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] | str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What your tool answered to the call with this id; `is_error` when it failed and `result` says why."""

    id: str
    result: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """The form of the answer. `schema` is a JSON Schema, as a mapping or as JSON text."""

    type: Literal["text", "json_object", "json_schema"]
    name: str = ""
    schema: Mapping[str, Any] | str = ""
    strict: bool = False


class ChatMessage(TypedDict):
    """One plain message of a history that you keep. For pictures and tool results use the contract's InputMessage."""

    role: str
    content: str


class ChatOptions(TypedDict, total=False):
    """The knobs of a turn. chat_service.proto says what each one means; None is the same as leaving it out."""

    messages: Sequence[ChatMessage | message_pb2.InputMessage]
    # Not of the contract: what your tools answered to the calls of the last message of `conversation_id`, in place of
    # a text. Sent as `messages`. A mapping is from the id of a call to its result.
    tool_results: Mapping[str, str] | Sequence[ToolResult]
    conversation_id: str | None
    model: str | None
    include_reasoning: bool
    reasoning: ReasoningControl | Effort | None
    reasoning_only_fallback: bool | None
    context: Mapping[str, Any] | None
    context_files: Sequence[str]
    image_path: str | None
    image_paths: Sequence[str]
    image_url: str | None
    image_urls: Sequence[str]
    max_iterations: int | None
    tools: Sequence[Tool]
    tool_choice: str | None
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    stop: Sequence[str]
    seed: int | None
    response_format: ResponseFormat | None
    metadata: Mapping[str, str]
    store: bool | None
    idempotency_key: str | None
    detach: int | None
    on_busy: OnBusy | None
    fallback_models: Sequence[str]
    # Not of the contract: the whole turn must be over after so many seconds. Sent as the call's deadline.
    timeout_s: float | None


def chat_request(text: str, options: ChatOptions, *, fresh_key: str) -> chat_service_pb2.ChatRequest:
    """The request for a turn. `fresh_key` is its idempotency key when the caller gave none.

    Raises TypeError for an option that does not exist or is of the wrong type.
    """
    fields: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    unknown = fields.keys() - ChatOptions.__annotations__.keys()
    if unknown:
        raise TypeError(f"unexpected keyword argument {min(unknown)!r}; thinkaloud.ChatOptions lists what there is")
    if isinstance(fields.get("stop"), str):
        raise TypeError("stop must be a list of strings, not one string")
    fields.pop("timeout_s", None)
    fields["text"] = text
    fields.setdefault("idempotency_key", fresh_key)
    if "tool_results" in fields:
        if "messages" in fields:
            raise TypeError("give either messages or tool_results")
        fields["messages"] = [_tool_results(fields.pop("tool_results"))]
    if "messages" in fields:
        fields["messages"] = [_message(each) for each in fields["messages"]]
    if "reasoning" in fields:
        fields["reasoning"] = _reasoning(fields["reasoning"])
    if "tools" in fields:
        fields["tools"] = [
            chat_service_pb2.Tool(
                name=each.name,
                description=each.description,
                parameters=_json_text(each.parameters),
                strict=each.strict,
            )
            for each in fields["tools"]
        ]
    if "response_format" in fields:
        form: ResponseFormat = fields["response_format"]
        fields["response_format"] = chat_service_pb2.ResponseFormat(
            type=form.type, name=form.name, schema=_json_text(form.schema), strict=form.strict
        )
    context = fields.pop("context", None)
    request = chat_service_pb2.ChatRequest(**fields)
    if context is not None:
        request.context.update(context)
    return request


def watch_request(
    run_id: str, after_sequence: int, include_reasoning: bool, reasoning_only_fallback: bool | None
) -> run_service_pb2.WatchRunRequest:
    """The request for the events of a run after one of them."""
    request = run_service_pb2.WatchRunRequest(
        run_id=run_id, after_sequence=after_sequence, include_reasoning=include_reasoning
    )
    if reasoning_only_fallback is not None:
        request.reasoning_only_fallback = reasoning_only_fallback
    return request


def _message(message: ChatMessage | message_pb2.InputMessage) -> message_pb2.InputMessage:
    if isinstance(message, message_pb2.InputMessage):
        return message
    return message_pb2.InputMessage(role=message["role"], parts=[message_pb2.Part(text=message["content"])])


def _tool_results(results: Mapping[str, str] | Sequence[ToolResult]) -> message_pb2.InputMessage:
    if isinstance(results, Mapping):
        results = [ToolResult(call_id, result) for call_id, result in results.items()]
    parts = [
        message_pb2.Part(tool_result=message_pb2.ToolResult(id=each.id, result=each.result, is_error=each.is_error))
        for each in results
    ]
    return message_pb2.InputMessage(role="tool", parts=parts)


def _reasoning(reasoning: ReasoningControl | str) -> chat_service_pb2.ReasoningControl:
    if isinstance(reasoning, str):
        return chat_service_pb2.ReasoningControl(effort=reasoning)
    return chat_service_pb2.ReasoningControl(
        effort=reasoning.effort or "", max_tokens=reasoning.max_tokens, summary=reasoning.summary or ""
    )


def _json_text(schema: Mapping[str, Any] | str) -> str:
    return schema if isinstance(schema, str) else json.dumps(schema, ensure_ascii=False)
