from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from thinkaloud.v1 import access_pb2 as _access_pb2
from thinkaloud.v1 import event_pb2 as _event_pb2
from thinkaloud.v1 import message_pb2 as _message_pb2
from thinkaloud.v1 import retired_pb2 as _retired_pb2
from thinkaloud.v1 import stream_face_pb2 as _stream_face_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChatRequest(_message.Message):
    __slots__ = ("text", "messages", "conversation_id", "model", "include_reasoning", "reasoning", "reasoning_only_fallback", "context", "context_files", "image_path", "image_paths", "image_url", "image_urls", "max_iterations", "tools", "tool_choice", "temperature", "top_p", "max_output_tokens", "stop", "seed", "response_format", "metadata", "streaming", "store", "idempotency_key", "detach", "on_busy", "fallback_models")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TEXT_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_REASONING_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    REASONING_ONLY_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FILES_FIELD_NUMBER: _ClassVar[int]
    IMAGE_PATH_FIELD_NUMBER: _ClassVar[int]
    IMAGE_PATHS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_URLS_FIELD_NUMBER: _ClassVar[int]
    MAX_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    TOOL_CHOICE_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    STREAMING_FIELD_NUMBER: _ClassVar[int]
    STORE_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DETACH_FIELD_NUMBER: _ClassVar[int]
    ON_BUSY_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_MODELS_FIELD_NUMBER: _ClassVar[int]
    text: str
    messages: _containers.RepeatedCompositeFieldContainer[_message_pb2.InputMessage]
    conversation_id: str
    model: str
    include_reasoning: bool
    reasoning: ReasoningControl
    reasoning_only_fallback: bool
    context: _struct_pb2.Struct
    context_files: _containers.RepeatedScalarFieldContainer[str]
    image_path: str
    image_paths: _containers.RepeatedScalarFieldContainer[str]
    image_url: str
    image_urls: _containers.RepeatedScalarFieldContainer[str]
    max_iterations: int
    tools: _containers.RepeatedCompositeFieldContainer[Tool]
    tool_choice: str
    temperature: float
    top_p: float
    max_output_tokens: int
    stop: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    response_format: ResponseFormat
    metadata: _containers.ScalarMap[str, str]
    streaming: bool
    store: bool
    idempotency_key: str
    detach: int
    on_busy: str
    fallback_models: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, text: _Optional[str] = ..., messages: _Optional[_Iterable[_Union[_message_pb2.InputMessage, _Mapping]]] = ..., conversation_id: _Optional[str] = ..., model: _Optional[str] = ..., include_reasoning: bool = ..., reasoning: _Optional[_Union[ReasoningControl, _Mapping]] = ..., reasoning_only_fallback: bool = ..., context: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., context_files: _Optional[_Iterable[str]] = ..., image_path: _Optional[str] = ..., image_paths: _Optional[_Iterable[str]] = ..., image_url: _Optional[str] = ..., image_urls: _Optional[_Iterable[str]] = ..., max_iterations: _Optional[int] = ..., tools: _Optional[_Iterable[_Union[Tool, _Mapping]]] = ..., tool_choice: _Optional[str] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., max_output_tokens: _Optional[int] = ..., stop: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., response_format: _Optional[_Union[ResponseFormat, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., streaming: bool = ..., store: bool = ..., idempotency_key: _Optional[str] = ..., detach: _Optional[int] = ..., on_busy: _Optional[str] = ..., fallback_models: _Optional[_Iterable[str]] = ...) -> None: ...

class ReasoningControl(_message.Message):
    __slots__ = ("effort", "max_tokens", "summary")
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    effort: str
    max_tokens: int
    summary: str
    def __init__(self, effort: _Optional[str] = ..., max_tokens: _Optional[int] = ..., summary: _Optional[str] = ...) -> None: ...

class Tool(_message.Message):
    __slots__ = ("name", "description", "parameters", "strict")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    parameters: str
    strict: bool
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., parameters: _Optional[str] = ..., strict: bool = ...) -> None: ...

class ResponseFormat(_message.Message):
    __slots__ = ("type", "name", "schema", "strict")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    STRICT_FIELD_NUMBER: _ClassVar[int]
    type: str
    name: str
    schema: str
    strict: bool
    def __init__(self, type: _Optional[str] = ..., name: _Optional[str] = ..., schema: _Optional[str] = ..., strict: bool = ...) -> None: ...

class ChatResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: _event_pb2.ChatEvent
    def __init__(self, event: _Optional[_Union[_event_pb2.ChatEvent, _Mapping]] = ...) -> None: ...

class SendMessageRequest(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: ChatRequest
    def __init__(self, request: _Optional[_Union[ChatRequest, _Mapping]] = ...) -> None: ...

class SendMessageResponse(_message.Message):
    __slots__ = ("complete",)
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    complete: _event_pb2.CompleteEvent
    def __init__(self, complete: _Optional[_Union[_event_pb2.CompleteEvent, _Mapping]] = ...) -> None: ...

class BatchChatRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[ChatRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[ChatRequest, _Mapping]]] = ...) -> None: ...

class BatchChatResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchChatResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchChatResult, _Mapping]]] = ...) -> None: ...

class BatchChatResult(_message.Message):
    __slots__ = ("index", "complete", "error")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    index: int
    complete: _event_pb2.CompleteEvent
    error: _event_pb2.ErrorEvent
    def __init__(self, index: _Optional[int] = ..., complete: _Optional[_Union[_event_pb2.CompleteEvent, _Mapping]] = ..., error: _Optional[_Union[_event_pb2.ErrorEvent, _Mapping]] = ...) -> None: ...
