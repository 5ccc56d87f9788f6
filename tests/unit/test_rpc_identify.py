"""Who calls: what is read of metadata, and the scope of every method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from thinkaloud.v1 import run_service_pb2
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import NOBODY, Identity, Scope
from thinkaloud_server.rpc.call import Metadata, tenant_of
from thinkaloud_server.rpc.identify import credential_of, identify, is_known, scopes_of, streams_of
from unit.test_rpc_interceptors import FakeCall


class OneKey:
    """Knows one key."""

    def __init__(self, *scopes: str) -> None:
        self.identity = Identity(tenant="hers", key_id="k", scopes=frozenset(scopes))
        self.watched: list[Identity] = []

    async def identify(self, credential: str) -> Identity:
        if credential != "good":
            raise ChatError(ErrorReason.AUTH_INVALID, "the credential is not valid")
        return self.identity

    async def socket_token(self, identity: Identity, path: str) -> tuple[str, float]:
        raise NotImplementedError

    async def redeem(self, token: str, path: str) -> tuple[str, Identity]:
        raise NotImplementedError

    @contextmanager
    def watch(self, identity: Identity, ended: Callable[[ChatError], object]) -> Iterator[None]:
        self.watched.append(identity)
        yield
        self.watched.remove(identity)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "AUTH_REQUIRED"),
        ((("authorization", ""),), "AUTH_INVALID"),
        ((("authorization", "Bearer "),), "AUTH_INVALID"),
        ((("authorization", "Basic good"),), "AUTH_INVALID"),
        ((("authorization", "good"),), "AUTH_INVALID"),
        ((("authorization", "Bearer good"), ("authorization", "Bearer bad")), "AUTH_INVALID"),
        ((("authorization", "Bearer bad"), ("authorization", "Bearer good")), "AUTH_INVALID"),
        ((("authorization", b"Bearer good"),), "AUTH_INVALID"),
        ((("authorization", "Bearer a\x00b"),), "AUTH_INVALID"),
        ((("authorization", "Bearer \xe9"),), "AUTH_INVALID"),
        ((("authorization", "Bearer " + "x" * 16_385),), "AUTH_INVALID"),
    ],
    ids=str,
)
def test_what_is_no_single_credential_is_refused(metadata: Metadata, reason: str) -> None:
    with pytest.raises(ChatError) as caught:
        credential_of(FakeCall(metadata))
    assert caught.value.reason.value == reason


@pytest.mark.parametrize("value", ["Bearer good", "bearer good", "BEARER  good "])
def test_a_credential_is_what_follows_its_scheme(value: str) -> None:
    assert credential_of(FakeCall((("authorization", value),))) == "good"


@pytest.mark.parametrize(("has", "needs"), [("read", "read"), ("chat", "chat")])
async def test_a_call_belongs_to_whom_its_credential_does(has: str, needs: str) -> None:
    call = FakeCall((("authorization", "Bearer good"),))
    async with identify(OneKey(has), {call.method: cast("Scope", needs)})(call):
        assert (call.identity.key_id, tenant_of(call)) == ("k", "hers")


@pytest.mark.parametrize(
    ("credential", "reason"), [("good", "SCOPE_DENIED"), ("bad", "AUTH_INVALID")], ids=["scope", "credential"]
)
async def test_who_may_not_call_does_not_reach_the_method(credential: str, reason: str) -> None:
    call = FakeCall((("authorization", f"Bearer {credential}"),))
    with pytest.raises(ChatError) as caught:
        async with identify(OneKey("read"), {call.method: "chat"})(call):
            raise AssertionError("was let in")
    assert caught.value.reason.value == reason


@pytest.mark.parametrize("scopes", [{}, {"/s/M": "open"}], ids=["unknown", "open"])
async def test_where_there_is_nothing_to_protect_nobody_is_asked(scopes: dict[str, Scope]) -> None:
    call = FakeCall()
    async with identify(OneKey(), scopes)(call):
        assert call.identity is NOBODY


@pytest.mark.parametrize("streams", [True, False], ids=["stream", "unary"])
async def test_a_stream_is_told_when_its_credential_ends(streams: bool) -> None:
    known, call = OneKey("read"), FakeCall((("authorization", "Bearer good"),))
    async with identify(known, {call.method: "read"}, {call.method} if streams else set())(call):
        assert known.watched == ([known.identity] if streams else [])
    assert known.watched == []


@pytest.mark.parametrize(("credential", "known"), [("good", True), ("bad", False), ("", False)])
async def test_an_open_method_may_ask_whether_it_knows_the_caller(credential: str, known: bool) -> None:
    call = FakeCall((("authorization", f"Bearer {credential}"),) if credential else ())
    assert await is_known(OneKey("read"), call) is known
    assert await is_known(None, call)


def test_a_method_that_names_no_scope_is_for_admins_only() -> None:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(name="unscoped.proto", package="unscoped", syntax="proto3")
    file.message_type.add(name="Nothing")
    file.service.add(name="S").method.add(name="M", input_type=".unscoped.Nothing", output_type=".unscoped.Nothing")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    assert scopes_of([pool.FindServiceByName("unscoped.S")]) == {"/unscoped.S/M": "admin"}


def test_scopes_are_read_of_the_contract() -> None:
    scopes = scopes_of([run_service_pb2.DESCRIPTOR.services_by_name["RunService"]])
    assert scopes["/thinkaloud.v1.RunService/GetRun"] == "read"
    assert scopes["/thinkaloud.v1.RunService/StopRun"] == "chat"


def test_streams_are_read_of_the_contract() -> None:
    service = run_service_pb2.DESCRIPTOR.services_by_name["RunService"]
    assert streams_of([service]) == {"/thinkaloud.v1.RunService/WatchRun"}
