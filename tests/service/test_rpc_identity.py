"""Who may call, over both channels: what each caller is answered, and how streams end with their credentials."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from fakes.engine import FakeEngine, Hold, thinking
from fakes.keys import FakeKeys, authority_of
from fakes.rpc import Served, collect, refused, serving, until
from service.test_rpc_abuse import INTAKES, METHODS, STREAMS
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import identity_service_pb2 as identity_pb
from thinkaloud.v1 import run_service_pb2 as run_pb
from thinkaloud.v1 import system_service_pb2 as system_pb

pytestmark = pytest.mark.usefixtures("channel_kind")

PATH = "/api/v1/chat/stream"
OPEN = {
    "thinkaloud.v1.SystemService/GetHealth",
    "thinkaloud.v1.IdentityService/HoldSocket",
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
}


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
async def served(keys: FakeKeys) -> AsyncIterator[Served]:
    async with serving(authenticator=authority_of(keys)) as found:
        yield found


def bearer(key: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {key}"),)


async def refusal(call: Any) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call.read() if hasattr(call, "read") else call)
    status = refused(caught.value)
    return status.reason, status.message


def ask(served: Served, method: str, key: str) -> Any:
    channel: Any = served.channel
    metadata = bearer(key) if key else ()
    if method in INTAKES:
        return channel.stream_unary(f"/{method}")(iter([b""]), metadata=metadata)
    make = channel.unary_stream if method in STREAMS else channel.unary_unary
    return make(f"/{method}")(b"", metadata=metadata)


@pytest.mark.parametrize("method", [each for each in METHODS if each not in OPEN])
async def test_without_a_good_credential_every_method_answers_alike(served: Served, method: str) -> None:
    stranger = FakeKeys().make("admin")
    assert await refusal(ask(served, method, "")) == (
        "AUTH_REQUIRED",
        "a credential is needed: authorization: Bearer <API key or token>",
    )
    assert await refusal(ask(served, method, stranger)) == ("AUTH_INVALID", "the credential is not valid")


@pytest.mark.parametrize("scope", ["read", "chat", "admin"])
async def test_a_key_reaches_the_methods_of_its_scopes_alone(served: Served, keys: FakeKeys, scope: str) -> None:
    key = keys.make(scope)
    for method in METHODS:
        if method in OPEN:
            continue
        needs = method_scope(method)
        call = ask(served, method, key)
        if needs != scope:
            assert (await refusal(call))[0] == "SCOPE_DENIED"
        else:  # in, and then answered for what it asks
            assert await answered(call, method) in ("", "VALIDATION_FAILED", "INVALID_ID"), method


async def answered(call: Any, method: str) -> str:
    """The reason of a refusal; "" for an answer."""
    try:
        await (call.read() if method in STREAMS else call)
    except grpc.aio.AioRpcError as error:
        return refused(error).reason
    return ""


def method_scope(method: str) -> str:
    name = method.partition("/")[2]
    if name == "GetStatus":
        return "admin"
    reads = name.startswith(("Get", "List", "Watch")) or name == "CreateSocketToken"
    return "read" if reads else "chat"


async def test_a_caller_is_told_who_it_is(served: Served, keys: FakeKeys) -> None:
    key = keys.make("read", "chat", tenant="acme", expires_at=time.time() + 100)
    told = (await served.identity.GetIdentity(identity_pb.GetIdentityRequest(), metadata=bearer(key))).identity
    assert (told.tenant, list(told.scopes)) == ("acme", ["chat", "read"])
    assert key.startswith(f"{told.key_id}_")
    assert told.HasField("expires_at")


async def test_where_nobody_is_asked_everybody_may() -> None:
    async with serving() as served:
        told = (await served.identity.GetIdentity(identity_pb.GetIdentityRequest())).identity
        assert (told.tenant, told.key_id) == ("default", "")
        made = await served.identity.CreateSocketToken(identity_pb.CreateSocketTokenRequest(path=PATH))
        assert made.token == ""
        held = served.identity.HoldSocket(identity_pb.HoldSocketRequest(path=PATH))
        assert (await held.read()).authorization == ""
        held.cancel()


# Streams end with their credentials.


def opened(served: Served, kind: str, key: str, run_id: str) -> Any:
    match kind:
        case "chat":
            return served.chat.Chat(pb.ChatRequest(text="hi"), metadata=bearer(key))
        case "watch":
            return served.runs.WatchRun(run_pb.WatchRunRequest(run_id=run_id), metadata=bearer(key))
        case _:
            return served.identity.HoldSocket(identity_pb.HoldSocketRequest(path=PATH), metadata=bearer(key))


@pytest.mark.parametrize("kind", ["chat", "watch", "socket"])
@pytest.mark.parametrize("reader", ["waits", "is-away"])
async def test_an_open_stream_ends_when_its_key_is_revoked(
    keys: FakeKeys, kind: str, reader: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "thinkaloud.access")
    engine = FakeEngine([thinking()[0], Hold()])
    async with serving(engine, authenticator=authority_of(keys)) as served:
        key, other = keys.make("read", "chat"), keys.make("read", "chat")
        run = engine.add([thinking()[0], Hold()])
        stream, theirs = (opened(served, kind, each, run.run_id) for each in (key, other))
        assert await stream.read()
        assert await theirs.read()
        reading = asyncio.create_task(collect(stream)) if reader == "waits" else None
        await asyncio.sleep(0)
        keys.revoke(key)
        async with asyncio.timeout(5):
            _, error = await (reading or collect(stream))
        assert error is not None
        assert (error.code(), refused(error).reason) == (grpc.StatusCode.UNAUTHENTICATED, "AUTH_REVOKED")
        assert (await refusal(opened(served, kind, key, run.run_id)))[0] == "AUTH_REVOKED"
        assert not theirs.done()
        theirs.cancel()
        await until(lambda: served.server.load.calls == 0)
    codes = [vars(each)["reason"] for each in caplog.records if each.getMessage() == "rpc_completed"]
    assert codes.count("AUTH_REVOKED") == 2


@pytest.mark.parametrize("kind", ["chat", "watch", "socket"])
async def test_an_open_stream_ends_when_its_key_expires(keys: FakeKeys, kind: str) -> None:
    engine = FakeEngine([thinking()[0], Hold()])
    async with serving(engine, authenticator=authority_of(keys)) as served:
        run = engine.add([thinking()[0], Hold()])
        stream = opened(served, kind, keys.make("read", "chat", expires_at=time.time() + 0.5), run.run_id)
        async with asyncio.timeout(5):
            got, error = await collect(stream)
    assert got
    assert error is not None
    assert refused(error).reason == "AUTH_EXPIRED"


async def test_a_stream_that_ended_by_itself_is_not_told(served: Served, keys: FakeKeys) -> None:
    key = keys.make("read", "chat")
    got, error = await collect(served.chat.Chat(pb.ChatRequest(text="hi"), metadata=bearer(key)))
    assert got[-1].event.HasField("complete")
    assert error is None
    keys.revoke(key)


# Sockets.


async def socket_token(served: Served, key: str, path: str = PATH) -> str:
    request = identity_pb.CreateSocketTokenRequest(path=path)
    made = await served.identity.CreateSocketToken(request, metadata=bearer(key))
    assert 0 < made.expires_at.seconds - time.time() <= 60
    token: str = made.token
    return token


def hold(served: Served, token: str, path: str = PATH) -> Any:
    return served.identity.HoldSocket(identity_pb.HoldSocketRequest(path=path, token=token))


async def test_a_socket_token_is_exchanged_once_for_a_credential_of_the_same_caller(
    served: Served, keys: FakeKeys
) -> None:
    key = keys.make("read", "chat", tenant="acme")
    token = await socket_token(served, key)
    socket = hold(served, token)
    first = await socket.read()
    assert first.identity.tenant == "acme"
    asked = served.identity.GetIdentity(
        identity_pb.GetIdentityRequest(), metadata=(("authorization", first.authorization),)
    )
    assert (await asked).identity == first.identity
    assert (await refusal(hold(served, token)))[0] == "WS_TOKEN_USED"
    keys.revoke(key)
    async with asyncio.timeout(5):
        _, error = await collect(socket)
    assert error is not None
    assert refused(error).reason == "AUTH_REVOKED"
    assert (
        await refusal(
            served.identity.GetIdentity(
                identity_pb.GetIdentityRequest(), metadata=(("authorization", first.authorization),)
            )
        )
    )[0] == "AUTH_REVOKED"


async def test_a_socket_token_opens_no_other_path_and_no_changed_one_opens_any(served: Served, keys: FakeKeys) -> None:
    token = await socket_token(served, keys.make("read"), "/api/v1/runs/run_1/stream")
    for text, path in ((token, PATH), (token + "x", "/api/v1/runs/run_1/stream"), ("x", PATH)):
        assert (await refusal(hold(served, text, path)))[0] == "WS_TOKEN_INVALID"
    assert (await refusal(hold(served, "")))[0] == "AUTH_REQUIRED"
    assert await hold(served, token, "/api/v1/runs/run_1/stream").read()


@pytest.mark.parametrize("path", ["", "api", "/a?b", "/" + "x" * 512, "/\n"], ids=repr)
async def test_a_path_that_is_none_gets_no_token(served: Served, keys: FakeKeys, path: str) -> None:
    request = identity_pb.CreateSocketTokenRequest(path=path)
    asked = served.identity.CreateSocketToken(request, metadata=bearer(keys.make("read")))
    assert (await refusal(asked))[0] == "VALIDATION_FAILED"


# What callers are told of the server.


async def test_health_is_told_to_anybody_and_the_rest_of_it_to_known_callers(served: Served, keys: FakeKeys) -> None:
    async def health(key: str) -> Any:
        return await served.system.GetHealth(system_pb.GetHealthRequest(), metadata=bearer(key) if key else ())

    for key in ("", FakeKeys().make("admin")):
        told = await health(key)
        assert {field.name for field, _ in told.ListFields()} == {"status", "timestamp"}
        assert told.status == "healthy"
    assert (await health(keys.make("read"))).HasField("agent_capacity")
