from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor
FILE_FACE_FIELD_NUMBER: _ClassVar[int]
file_face: _descriptor.FieldDescriptor

class FileFace(_message.Message):
    __slots__ = ("head", "bytes", "filename", "content_type", "size_bytes", "part", "end")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    FILENAME_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    head: str
    bytes: str
    filename: str
    content_type: str
    size_bytes: str
    part: str
    end: str
    def __init__(self, head: _Optional[str] = ..., bytes: _Optional[str] = ..., filename: _Optional[str] = ..., content_type: _Optional[str] = ..., size_bytes: _Optional[str] = ..., part: _Optional[str] = ..., end: _Optional[str] = ...) -> None: ...
