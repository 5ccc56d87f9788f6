"""The paths of the calls are those of the contract."""

from __future__ import annotations

import inspect
from typing import Any, get_args, get_type_hints

import pytest

from thinkaloud import Client, Conversations, SyncClient, SyncConversations, calls
from thinkaloud.calls import ModelList, Page, Unary
from thinkaloud.v1 import (
    chat_service_pb2,
    conversation_service_pb2,
    identity_service_pb2,
    model_service_pb2,
    run_service_pb2,
    system_service_pb2,
    upload_service_pb2,
)

MODULES = (
    chat_service_pb2,
    run_service_pb2,
    conversation_service_pb2,
    model_service_pb2,
    system_service_pb2,
    identity_service_pb2,
    upload_service_pb2,
)
METHODS: dict[str, Any] = {
    f"/{service.full_name}/{name}": method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for name, method in service.methods_by_name.items()
}
SAMPLES: dict[type, Any] = {str: "x", bool: True, int: 1}


def made(make: Any) -> Unary[Any]:
    """The call with some value for each argument."""
    hints = get_type_hints(make)
    arguments = {
        name: run_service_pb2.GetRunRequest()
        if hints[name] is run_service_pb2.GetRunRequest
        else SAMPLES.get(hints[name])
        for name in inspect.signature(make).parameters
    }
    call: Unary[Any] = make(**arguments)
    return call


MAKERS = [
    function
    for name, function in inspect.getmembers(calls, inspect.isfunction)
    if function.__module__ == calls.__name__ and not name.startswith("_")
]


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_each_call_has_the_path_and_the_types_of_the_contract(make: Any) -> None:
    call = made(make)
    method = METHODS[call.path]
    assert call.request.DESCRIPTOR is method.input_type
    assert call.answer.DESCRIPTOR is method.output_type
    call.read(call.answer())


def test_every_method_of_the_contract_can_be_called() -> None:
    # A unary answer carries no heartbeat: chat() runs over Chat, and a batch is as many chats.
    by_choice = {"/thinkaloud.v1.ChatService/SendMessage", "/thinkaloud.v1.ChatService/BatchChat"}
    # What WebSockets need: a client of gRPC has none.
    by_choice |= {f"/thinkaloud.v1.IdentityService/{name}" for name in ("CreateSocketToken", "HoldSocket")}
    streams = {calls.CHAT, calls.WATCH_RUN, calls.UPLOAD, calls.GET_UPLOAD}
    assert {made(make).path for make in MAKERS} | streams == set(METHODS) - by_choice
    assert METHODS[calls.CHAT].server_streaming
    assert METHODS[calls.WATCH_RUN].server_streaming
    assert METHODS[calls.GET_UPLOAD].server_streaming
    assert METHODS[calls.UPLOAD].client_streaming


@pytest.mark.parametrize(("one", "other"), [(Client, SyncClient), (Conversations, SyncConversations)])
def test_the_twins_have_the_same_methods_and_arguments(one: type, other: type) -> None:
    def surface(kind: type) -> dict[str, list[tuple[str, Any, Any]]]:
        return {
            name: [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") or name == "__init__"
        }

    ours, theirs = surface(one), surface(other)
    if one is Conversations:
        del ours["__init__"], theirs["__init__"]
    assert ours == theirs


def test_a_page_and_a_model_list_are_read_like_their_items() -> None:
    page = Page(("a", "b"), "next")
    assert (list(page), len(page), page.next_page_token) == (["a", "b"], 2, "next")
    models = ModelList((model_service_pb2.Model(id="p/m"),), ("down",))
    assert ([model.id for model in models], len(models)) == (["p/m"], 1)
    assert get_args(Page[str]) == (str,)
