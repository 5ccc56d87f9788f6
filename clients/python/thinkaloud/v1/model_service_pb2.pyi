from google.api import annotations_pb2 as _annotations_pb2
from thinkaloud.v1 import access_pb2 as _access_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Model(_message.Message):
    __slots__ = ("id", "name", "provider", "current", "context_length", "max_output_tokens", "reasoning", "vision", "tools", "efforts", "default_effort", "price")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    VISION_FIELD_NUMBER: _ClassVar[int]
    TOOLS_FIELD_NUMBER: _ClassVar[int]
    EFFORTS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_EFFORT_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    provider: str
    current: bool
    context_length: int
    max_output_tokens: int
    reasoning: str
    vision: bool
    tools: bool
    efforts: _containers.RepeatedScalarFieldContainer[str]
    default_effort: str
    price: Price
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., provider: _Optional[str] = ..., current: bool = ..., context_length: _Optional[int] = ..., max_output_tokens: _Optional[int] = ..., reasoning: _Optional[str] = ..., vision: bool = ..., tools: bool = ..., efforts: _Optional[_Iterable[str]] = ..., default_effort: _Optional[str] = ..., price: _Optional[_Union[Price, _Mapping]] = ...) -> None: ...

class Price(_message.Message):
    __slots__ = ("input", "output", "cached", "reasoning", "prompt_tokens_max")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_MAX_FIELD_NUMBER: _ClassVar[int]
    input: float
    output: float
    cached: float
    reasoning: float
    prompt_tokens_max: int
    def __init__(self, input: _Optional[float] = ..., output: _Optional[float] = ..., cached: _Optional[float] = ..., reasoning: _Optional[float] = ..., prompt_tokens_max: _Optional[int] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("provider", "search", "min_context", "reasoning")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    MIN_CONTEXT_FIELD_NUMBER: _ClassVar[int]
    REASONING_FIELD_NUMBER: _ClassVar[int]
    provider: str
    search: str
    min_context: int
    reasoning: str
    def __init__(self, provider: _Optional[str] = ..., search: _Optional[str] = ..., min_context: _Optional[int] = ..., reasoning: _Optional[str] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "notes")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NOTES_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    notes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., notes: _Optional[_Iterable[str]] = ...) -> None: ...

class GetCurrentModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCurrentModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class SwitchModelRequest(_message.Message):
    __slots__ = ("model_id",)
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    def __init__(self, model_id: _Optional[str] = ...) -> None: ...

class SwitchModelResponse(_message.Message):
    __slots__ = ("ok", "status", "model_id", "current_model")
    OK_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_MODEL_FIELD_NUMBER: _ClassVar[int]
    ok: bool
    status: str
    model_id: str
    current_model: str
    def __init__(self, ok: bool = ..., status: _Optional[str] = ..., model_id: _Optional[str] = ..., current_model: _Optional[str] = ...) -> None: ...
