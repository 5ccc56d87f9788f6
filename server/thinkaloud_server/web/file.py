"""Methods that carry a file: what their option says (file_face.proto), held against their messages once."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from thinkaloud.v1 import file_face_pb2
from thinkaloud.v1.file_face_pb2 import FileFace

__all__ = ["FileFace", "file_of", "head_of"]


def file_of(method: MethodDescriptor) -> FileFace | None:
    """The file option of a method; None where it carries none. Raises ValueError for one that its messages contradict,
    and for a stream of requests without one."""
    options = method.GetOptions()
    if not options.HasExtension(file_face_pb2.file_face):  # type: ignore[arg-type]  # the pyi leaves its type out
        if method.client_streaming:
            raise ValueError(f"{method.full_name} streams its requests, which only a form with a file can carry")
        return None
    face: FileFace = options.Extensions[file_face_pb2.file_face]  # type: ignore[index]  # as above
    if problem := _problem(method, face):
        raise ValueError(f"{method.full_name}: {problem}")
    return face


def head_of(method: MethodDescriptor, face: FileFace) -> Descriptor:
    """The message that says what file it is."""
    head = _streamed(method).fields_by_name[face.head].message_type
    assert head is not None
    return head


def _streamed(method: MethodDescriptor) -> Descriptor:
    """The message that brings the file: of the requests, or of the answers."""
    message: Descriptor = method.input_type if method.client_streaming else method.output_type
    return message


def _problem(method: MethodDescriptor, face: FileFace) -> str:
    if method.client_streaming == method.server_streaming:
        return "a file is a stream of requests or one of answers"
    if method.client_streaming != bool(face.part):
        return "a form has a part for its file, and an answer has none"
    fields = _streamed(method).fields_by_name
    head, data, end = fields.get(face.head), fields.get(face.bytes), fields.get(face.end)
    if head is None or head.message_type is None or head.is_repeated:
        return f"{face.head!r} is no message"
    if data is None or data.type != FieldDescriptor.TYPE_BYTES or data.is_repeated:
        return f"{face.bytes!r} holds no bytes"
    if face.end and (end is None or end.message_type is None or end.is_repeated):
        return f"{face.end!r} is no message"
    for name in filter(None, (face.filename, face.content_type, face.size_bytes)):
        if name not in head.message_type.fields_by_name:
            return f"{head.message_type.full_name} has no field {name}"
    return ""
