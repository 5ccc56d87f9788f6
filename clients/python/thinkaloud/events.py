"""Events: what a stream yields.

    run := start (progress | reasoning | token | tool_call | action | status | message | warning)*
           (complete | error)

Each mirrors a member of the `ChatEvent` oneof; event.proto says what the fields mean. `sequence` is the event's
number in the run's log, and 0 for events about this connection alone (heartbeats, some warnings).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format, struct_pb2

from thinkaloud.v1 import event_pb2, message_pb2


@dataclass(frozen=True, slots=True)
class Start:
    """The run exists and is stored; the provider has not answered yet."""

    run_id: str
    conversation_id: str = ""
    message_id: str = ""
    model: str = ""
    provider: str = ""
    request_id: str = ""
    resumable: bool = True
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """A new request to the model begins inside the run."""

    iteration: int
    max_iterations: int
    message: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of the model's reasoning; only with `include_reasoning`. `kind` is raw, summary or plan."""

    token: str
    kind: str = "raw"
    index: int = 0
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the visible answer."""

    token: str
    index: int = 0
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call for your own tools, as the model writes it; the last one of a call has `done` and `arguments`."""

    id: str
    name: str
    arguments_delta: str = ""
    done: bool = False
    arguments: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Action:
    """A tool that the server ran: started, completed or failed."""

    id: str
    action: str
    arguments: str = ""
    status: str = ""
    result: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 - the contract's word; the built-in is a category for developers
    """Something changed and the run goes on, such as REASONING_DROPPED or FELL_BACK."""

    code: str
    message: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """Task runs: a change of state."""

    status: str
    message: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """Task runs: a message between iterations."""

    role: str
    text: str
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A life sign. Shown only on request: `stream(..., heartbeats=True)`."""

    last_sequence: int
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as the provider counted them; zeros when it counted nothing. `cost_usd` is None when nobody knows."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds; 0 where the moment never came."""

    queue_ms: float = 0
    connect_ms: float = 0
    first_byte_ms: float = 0
    first_token_ms: float = 0
    total_ms: float = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to a provider; `code` is empty for the one that answered."""

    model: str
    provider: str
    reasoning: bool
    status: int
    code: str
    message: str
    total_ms: float


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of one tool that the server ran."""

    id: str
    action: str
    arguments: str
    status: str
    result: str


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """A whole call for one of your own tools; `arguments` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Complete:
    """The end of a run that did its work. `reasoning` is empty unless it was asked for."""

    response: str
    reasoning: str = ""
    action_results: tuple[ActionResult, ...] = ()
    iterations: int = 0
    max_iterations: int = 0
    finish_reason: str = ""
    model: str = ""
    provider: str = ""
    reasoning_used: bool = False
    reasoning_only: bool = False
    usage: Usage = field(default_factory=Usage)
    timing: Timing = field(default_factory=Timing)
    attempts: tuple[Attempt, ...] = ()
    conversation_id: str = ""
    message_id: str = ""
    tool_calls: tuple[ToolRequest, ...] = ()
    run_id: str = ""
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Error:
    """The end of a run that failed; `partial` when something had been said."""

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    request_id: str = ""
    retryable: bool = False
    partial: bool = False
    sequence: int = 0


Terminal = Complete | Error
Event = (
    Start | Progress | Reasoning | Token | ToolCall | Action | Warning | Status | Message | Heartbeat | Complete | Error
)


def from_proto(event: event_pb2.ChatEvent) -> Event | None:
    """The event as a value; None for a kind that this version of the client does not know."""
    kind = event.WhichOneof("event")
    return _READERS[kind](event) if kind is not None else None


def complete_from_proto(data: event_pb2.CompleteEvent, sequence: int = 0) -> Complete:
    """The data of `complete`, which is also the answer of unary methods."""
    usage, timing = data.usage, data.timing
    return Complete(
        response=data.response,
        reasoning=data.reasoning,
        action_results=tuple(
            ActionResult(each.id, each.action, each.arguments, each.status, each.result) for each in data.action_results
        ),
        iterations=data.iterations,
        max_iterations=data.max_iterations,
        finish_reason=data.finish_reason,
        model=data.model,
        provider=data.provider,
        reasoning_used=data.reasoning_used,
        reasoning_only=data.reasoning_only,
        usage=_usage(usage),
        timing=Timing(timing.queue_ms, timing.connect_ms, timing.first_byte_ms, timing.first_token_ms, timing.total_ms),
        attempts=tuple(
            Attempt(each.model, each.provider, each.reasoning, each.status, each.code, each.message, each.total_ms)
            for each in data.attempts
        ),
        conversation_id=data.conversation_id,
        message_id=data.message_id,
        tool_calls=tuple(_tool_request(each) for each in data.tool_calls),
        run_id=data.run_id,
        sequence=sequence,
    )


def error_from_proto(data: event_pb2.ErrorEvent, sequence: int = 0) -> Error:
    """The data of `error`, which also stands in a failed run."""
    return Error(
        code=data.code,
        message=data.message,
        details=_mapping(data.details),
        request_id=data.request_id,
        retryable=data.retryable,
        partial=data.partial,
        sequence=sequence,
    )


def _usage(usage: message_pb2.Usage) -> Usage:
    return Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.cached_tokens,
        usage.cost_usd if usage.HasField("cost_usd") else None,
    )


def _tool_request(call: message_pb2.ToolCall) -> ToolRequest:
    return ToolRequest(call.id, call.name, call.arguments)


def _mapping(struct: struct_pb2.Struct) -> dict[str, Any]:
    mapping: dict[str, Any] = json_format.MessageToDict(struct)
    return mapping


def _start(event: event_pb2.ChatEvent) -> Start:
    data = event.start
    return Start(
        run_id=data.run_id,
        conversation_id=data.conversation_id,
        message_id=data.message_id,
        model=data.model,
        provider=data.provider,
        request_id=data.request_id,
        resumable=data.resumable,
        sequence=event.sequence,
    )


def _progress(event: event_pb2.ChatEvent) -> Progress:
    data = event.progress
    return Progress(data.iteration, data.max_iterations, data.message, event.sequence)


def _reasoning(event: event_pb2.ChatEvent) -> Reasoning:
    data = event.reasoning
    return Reasoning(data.token, data.kind, data.index, event.sequence)


def _token(event: event_pb2.ChatEvent) -> Token:
    data = event.token
    return Token(data.token, data.index, event.sequence)


def _tool_call(event: event_pb2.ChatEvent) -> ToolCall:
    data = event.tool_call
    return ToolCall(data.id, data.name, data.arguments_delta, data.done, data.arguments, event.sequence)


def _action(event: event_pb2.ChatEvent) -> Action:
    data = event.action
    return Action(data.id, data.action, data.arguments, data.status, data.result, event.sequence)


_READERS: Mapping[str, Callable[[event_pb2.ChatEvent], Event]] = {
    "start": _start,
    "progress": _progress,
    "reasoning": _reasoning,
    "token": _token,
    "tool_call": _tool_call,
    "action": _action,
    "warning": lambda event: Warning(event.warning.code, event.warning.message, event.sequence),
    "status": lambda event: Status(event.status.status, event.status.message, event.sequence),
    "message": lambda event: Message(event.message.role, event.message.text, event.sequence),
    "heartbeat": lambda event: Heartbeat(event.heartbeat.last_sequence, event.sequence),
    "complete": lambda event: complete_from_proto(event.complete, event.sequence),
    "error": lambda event: error_from_proto(event.error, event.sequence),
}
