from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.rpc import code_pb2 as _code_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
FACE_FIELD_NUMBER: _ClassVar[int]
face: _descriptor.FieldDescriptor

class ErrorFace(_message.Message):
    __slots__ = ("grpc", "http", "close", "retryable")
    GRPC_FIELD_NUMBER: _ClassVar[int]
    HTTP_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    grpc: _code_pb2.Code
    http: int
    close: int
    retryable: bool
    def __init__(self, grpc: _Optional[_Union[_code_pb2.Code, str]] = ..., http: _Optional[int] = ..., close: _Optional[int] = ..., retryable: bool = ...) -> None: ...
