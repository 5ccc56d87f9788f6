import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from thinkaloud.v1 import access_pb2 as _access_pb2
from thinkaloud.v1 import event_pb2 as _event_pb2
from thinkaloud.v1 import stream_face_pb2 as _stream_face_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchRunRequest(_message.Message):
    __slots__ = ("run_id", "after_sequence", "include_reasoning", "reasoning_only_fallback")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_REASONING_FIELD_NUMBER: _ClassVar[int]
    REASONING_ONLY_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after_sequence: int
    include_reasoning: bool
    reasoning_only_fallback: bool
    def __init__(self, run_id: _Optional[str] = ..., after_sequence: _Optional[int] = ..., include_reasoning: bool = ..., reasoning_only_fallback: bool = ...) -> None: ...

class WatchRunResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: _event_pb2.ChatEvent
    def __init__(self, event: _Optional[_Union[_event_pb2.ChatEvent, _Mapping]] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("run_id", "kind", "state", "conversation_id", "model", "last_sequence", "created_at", "ended_at", "finish_reason", "complete", "error", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    kind: str
    state: str
    conversation_id: str
    model: str
    last_sequence: int
    created_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    finish_reason: str
    complete: _event_pb2.CompleteEvent
    error: _event_pb2.ErrorEvent
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, run_id: _Optional[str] = ..., kind: _Optional[str] = ..., state: _Optional[str] = ..., conversation_id: _Optional[str] = ..., model: _Optional[str] = ..., last_sequence: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., finish_reason: _Optional[str] = ..., complete: _Optional[_Union[_event_pb2.CompleteEvent, _Mapping]] = ..., error: _Optional[_Union[_event_pb2.ErrorEvent, _Mapping]] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id", "include_reasoning", "reasoning_only_fallback")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_REASONING_FIELD_NUMBER: _ClassVar[int]
    REASONING_ONLY_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    include_reasoning: bool
    reasoning_only_fallback: bool
    def __init__(self, run_id: _Optional[str] = ..., include_reasoning: bool = ..., reasoning_only_fallback: bool = ...) -> None: ...

class GetRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("conversation_id", "state", "page_size", "page_token")
    CONVERSATION_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    conversation_id: str
    state: str
    page_size: int
    page_token: str
    def __init__(self, conversation_id: _Optional[str] = ..., state: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class StopRunRequest(_message.Message):
    __slots__ = ("run_id", "include_reasoning", "reasoning_only_fallback")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_REASONING_FIELD_NUMBER: _ClassVar[int]
    REASONING_ONLY_FALLBACK_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    include_reasoning: bool
    reasoning_only_fallback: bool
    def __init__(self, run_id: _Optional[str] = ..., include_reasoning: bool = ..., reasoning_only_fallback: bool = ...) -> None: ...

class StopRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: Run
    def __init__(self, run: _Optional[_Union[Run, _Mapping]] = ...) -> None: ...
