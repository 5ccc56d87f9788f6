"""The table of methods is what the descriptors declare."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from thinkaloud.v1 import chat_service_pb2, run_service_pb2
from thinkaloud_server.rpc.methods import methods_of


class Servicer:
    """A handler for each name."""

    def __getattr__(self, name: str) -> str:
        return f"handler of {name}"


class Nothing:
    """No handler at all."""


def test_each_method_has_its_handler_its_classes_and_its_kind() -> None:
    service = chat_service_pb2.DESCRIPTOR.services_by_name["ChatService"]
    methods: list[Any] = list(methods_of(service, Servicer()))
    chat, send_message, batch_chat = methods
    assert chat.path == "/thinkaloud.v1.ChatService/Chat"
    assert (chat.stream, chat.unary) == ("handler of chat", None)
    assert (chat.request, chat.response) == (chat_service_pb2.ChatRequest, chat_service_pb2.ChatResponse)
    assert (send_message.stream, send_message.unary) == (None, "handler of send_message")
    assert send_message.request is chat_service_pb2.SendMessageRequest
    assert batch_chat.unary == "handler of batch_chat"


@pytest.mark.parametrize(
    ("client", "server", "kind"),
    [(False, False, "unary"), (False, True, "stream"), (True, False, "intake"), (True, True, "")],
    ids=["unary", "its answers stream", "its requests stream", "both stream"],
)
def test_what_streams_decides_the_kind(client: bool, server: bool, kind: str) -> None:
    file = descriptor_pb2.FileDescriptorProto(name=f"{client}{server}.proto", package="made", syntax="proto3")
    file.message_type.add(name="Asked")
    asked = ".made.Asked"
    file.service.add(name="Made").method.add(
        name="Do", input_type=asked, output_type=asked, client_streaming=client, server_streaming=server
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    service = pool.FindServiceByName("made.Made")
    if not kind:
        with pytest.raises(ValueError, match="streams both ways"):
            list(methods_of(service, Servicer()))
        return
    (method,) = methods_of(service, Servicer())
    handlers = {"unary": method.unary, "stream": method.stream, "intake": method.intake}
    assert {name for name, handler in handlers.items() if handler} == {kind}


def test_a_method_without_a_handler_is_found_when_the_server_is_built() -> None:
    with pytest.raises(AttributeError, match="watch_run"):
        list(methods_of(run_service_pb2.DESCRIPTOR.services_by_name["RunService"], Nothing()))
