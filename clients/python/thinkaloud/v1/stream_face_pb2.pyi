from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor
STREAM_FACE_FIELD_NUMBER: _ClassVar[int]
stream_face: _descriptor.FieldDescriptor

class StreamFace(_message.Message):
    __slots__ = ("websocket", "stop", "resume", "cases")
    WEBSOCKET_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    RESUME_FIELD_NUMBER: _ClassVar[int]
    CASES_FIELD_NUMBER: _ClassVar[int]
    websocket: str
    stop: str
    resume: str
    cases: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, websocket: _Optional[str] = ..., stop: _Optional[str] = ..., resume: _Optional[str] = ..., cases: _Optional[_Iterable[str]] = ...) -> None: ...
