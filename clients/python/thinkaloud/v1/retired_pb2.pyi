from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor
RETIRED_FIELD_NUMBER: _ClassVar[int]
retired: _descriptor.FieldDescriptor
RETIRED_FIELD_FIELD_NUMBER: _ClassVar[int]
retired_field: _descriptor.FieldDescriptor

class Retired(_message.Message):
    __slots__ = ("since", "sunset", "link")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    SUNSET_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    since: str
    sunset: str
    link: str
    def __init__(self, since: _Optional[str] = ..., sunset: _Optional[str] = ..., link: _Optional[str] = ...) -> None: ...
