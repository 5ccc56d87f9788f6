"""What callers do wrong and what goes wrong inside: always a code of the table with an id, never UNKNOWN or a text."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from fakes.engine import FakeEngine, Hold, complete
from fakes.rpc import ON_A_SOCKET, Served, collect, refused, serving, until
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import system_service_pb2
from thinkaloud_server.core.event import Token
from thinkaloud_server.core.run import Conversation
from thinkaloud_server.rpc.limits import Limits

pytestmark = pytest.mark.usefixtures("channel_kind")

# The names stand here once more, so that a method without these tests cannot be added unseen.
METHODS = [
    *(f"thinkaloud.v1.ChatService/{name}" for name in ("Chat", "SendMessage", "BatchChat")),
    *(f"thinkaloud.v1.RunService/{name}" for name in ("WatchRun", "GetRun", "ListRuns", "StopRun")),
    *(
        f"thinkaloud.v1.ConversationService/{name}"
        for name in (
            "CreateConversation",
            "GetConversation",
            "ListConversations",
            "UpdateConversation",
            "DeleteConversation",
            "GetHistory",
        )
    ),
    *(f"thinkaloud.v1.ModelService/{name}" for name in ("ListModels", "GetCurrentModel", "SwitchModel")),
    *(f"thinkaloud.v1.SystemService/Get{name}" for name in ("Health", "Info", "Status", "Capabilities", "TokenUsage")),
    *(f"thinkaloud.v1.IdentityService/{name}" for name in ("GetIdentity", "CreateSocketToken", "HoldSocket")),
    *(f"thinkaloud.v1.UploadService/{name}" for name in ("Upload", "GetUpload", "ListUploads", "DeleteUpload")),
    "grpc.health.v1.Health/Check",
    "grpc.health.v1.Health/Watch",
]
STREAMS = {
    "thinkaloud.v1.ChatService/Chat",
    "thinkaloud.v1.RunService/WatchRun",
    "thinkaloud.v1.IdentityService/HoldSocket",
    "thinkaloud.v1.UploadService/GetUpload",
    "grpc.health.v1.Health/Watch",
}
INTAKES = {"thinkaloud.v1.UploadService/Upload"}
MALFORMED = {
    "garbage": b"\xff\xff\xff\xff",
    "cut-off": b"\x0a\x20short",
    "group-without-end": b"\x0b",
    "overlong-varint": b"\x08" + b"\xff" * 11,
}
CANARY = "canary sk-12345 of an exception"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as found:
        yield found
        # Whatever happened, the next good request works.
        answer = await found.chat.SendMessage(pb.SendMessageRequest(request=pb.ChatRequest(text="hi")))
        assert answer.complete.response == "391"


async def outcome(served: Served, method: str, data: bytes, **options: Any) -> grpc.aio.AioRpcError:
    """The status that bytes sent to this method are answered with."""
    channel: Any = served.channel
    try:
        if method in STREAMS:
            await channel.unary_stream(f"/{method}")(data, **options).read()
        elif method in INTAKES:
            await channel.stream_unary(f"/{method}")(iter([data]), **options)
        else:
            await channel.unary_unary(f"/{method}")(data, **options)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("it was answered")


async def test_the_table_of_methods_is_the_one_tested_here(served: Served) -> None:
    assert {path.removeprefix("/") for path in served.server.methods} == set(METHODS)


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("method", METHODS)
async def test_bytes_that_are_no_message_are_a_malformed_request(served: Served, method: str, data: bytes) -> None:
    status = refused(await outcome(served, method, data))
    assert (status.code, status.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert status.request_id
    assert status.domain == "thinkaloud.dev"


async def test_a_string_that_is_not_utf8_is_a_malformed_request(served: Served) -> None:
    status = refused(await outcome(served, METHODS[0], b"\x0a\x02\xff\xfe"))
    assert status.reason == "MALFORMED_REQUEST"


async def test_a_context_that_is_nested_without_end_is_a_malformed_request(served: Served) -> None:
    data = b"\x12\x00"
    for _ in range(300):  # Value{struct_value{fields{key, value}}}
        entry = b"\x0a\x01a\x12" + varint(len(data)) + data
        struct = b"\x0a" + varint(len(entry)) + entry
        data = b"\x2a" + varint(len(struct)) + struct
    entry = b"\x0a\x01a\x12" + varint(len(data)) + data
    struct = b"\x0a" + varint(len(entry)) + entry
    status = refused(await outcome(served, METHODS[0], b"\x0a\x02hi\x42" + varint(len(struct)) + struct))
    assert status.reason == "MALFORMED_REQUEST"


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


async def test_fields_that_nobody_knows_are_taken(served: Served) -> None:
    request = pb.ChatRequest(text="hi").SerializeToString() + b"\xfa\x7f\x03abc"
    channel: Any = served.channel
    assert await channel.unary_stream(f"/{METHODS[0]}")(request).read()


# Sizes.


@pytest.mark.parametrize(
    "method",
    ["thinkaloud.v1.ChatService/Chat", "thinkaloud.v1.SystemService/GetInfo", "thinkaloud.v1.UploadService/Upload"],
)
@pytest.mark.parametrize(("over", "reason"), [(1, "MESSAGE_TOO_LARGE"), (100_000, "MESSAGE_TOO_LARGE")])
async def test_a_message_over_the_limit_is_refused_with_the_limit(
    served: Served, method: str, over: int, reason: str
) -> None:
    size = served.server.limits.request_bytes + over
    data = b"\xfa\x7f" + varint(size - 6) + b"x" * (size - 6)
    assert len(data) == size
    status = refused(await outcome(served, method, data))
    assert (status.code, status.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, reason)
    assert status.metadata == {"limit": str(4 * 1024 * 1024), "actual": str(size)}


async def test_a_message_of_exactly_the_limit_is_read(served: Served) -> None:
    size = served.server.limits.request_bytes
    data = b"\xfa\x7f" + varint(size - 6) + b"x" * (size - 6)
    assert refused(await outcome(served, METHODS[0], data)).reason == "VALIDATION_FAILED"


@ON_A_SOCKET
async def test_a_message_far_over_the_limit_is_refused_before_it_is_whole(served: Served) -> None:
    error = await outcome(served, METHODS[0], b"x" * (12 * 1024 * 1024))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@ON_A_SOCKET
async def test_a_message_that_inflates_without_measure_is_refused(served: Served) -> None:
    data = b"\x0a" + varint(64 * 1024 * 1024) + b"x" * (64 * 1024 * 1024)
    assert len(gzip.compress(data)) < 100_000
    error = await outcome(served, METHODS[0], data, compression=grpc.Compression.Gzip)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_answer_over_the_limit_is_refused_and_not_cut() -> None:
    engine = FakeEngine([Token("x" * 2000), complete()])
    async with serving(engine, limits=Limits(response_bytes=1000)) as served:
        got, error = await collect(served.chat.Chat(pb.ChatRequest(text="hi")))
        assert len(got) == 1
        assert error is not None
        assert refused(error).reason == "MESSAGE_TOO_LARGE"


# Metadata.


@ON_A_SOCKET
@pytest.mark.parametrize("size", [17_000, 100_000])
async def test_metadata_over_the_limit_is_refused(served: Served, size: int) -> None:
    error = await outcome(served, METHODS[0], b"", metadata=(("x-large", "x" * size),))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@ON_A_SOCKET
async def test_many_keys_are_refused_by_their_size(served: Served) -> None:
    metadata = tuple((f"key-{number}", "value") for number in range(1000))
    error = await outcome(served, METHODS[0], b"", metadata=metadata)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "metadata",
    [(("x-request-id", ""),), (("x-some-bin", b"\x00\xff"),), (("x-request-id", "a"), ("x-request-id", "b"))],
    ids=["empty", "binary", "twice"],
)
async def test_odd_metadata_does_no_harm(served: Served, metadata: tuple[tuple[str, Any], ...]) -> None:
    await served.system.GetInfo(system_service_pb2.GetInfoRequest(), metadata=metadata)


async def test_a_request_id_cannot_smuggle_a_line_into_a_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "thinkaloud.access")
    await served.system.GetInfo(
        system_service_pb2.GetInfoRequest(), metadata=(("x-request-id", "a${jndi:x}\x7e\x20b"),)
    )
    (record,) = (record for record in caplog.records if record.name == "thinkaloud.access")
    assert vars(record)["request_id"] == "made-1"


# Methods and deadlines.


@pytest.mark.parametrize(
    "path",
    ["/thinkaloud.v1.ChatService/Nothing", "/thinkaloud.v2.ChatService/Chat", "/x/y", "/", "/grpc.health.v1.Health/No"],
)
@pytest.mark.parametrize("arity", ["unary_unary", "unary_stream", "stream_stream"])
async def test_an_unknown_method_is_unimplemented(served: Served, path: str, arity: str, channel_kind: str) -> None:
    if (channel_kind, arity) == ("local", "stream_stream"):
        pytest.skip("no method of the contract takes a stream of requests: the channel inside the process has none")
    multi: Any = getattr(served.channel, arity)(path)
    call: Any = multi() if arity == "stream_stream" else multi(b"")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call if arity == "unary_unary" else call.read())
    status = refused(caught.value)
    assert (status.code, status.reason) == (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED")
    assert status.request_id


async def test_an_unknown_method_is_logged_without_its_name(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "thinkaloud.access")
    await outcome(served, "some.Service/Method", b"")
    (record,) = (record for record in caplog.records if record.name == "thinkaloud.access")
    assert (vars(record)["method"], vars(record)["code"]) == ("unknown", "UNIMPLEMENTED")


@pytest.mark.parametrize("timeout", [0.001, 1e-9, 0, -1], ids=["1ms", "1ns", "none", "past"])
@pytest.mark.parametrize("method", ["thinkaloud.v1.ChatService/Chat", "thinkaloud.v1.ChatService/SendMessage"])
async def test_a_deadline_that_cannot_be_met_is_deadline_exceeded(method: str, timeout: float) -> None:
    engine = FakeEngine([Hold(), complete()])
    async with serving(engine) as served:
        request: Any = pb.ChatRequest(text="hi")
        if method.endswith("SendMessage"):
            request = pb.SendMessageRequest(request=request)
            error = await outcome(served, method, request.SerializeToString(), timeout=timeout)
        else:
            _, found = await collect(served.chat.Chat(request, timeout=timeout))
            assert found is not None
            error = found
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: engine.watching == 0 and served.server.load.calls == 0)


async def test_ten_years_are_a_deadline_like_any(served: Served) -> None:
    await served.system.GetInfo(system_service_pb2.GetInfoRequest(), timeout=10 * 365 * 24 * 3600.0)


# Bugs.


@pytest.mark.parametrize("place", ["begin", "read", "handler"])
@pytest.mark.parametrize(
    "kind",
    # Kinds and not instances: one that lived on would hold its traceback, and with it calls of grpc, to the very end.
    [ValueError, KeyError, TimeoutError, StopAsyncIteration, OSError, UnicodeError],
)
async def test_a_bug_is_internal_and_its_text_stays_in_the_log(
    kind: type[Exception], place: str, caplog: pytest.LogCaptureFixture
) -> None:
    bug = kind(CANARY)
    engine = FakeEngine([Token("a"), bug])
    if place == "begin":
        engine.begin_failure = bug
    elif place == "handler":

        def status() -> Any:
            raise bug

        engine.status = status  # type: ignore[method-assign]
    async with serving(engine) as served:
        error: grpc.aio.AioRpcError | None
        if place == "handler":
            error = await outcome(served, "thinkaloud.v1.SystemService/GetStatus", b"")
        else:
            _, error = await collect(served.chat.Chat(pb.ChatRequest(text="hi")))
        assert error is not None
        status_seen = refused(error)
        assert (status_seen.code, status_seen.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
        assert status_seen.message == "internal error"
        assert b"canary" not in status_seen.raw
        assert "canary" not in repr(error)
    (record,) = (record for record in caplog.records if record.name == "thinkaloud.rpc")
    assert record.exc_info is not None
    assert vars(record)["request_id"] == status_seen.request_id
    assert "canary" in caplog.text


async def test_a_bug_after_the_deadline_is_the_deadline() -> None:
    engine = FakeEngine()
    engine.begin_hold = Hold()
    async with serving(engine) as served:
        error = await outcome(
            served,
            "thinkaloud.v1.ChatService/SendMessage",
            pb.SendMessageRequest(request=pb.ChatRequest(text="hi")).SerializeToString(),
            timeout=0.05,
        )
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


# Load.


async def test_calls_above_the_limit_are_refused_with_a_hint_and_health_still_answers() -> None:
    hold = Hold()
    engine = FakeEngine([hold, complete()])
    async with serving(engine, limits=Limits(calls=3)) as served:
        calls = [served.chat.Chat(pb.ChatRequest(text="hi")) for _ in range(3)]
        for call in calls:
            await call.read()
        status = refused(await outcome(served, "thinkaloud.v1.SystemService/GetInfo", b""))
        assert (status.code, status.reason) == (grpc.StatusCode.UNAVAILABLE, "OVERLOADED")
        assert status.retry_after_s == 1
        channel: Any = served.channel
        assert await channel.unary_unary("/grpc.health.v1.Health/Check")(b"") == b"\x08\x01"
        hold.release.set()
        for call in calls:
            await collect(call)
        await until(lambda: served.server.load.calls == 0)
        await served.system.GetInfo(system_service_pb2.GetInfoRequest())


async def test_a_thousand_calls_at_once_leave_nothing_behind() -> None:
    async with serving() as served:
        request = pb.SendMessageRequest(request=pb.ChatRequest(text="hi"))

        async def one(number: int) -> None:
            call = served.chat.SendMessage(request)
            if number % 3:
                assert (await call).complete.response == "391"
            else:
                await asyncio.sleep(0)
                call.cancel()

        await asyncio.gather(*(one(number) for number in range(1000)))
        await until(lambda: served.server.load.calls == 0 and served.engine.watching == 0)


async def test_what_is_not_there_and_what_is_not_yours_are_answered_alike() -> None:
    async with serving() as served:
        theirs = Conversation("conv_" + "1" * 32, "somebody", "secret", 1.0, 1.0)
        await served.engine.store.create_conversation("somebody", theirs)
        answers = []
        for digit in "12":
            data = b"\x0a\x25conv_" + digit.encode() * 32
            options = {"metadata": (("x-request-id", "same"),)}
            answers.append(
                refused(await outcome(served, "thinkaloud.v1.ConversationService/GetConversation", data, **options)).raw
            )
        assert answers[0] == answers[1]
