"""The file option of a method: what it says, and what its messages contradict."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from fakes.toy import toy_service
from thinkaloud.v1 import file_face_pb2
from thinkaloud_server.web.file import FileFace, file_of, head_of

KEEP, FETCH, ECHO = (toy_service().methods_by_name[name] for name in ("Keep", "Fetch", "Echo"))
FILE_FACE: Any = file_face_pb2.file_face
GOOD = {"head": "head", "bytes": "data", "filename": "name", "part": "file", "end": "end"}


def made(face: dict[str, str] | None, *, client: bool = True, server: bool = False) -> MethodDescriptor:
    """A method of a message with a head, bytes and an end, in a pool of its own."""
    file = descriptor_pb2.FileDescriptorProto(name="made.proto", package="made", syntax="proto3")
    head = file.message_type.add(name="Head")
    head.field.add(name="name", number=1, type=9, label=1)
    piece = file.message_type.add(name="Piece")
    for number, name in enumerate(("head", "end"), 1):
        piece.field.add(name=name, number=number, type=11, type_name=".made.Head", label=1)
    piece.field.add(name="data", number=3, type=12, label=1)
    piece.field.add(name="heads", number=4, type=11, type_name=".made.Head", label=3)
    method = file.service.add(name="Made").method.add(
        name="Do", input_type=".made.Piece", output_type=".made.Piece", client_streaming=client, server_streaming=server
    )
    if face is not None:
        method.options.Extensions[FILE_FACE].CopyFrom(FileFace(**face))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found: MethodDescriptor = pool.FindServiceByName("made.Made").methods_by_name["Do"]
    return found


def test_a_method_says_what_file_it_takes_or_brings() -> None:
    keep, fetch = file_of(KEEP), file_of(FETCH)
    assert keep is not None
    assert fetch is not None
    assert (keep.part, keep.end, head_of(KEEP, keep).name) == ("book", "whole", "About")
    assert (fetch.part, fetch.content_type, head_of(FETCH, fetch).name) == ("", "kind", "About")
    assert file_of(ECHO) is None
    assert file_of(made(GOOD)) is not None
    assert file_of(made({**GOOD, "part": ""}, client=False, server=True)) is not None


@pytest.mark.parametrize(
    ("method", "problem"),
    [
        (made(None), "streams its requests"),
        (made(GOOD, client=False), "a stream of requests or one of answers"),
        (made(GOOD, server=True), "a stream of requests or one of answers"),
        (made({**GOOD, "part": ""}), "a form has a part"),
        (made(GOOD, client=False, server=True), "an answer has none"),
        (made({**GOOD, "head": "nothing"}), "'nothing' is no message"),
        (made({**GOOD, "head": "data"}), "'data' is no message"),
        (made({**GOOD, "head": "heads"}), "'heads' is no message"),
        (made({**GOOD, "bytes": "head"}), "'head' holds no bytes"),
        (made({**GOOD, "bytes": ""}), "holds no bytes"),
        (made({**GOOD, "end": "data"}), "'data' is no message"),
        (made({**GOOD, "filename": "nothing"}), "has no field nothing"),
        (made({**GOOD, "content_type": "nothing"}), "has no field nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_option_that_the_messages_contradict_is_refused(method: MethodDescriptor, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        file_of(method)
