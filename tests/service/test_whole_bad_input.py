"""What callers do wrong, on the whole server: each gets its code with a request id, and the next good request works."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from fakes.chat_wire import chat_reply, error_reply, listing_reply
from fakes.failing import check_status, failed_chat, failed_message
from fakes.provider import FakeProvider, Gate, Reply, Request
from fakes.rpc import collect, refused, until
from fakes.stubs import Stubs, stubs
from fakes.whole import Whole, whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import conversation_service_pb2 as conversation_pb
from thinkaloud.v1 import run_service_pb2 as run_pb
from thinkaloud.v1 import system_service_pb2 as system_pb

TEXT = "it is 391"
KEY = "canary-key-4f1d9a7c"
TEXT_CHARS_MAX = 2000
REQUEST_BYTES_MAX = 64 * 1024
CODES = grpc.StatusCode


def script(request: Request) -> Reply:
    """A provider that has one model, and says so."""
    if request.path.endswith("/models"):
        return listing_reply("thinker-large", "thinker-small")
    if request.json["model"] != "thinker-large":
        return error_reply(404, f"The model `{request.json['model']}` does not exist", code="model_not_found")
    return chat_reply(TEXT)


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider(script=script) as found:
        yield found
        await found.wait_for(lambda each: not each.open_connections)


@pytest.fixture
async def server(tmp_path: Path, provider: FakeProvider) -> AsyncIterator[Whole]:
    section = {"base_url": provider.base_url, "models": ["thinker-large"], "api_key": KEY}
    runs = {"text_chars_max": TEXT_CHARS_MAX}
    limits = {"request_bytes_max": REQUEST_BYTES_MAX}
    async with whole_server(tmp_path, {"local": section}, runs=runs, server=limits) as found:
        yield found


@pytest.fixture
async def caller(server: Whole) -> AsyncIterator[Stubs]:
    """A caller; whatever it did, the next good request works, and no run is left."""
    async with stubs(server.address) as found:
        yield found
        answer = await found.chat.SendMessage(pb.SendMessageRequest(request=chat()))
        assert answer.complete.response == TEXT
        await until(lambda: not server.engine.status().live_runs)


def chat(text: str = "go", model: str = "local/thinker-large", **fields: Any) -> pb.ChatRequest:
    return pb.ChatRequest(text=text, model=model, **fields)


@pytest.mark.parametrize("text", ["", " \n\t"], ids=["nothing", "blanks"])
async def test_an_empty_text_is_refused_by_its_name(caller: Stubs, text: str) -> None:
    for status in ((await failed_chat(caller, chat(text))).status, await failed_message(caller, chat(text))):
        assert (status.code, status.reason) == (CODES.INVALID_ARGUMENT, "VALIDATION_FAILED")
        assert set(status.fields) == {"text"}


async def test_a_text_over_the_limit_is_refused_with_the_limit_and_never_cut(
    caller: Stubs, provider: FakeProvider
) -> None:
    failed = await failed_chat(caller, chat("é" * (TEXT_CHARS_MAX + 1)))
    assert (failed.status.code, failed.status.reason) == (CODES.INVALID_ARGUMENT, "TEXT_TOO_LONG")
    assert failed.status.metadata == {"limit": str(TEXT_CHARS_MAX), "actual": str(TEXT_CHARS_MAX + 1)}
    assert not provider.requests
    whole = await caller.chat.SendMessage(pb.SendMessageRequest(request=chat("é" * TEXT_CHARS_MAX)))
    assert whole.complete.response == TEXT
    assert provider.requests[-1].json["messages"][-1]["content"] == "é" * TEXT_CHARS_MAX


@pytest.mark.parametrize(
    ("model", "near"),
    [
        ("demo/reasonr", "demo/reasoner"),
        ("lokal/thinker-large", "local/thinker-large"),
        ("thinker-large", "local/thinker-large"),
        ("nobody/has-this", None),
    ],
)
async def test_an_unknown_model_is_refused_unasked_with_near_names(
    caller: Stubs, provider: FakeProvider, model: str, near: str | None
) -> None:
    failed = await failed_chat(caller, chat(model=model))
    assert (failed.status.code, failed.status.reason) == (CODES.NOT_FOUND, "MODEL_NOT_FOUND")
    assert not failed.events
    assert not provider.requests
    if near:
        assert near in failed.status.metadata["near"]
        assert near in failed.status.message
    status = await failed_message(caller, chat(model=model))
    assert (status.reason, status.metadata) == ("MODEL_NOT_FOUND", failed.status.metadata)


async def test_a_model_that_its_provider_does_not_know_comes_back_with_the_near_names_of_its_listing(
    caller: Stubs,
) -> None:
    failed = await failed_chat(caller, chat(model="local/thinker-smal"))
    assert (failed.status.code, failed.status.reason) == (CODES.NOT_FOUND, "MODEL_NOT_FOUND")
    assert not failed.error.retryable
    assert "local/thinker-small" in list(failed.error.details["near"])
    assert "local/thinker-small" in failed.status.metadata["near"]


async def test_a_conversation_that_is_not_there_is_not_found_whatever_is_asked_of_it(caller: Stubs) -> None:
    nobodys = "conv_" + "0" * 32
    for status in (
        (await failed_chat(caller, chat(conversation_id=nobodys))).status,
        await failed_message(caller, chat(conversation_id=nobodys)),
    ):
        assert (status.code, status.reason) == (CODES.NOT_FOUND, "NOT_FOUND")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.conversations.GetHistory(conversation_pb.GetHistoryRequest(conversation_id=nobodys))
    assert refused(caught.value).reason == "NOT_FOUND"
    malformed = (await failed_chat(caller, chat(conversation_id="yesterday's"))).status
    assert (malformed.code, malformed.reason) == (CODES.INVALID_ARGUMENT, "INVALID_ID")


async def test_a_sequence_ahead_of_the_log_is_refused_with_where_the_log_ends(caller: Stubs) -> None:
    events = [response.event async for response in caller.chat.Chat(chat())]
    last = events[-1].sequence
    for ahead in (last + 1, 2**31 - 1):
        request = run_pb.WatchRunRequest(run_id=events[0].start.run_id, after_sequence=ahead)
        got, error = await collect(caller.runs.WatchRun(request, metadata=(("x-request-id", "ahead"),)))
        assert not got
        assert error is not None
        status = refused(error)
        check_status(status, "ahead")
        assert (status.code, status.reason) == (CODES.OUT_OF_RANGE, "SEQUENCE_AHEAD")
        assert status.metadata == {"last_sequence": str(last)}
    at_the_end = run_pb.WatchRunRequest(run_id=events[0].start.run_id, after_sequence=last)
    assert await collect(caller.runs.WatchRun(at_the_end)) == ([], None)


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x0a\x20short", b"\x0a\x02\xff\xfe"])
@pytest.mark.parametrize("method", ["ChatService/Chat", "ChatService/SendMessage", "RunService/WatchRun"])
async def test_bytes_that_are_no_message_are_a_malformed_request(caller: Stubs, method: str, data: bytes) -> None:
    error = await raw_outcome(caller, method, data, metadata=(("x-request-id", "bad"),))
    status = refused(error)
    check_status(status, "bad")
    assert (status.code, status.reason) == (CODES.INVALID_ARGUMENT, "MALFORMED_REQUEST")


async def test_a_message_over_the_limit_is_refused_with_the_limit(caller: Stubs) -> None:
    data = chat("x" * REQUEST_BYTES_MAX).SerializeToString()
    status = refused(await raw_outcome(caller, "ChatService/Chat", data, metadata=(("x-request-id", "large"),)))
    check_status(status, "large")
    assert (status.code, status.reason) == (CODES.RESOURCE_EXHAUSTED, "MESSAGE_TOO_LARGE")
    assert status.metadata == {"limit": str(REQUEST_BYTES_MAX), "actual": str(len(data))}


async def test_a_message_far_over_the_limit_is_refused_before_it_is_whole(caller: Stubs) -> None:
    """By grpc itself, which knows the code and no details."""
    error = await raw_outcome(caller, "ChatService/Chat", b"x" * (4 * REQUEST_BYTES_MAX))
    assert error.code() is CODES.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "bad", ["", "two words", "a/b", "x" * 129, "${jndi:ldap://x}", 'quo"te'], ids=lambda bad: bad[:16] or "empty"
)
async def test_a_request_id_that_is_none_is_replaced_everywhere(
    caller: Stubs, provider: FakeProvider, caplog: pytest.LogCaptureFixture, bad: str
) -> None:
    with caplog.at_level(logging.INFO):
        call = caller.chat.Chat(chat(), metadata=(("x-request-id", bad),))
        events = [response.event async for response in call]
        await until(lambda: "rpc_completed" in caplog.text)
    made = events[0].start.request_id
    assert made
    assert made != bad
    assert (await call.initial_metadata())["x-request-id"] == made
    assert provider.requests[-1].headers["x-request-id"] == made
    assert [vars(each)["request_id"] for each in caplog.records if each.name == "thinkaloud.access"] == [made]


async def test_a_good_request_id_is_kept_everywhere(caller: Stubs, provider: FakeProvider) -> None:
    call = caller.chat.Chat(chat(), metadata=(("x-correlation-id", "Their.own_id-1"),))
    events = [response.event async for response in call]
    assert events[0].start.request_id == "Their.own_id-1"
    assert (await call.initial_metadata())["x-request-id"] == "Their.own_id-1"
    assert provider.requests[-1].headers["x-request-id"] == "Their.own_id-1"


async def test_metadata_of_bytes_does_no_harm_and_goes_nowhere(caller: Stubs, provider: FakeProvider) -> None:
    junk = bytes(range(256))
    metadata = (("x-junk-bin", junk), ("x-request-id-bin", junk), ("authorization", "Bearer \x7e"))
    events = [response.event async for response in caller.chat.Chat(chat(), metadata=metadata)]
    assert events[-1].complete.response == TEXT
    assert provider.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert not [name for name in provider.requests[-1].headers if "junk" in name]


async def test_metadata_over_the_limit_is_refused(caller: Stubs) -> None:
    """By grpc itself, which knows the code and no details."""
    error = await raw_outcome(caller, "ChatService/Chat", b"", metadata=(("x-large", "x" * 100_000),))
    assert error.code() is CODES.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("detach", [None, 0, 15], ids=["default", "none", "some"])
async def test_a_deadline_of_a_millisecond_is_deadline_exceeded_and_leaves_no_run(
    caller: Stubs, server: Whole, provider: FakeProvider, detach: int | None
) -> None:
    """The fixture's end sees that no run is left."""
    provider.answer(chat_reply(TEXT, hold=Gate()))
    for _ in range(5):
        call = caller.chat.Chat(chat(detach=detach), timeout=0.001)
        _, error = await collect(call)
        assert error is not None
        assert error.code() is CODES.DEADLINE_EXCEEDED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.chat.SendMessage(pb.SendMessageRequest(request=chat(detach=detach)), timeout=0.001)
    assert caught.value.code() is CODES.DEADLINE_EXCEEDED
    await until(lambda: not server.engine.status().live_runs and not provider.busy_connections)
    provider.answer(chat_reply(TEXT))


async def test_a_deadline_that_passes_in_the_answer_ends_the_run_with_an_error_that_is_kept(
    caller: Stubs, server: Whole, provider: FakeProvider
) -> None:
    gate = Gate()
    provider.answer(chat_reply(TEXT, hold=gate, hold_at=3))
    call = caller.chat.Chat(chat(), timeout=0.3, metadata=(("x-request-id", "hasty"),))
    responses, error = await collect(call)
    assert error is not None
    assert error.code() is CODES.DEADLINE_EXCEEDED
    await until(lambda: not server.engine.status().live_runs)
    await provider.wait_for(lambda each: not each.busy_connections)
    run_id = responses[0].event.start.run_id
    run = (await caller.runs.GetRun(run_pb.GetRunRequest(run_id=run_id))).run
    assert (run.state, run.error.code, run.error.request_id) == ("failed", "DEADLINE_EXCEEDED", "hasty")
    assert run.error.partial
    provider.answer(chat_reply(TEXT))


async def test_a_hundred_bad_calls_at_once_leave_the_server_as_it_was(caller: Stubs, server: Whole) -> None:
    bad = [chat(""), chat("x" * 3000), chat(model="no/model"), chat(conversation_id="conv_" + "0" * 32)]
    await asyncio.gather(*(failed_chat(caller, bad[number % len(bad)]) for number in range(100)))
    assert not server.engine.status().live_runs
    health = await caller.system.GetHealth(system_pb.GetHealthRequest())
    assert health.status == "healthy"


async def raw_outcome(caller: Stubs, method: str, data: bytes, **options: Any) -> grpc.aio.AioRpcError:
    """The status that these bytes are answered with."""
    path = f"/thinkaloud.v1.{method}"
    try:
        if method in ("ChatService/Chat", "RunService/WatchRun"):
            await caller.channel.unary_stream(path)(data, **options).read()
        else:
            await caller.channel.unary_unary(path)(data, **options)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("it was answered")
