"""What the contract says of its streams for the faces that are not gRPC, read from the descriptors."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor

from thinkaloud.v1 import stream_face_pb2
from thinkaloud_server.web.file import file_of
from thinkaloud_server.web.route import face_of, holds_socket, services_of_contract

STREAM_FACE: Any = stream_face_pb2.stream_face  # protoc leaves the type of an extension out
METHODS = {method.full_name: method for service in services_of_contract() for method in service.methods}
STREAMS = [m for m in METHODS.values() if m.server_streaming and not holds_socket(m) and file_of(m) is None]


def stream_face(method: MethodDescriptor) -> stream_face_pb2.StreamFace:
    assert method.GetOptions().HasExtension(STREAM_FACE), f"{method.full_name} has no stream face"
    return face_of(method)


@pytest.mark.parametrize("method", STREAMS, ids=lambda method: method.name)
def test_a_stream_is_stopped_by_a_unary_method_that_takes_the_run(method: MethodDescriptor) -> None:
    stop = METHODS[stream_face(method).stop]
    assert not stop.server_streaming
    assert "run_id" in stop.input_type.fields_by_name


@pytest.mark.parametrize("method", STREAMS, ids=lambda method: method.name)
def test_a_stream_is_resumed_by_one_of_the_same_events(method: MethodDescriptor) -> None:
    resume = METHODS[stream_face(method).resume]
    assert resume.server_streaming
    assert {"run_id", "after_sequence"} <= set(resume.input_type.fields_by_name)
    assert resume.output_type.fields[0].message_type is method.output_type.fields[0].message_type


@pytest.mark.parametrize("method", STREAMS, ids=lambda method: method.name)
def test_the_named_cases_are_cases_of_the_event(method: MethodDescriptor) -> None:
    event = method.output_type.fields[0].message_type
    assert event is not None
    assert set(stream_face(method).cases) <= set(event.fields_by_name)


def test_the_websockets_are_those_of_the_contract() -> None:
    assert {method.name: stream_face(method).websocket for method in STREAMS} == {
        "Chat": "/api/v1/chat/stream",
        "WatchRun": "/api/v1/runs/{run_id}/stream",
    }


def test_only_streams_have_a_stream_face() -> None:
    others = [method for method in METHODS.values() if method not in STREAMS]
    assert [m.full_name for m in others if m.GetOptions().HasExtension(STREAM_FACE)] == []


def test_files_are_carried_by_the_methods_for_uploads() -> None:
    faces = {method.name: face.part for method in METHODS.values() if (face := file_of(method)) is not None}
    assert faces == {"Upload": "file", "GetUpload": ""}
