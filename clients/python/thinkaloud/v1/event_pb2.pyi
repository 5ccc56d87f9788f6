from google.protobuf import struct_pb2 as _struct_pb2
from thinkaloud.v1 import message_pb2 as _message_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChatEvent(_message.Message):
    __slots__ = ("sequence", "token", "reasoning", "progress", "complete", "error", "start", "action", "tool_call", "heartbeat", "warning", "status", "message")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALL_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    token: TokenEvent
    reasoning: ReasoningEvent
    progress: ProgressEvent
    complete: CompleteEvent
    error: ErrorEvent
    start: StartEvent
    action: ActionEvent
    tool_call: ToolCallEvent
    heartbeat: HeartbeatEvent
    warning: WarningEvent
    status: StatusEvent
    message: MessageEvent
    def __init__(self, sequence: _Optional[int] = ..., token: _Optional[_Union[TokenEvent, _Mapping]] = ..., reasoning: _Optional[_Union[ReasoningEvent, _Mapping]] = ..., progress: _Optional[_Union[ProgressEvent, _Mapping]] = ..., complete: _Optional[_Union[CompleteEvent, _Mapping]] = ..., error: _Optional[_Union[ErrorEvent, _Mapping]] = ..., start: _Optional[_Union[StartEvent, _Mapping]] = ..., action: _Optional[_Union[ActionEvent, _Mapping]] = ..., tool_call: _Optional[_Union[ToolCallEvent, _Mapping]] = ..., heartbeat: _Optional[_Union[HeartbeatEvent, _Mapping]] = ..., warning: _Optional[_Union[WarningEvent, _Mapping]] = ..., status: _Optional[_Union[StatusEvent, _Mapping]] = ..., message: _Optional[_Union[MessageEvent, _Mapping]] = ...) -> None: ...

class StartEvent(_message.Message):
    __slots__ = ("run_id", "conversation_id", "message_id", "model", "provider", "request_id", "resumable")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESUMABLE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    conversation_id: str
    message_id: str
    model: str
    provider: str
    request_id: str
    resumable: bool
    def __init__(self, run_id: _Optional[str] = ..., conversation_id: _Optional[str] = ..., message_id: _Optional[str] = ..., model: _Optional[str] = ..., provider: _Optional[str] = ..., request_id: _Optional[str] = ..., resumable: bool = ...) -> None: ...

class ProgressEvent(_message.Message):
    __slots__ = ("iteration", "max_iterations", "message")
    ITERATION_FIELD_NUMBER: _ClassVar[int]
    MAX_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    iteration: int
    max_iterations: int
    message: str
    def __init__(self, iteration: _Optional[int] = ..., max_iterations: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class ReasoningEvent(_message.Message):
    __slots__ = ("token", "kind", "index")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    token: str
    kind: str
    index: int
    def __init__(self, token: _Optional[str] = ..., kind: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class TokenEvent(_message.Message):
    __slots__ = ("token", "index")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    token: str
    index: int
    def __init__(self, token: _Optional[str] = ..., index: _Optional[int] = ...) -> None: ...

class ToolCallEvent(_message.Message):
    __slots__ = ("id", "name", "arguments_delta", "done", "arguments")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_DELTA_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    arguments_delta: str
    done: bool
    arguments: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., arguments_delta: _Optional[str] = ..., done: bool = ..., arguments: _Optional[str] = ...) -> None: ...

class ActionEvent(_message.Message):
    __slots__ = ("id", "action", "arguments", "status", "result")
    ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    id: str
    action: str
    arguments: str
    status: str
    result: str
    def __init__(self, id: _Optional[str] = ..., action: _Optional[str] = ..., arguments: _Optional[str] = ..., status: _Optional[str] = ..., result: _Optional[str] = ...) -> None: ...

class ActionResult(_message.Message):
    __slots__ = ("id", "action", "arguments", "status", "result")
    ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    id: str
    action: str
    arguments: str
    status: str
    result: str
    def __init__(self, id: _Optional[str] = ..., action: _Optional[str] = ..., arguments: _Optional[str] = ..., status: _Optional[str] = ..., result: _Optional[str] = ...) -> None: ...

class WarningEvent(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class HeartbeatEvent(_message.Message):
    __slots__ = ("last_sequence",)
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    last_sequence: int
    def __init__(self, last_sequence: _Optional[int] = ...) -> None: ...

class StatusEvent(_message.Message):
    __slots__ = ("status", "message")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    status: str
    message: str
    def __init__(self, status: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class MessageEvent(_message.Message):
    __slots__ = ("role", "text")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    role: str
    text: str
    def __init__(self, role: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class CompleteEvent(_message.Message):
    __slots__ = ("response", "reasoning", "action_results", "iterations", "max_iterations", "finish_reason", "model", "provider", "reasoning_used", "reasoning_only", "usage", "timing", "attempts", "conversation_id", "message_id", "tool_calls", "run_id")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    ACTION_RESULTS_FIELD_NUMBER: _ClassVar[int]
    ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REASONING_USED_FIELD_NUMBER: _ClassVar[int]
    REASONING_ONLY_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
    TOOL_CALLS_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    response: str
    reasoning: str
    action_results: _containers.RepeatedCompositeFieldContainer[ActionResult]
    iterations: int
    max_iterations: int
    finish_reason: str
    model: str
    provider: str
    reasoning_used: bool
    reasoning_only: bool
    usage: _message_pb2.Usage
    timing: Timing
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    conversation_id: str
    message_id: str
    tool_calls: _containers.RepeatedCompositeFieldContainer[_message_pb2.ToolCall]
    run_id: str
    def __init__(self, response: _Optional[str] = ..., reasoning: _Optional[str] = ..., action_results: _Optional[_Iterable[_Union[ActionResult, _Mapping]]] = ..., iterations: _Optional[int] = ..., max_iterations: _Optional[int] = ..., finish_reason: _Optional[str] = ..., model: _Optional[str] = ..., provider: _Optional[str] = ..., reasoning_used: bool = ..., reasoning_only: bool = ..., usage: _Optional[_Union[_message_pb2.Usage, _Mapping]] = ..., timing: _Optional[_Union[Timing, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., conversation_id: _Optional[str] = ..., message_id: _Optional[str] = ..., tool_calls: _Optional[_Iterable[_Union[_message_pb2.ToolCall, _Mapping]]] = ..., run_id: _Optional[str] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("queue_ms", "connect_ms", "first_byte_ms", "first_token_ms", "total_ms")
    QUEUE_MS_FIELD_NUMBER: _ClassVar[int]
    CONNECT_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_BYTE_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_MS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    queue_ms: float
    connect_ms: float
    first_byte_ms: float
    first_token_ms: float
    total_ms: float
    def __init__(self, queue_ms: _Optional[float] = ..., connect_ms: _Optional[float] = ..., first_byte_ms: _Optional[float] = ..., first_token_ms: _Optional[float] = ..., total_ms: _Optional[float] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("model", "provider", "reasoning", "status", "code", "message", "total_ms")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_MS_FIELD_NUMBER: _ClassVar[int]
    model: str
    provider: str
    reasoning: bool
    status: int
    code: str
    message: str
    total_ms: float
    def __init__(self, model: _Optional[str] = ..., provider: _Optional[str] = ..., reasoning: bool = ..., status: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., total_ms: _Optional[float] = ...) -> None: ...

class ErrorEvent(_message.Message):
    __slots__ = ("code", "message", "details", "request_id", "retryable", "partial")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    details: _struct_pb2.Struct
    request_id: str
    retryable: bool
    partial: bool
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., details: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., request_id: _Optional[str] = ..., retryable: bool = ..., partial: bool = ...) -> None: ...
