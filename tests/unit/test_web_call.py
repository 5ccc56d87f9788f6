"""Methods called by their descriptors over a real channel: answers, statuses, and leaving."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from fakes.toy import LIMITS, toy_message, toy_server, toy_service
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.error import HttpError

ECHO, COUNT, KEEP = (toy_service().methods_by_name[name] for name in ("Echo", "Count", "Keep"))


def made(name: str, **fields: Any) -> Any:
    message = toy_message(name)
    for field, value in fields.items():
        setattr(message, field, value)
    return message


async def test_a_unary_method_answers_with_its_message_and_sees_the_metadata() -> None:
    async with toy_server() as (toy, channel):
        answer, headers = await Caller(channel).unary(ECHO, made("Everything", text="a"), [("x-request-id", "r")])
        assert answer.everything.text == "a"  # type: ignore[attr-defined]
        assert headers == [*LIMITS]
        assert toy.metadata["x-request-id"] == "r"


async def test_a_status_is_an_http_error() -> None:
    async with toy_server() as (_, channel):
        caller = Caller(channel)
        with pytest.raises(HttpError) as refused:
            await caller.unary(ECHO, made("Everything", text="plain failure"), [])
        assert refused.value.code == "NOT_FOUND"
        assert refused.value.headers == [*LIMITS]
        with pytest.raises(HttpError) as refused:
            async with caller.stream(COUNT, made("CountRequest", to=1, fail="before"), []) as messages:
                await anext(messages)
        assert refused.value.code == "SEQUENCE_AHEAD"


async def test_a_deadline_is_the_callers_own() -> None:
    async with toy_server() as (_, channel):
        with pytest.raises(HttpError) as refused:
            await Caller(channel).unary(ECHO, made("Everything", text="hang"), [], timeout_s=0.05)
        assert refused.value.code == "DEADLINE_EXCEEDED"


async def test_a_stream_ends_after_its_last_message() -> None:
    async with toy_server() as (_, channel), Caller(channel).stream(COUNT, made("CountRequest", to=3), []) as messages:
        assert [message.sequence async for message in messages] == [1, 2, 3, 0]  # type: ignore[attr-defined]
        assert await messages.headers() == [*LIMITS]


async def test_leaving_a_stream_cancels_its_call() -> None:
    async with toy_server() as (toy, channel):
        async with Caller(channel).stream(COUNT, made("CountRequest", to=3, fail="hang"), []) as messages:
            await anext(messages)
            assert not toy.left.is_set()
        async with asyncio.timeout(10):
            await toy.left.wait()


async def test_a_cancelled_unary_call_is_cancelled() -> None:
    async with toy_server() as (toy, channel):
        calling = asyncio.create_task(Caller(channel).unary(ECHO, made("Everything", text="hang"), []))
        async with asyncio.timeout(10):
            await toy.counting.wait()
            calling.cancel()
            await toy.left.wait()
        with pytest.raises(asyncio.CancelledError):
            await calling


async def book(*titles: str, fails: bool = False, waits: bool = False) -> AsyncGenerator[Message, None]:
    """The messages of a book with these titles' bytes."""
    first = toy_message("KeepRequest")
    first.about.title = titles[0]
    yield first
    for title in titles:
        yield made("KeepRequest", data=title.encode())
    if fails:
        raise HttpError("MALFORMED_REQUEST", "no book")
    if waits:
        await asyncio.Event().wait()


async def test_a_stream_of_requests_has_one_answer() -> None:
    async with toy_server() as (toy, channel):
        answer, _ = await Caller(channel).intake(KEEP, book("a", "b"), [("x-request-id", "r")])
        assert answer.about.title == "a"  # type: ignore[attr-defined]
        assert toy.kept == [b"a", b"b"]
        assert toy.metadata["x-request-id"] == "r"


async def test_what_is_raised_instead_of_a_request_cancels_the_call() -> None:
    async with toy_server() as (toy, channel):
        with pytest.raises(HttpError, match="no book"):
            await Caller(channel).intake(KEEP, book("a", fails=True), [])
        async with asyncio.timeout(10):
            await toy.left.wait()


@pytest.mark.parametrize("title", ["refuse", "enough"])
async def test_a_call_may_end_before_its_requests_do(title: str) -> None:
    async with toy_server() as (_, channel):
        calling = Caller(channel).intake(KEEP, book(title, waits=True), [])
        async with asyncio.timeout(10):
            if title == "enough":
                assert (await calling)[0].about.title == "enough"  # type: ignore[attr-defined]
                return
            with pytest.raises(HttpError) as refused:
                await calling
        assert refused.value.code == "QUOTA_EXCEEDED"


async def test_leaving_a_stream_of_requests_cancels_the_call() -> None:
    async with toy_server() as (toy, channel):
        calling = asyncio.ensure_future(Caller(channel).intake(KEEP, book("slow"), []))
        await toy.counting.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        async with asyncio.timeout(10):
            await toy.left.wait()


async def test_why_a_connection_was_lost_is_for_the_log_and_not_for_the_caller(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        caller = Caller(channel)
        with caplog.at_level(logging.WARNING, "thinkaloud.web"):
            with pytest.raises(HttpError) as refused:
                await caller.unary(ECHO, made("Everything"), [])
            with pytest.raises(HttpError):
                async with caller.stream(COUNT, made("CountRequest", to=1), []) as messages:
                    await anext(messages)
    assert refused.value.lost
    assert "127.0.0.1" not in str(refused.value)
    told = [vars(record) for record in caplog.records]
    assert [(each["msg"], each["method"], each["code"]) for each in told] == [
        ("call_lost", ECHO.full_name, "UNAVAILABLE"),
        ("call_lost", COUNT.full_name, "UNAVAILABLE"),
    ]
    assert all("127.0.0.1:1" in each["details"] for each in told)
