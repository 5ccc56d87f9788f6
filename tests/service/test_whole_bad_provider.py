"""What providers do wrong, on the whole server: each gets its code, a retry hint where one is due, and no secret.

One row a misdeed. Each is asked for over Chat and over SendMessage; what both tell must be the same, the run's log must
be a run, no connection to the provider may be left in use, and the next good request must work on the same server.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from fakes.chat_wire import chat_frames, chat_reply, error_reply
from fakes.failing import failed_chat, failed_message
from fakes.formats import TEXT
from fakes.provider import FakeProvider, Reply, json_reply, unused_port
from fakes.rpc import Refused, collect
from fakes.secretive import HEADER, KEY, House, chat, check_logs, check_no_secret, housed
from fakes.stubs import stubs
from fakes.whole import whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import conversation_service_pb2 as conversation_pb
from thinkaloud.v1 import run_service_pb2 as run_pb

CODES = grpc.StatusCode
ABORTED = CODES.ABORTED
NOT_JSON = b"data: {this is not JSON}\n\n"
MORE = chat_frames(" more")[1]
HTML = b"<!doctype html><html><head><title>Sign in</title></head><body>canary</body></html>"
# Seconds; short enough for a test, and long enough for a busy machine to get the first bytes through.
TIMEOUTS = {"connect_s": 2.0, "first_byte_s": 0.6, "silence_s": 0.6, "total_s": 1.5}


@dataclass(frozen=True)
class Misdeed:
    """What the provider does, and what becomes of it. `asked` is how often it is asked in all."""

    replies: tuple[Reply, ...]
    reason: str
    code: grpc.StatusCode = ABORTED
    asked: int = 1
    partial: bool = False
    retry_after_s: float | None = None
    words: str = ""


def frames(*more: bytes) -> tuple[bytes, ...]:
    """The beginning of an answer, and then that."""
    return (*chat_frames(TEXT, finish=None, usage=None, done=False), *more)


def html(status: int) -> Reply:
    return Reply((HTML,), status, "text/html; charset=utf-8", framing="length")


BUSY = "Rate limit reached for requests"
MISDEEDS = {
    # Refusals.
    "401": Misdeed(
        (error_reply(401, f"Incorrect API key provided: {KEY}"),), "UPSTREAM_AUTH", CODES.FAILED_PRECONDITION
    ),
    "403": Misdeed((error_reply(403, "no"),), "UPSTREAM_AUTH", CODES.FAILED_PRECONDITION),
    "429-later": Misdeed(
        (error_reply(429, BUSY, headers=(("retry-after", "30"),)),), "UPSTREAM_RATE_LIMITED", retry_after_s=30.0
    ),
    "429-soon": Misdeed(
        (error_reply(429, BUSY, headers=(("retry-after-ms", "100"),)),),
        "UPSTREAM_RATE_LIMITED",
        asked=3,
        retry_after_s=0.1,
    ),
    "429-no-hint": Misdeed((error_reply(429, BUSY),), "UPSTREAM_RATE_LIMITED", asked=3, retry_after_s=1.0),
    "500": Misdeed((error_reply(500, "The server had an error"),), "UPSTREAM_ERROR", asked=3),
    "500-no-body": Misdeed((Reply((), 500, "", framing="length"),), "UPSTREAM_ERROR", asked=3, words="500"),
    "502-html": Misdeed((html(502),), "UPSTREAM_ERROR", asked=3, words="Sign in"),
    "context": Misdeed(
        (error_reply(400, "This model's maximum context length is 8 tokens", code="context_length_exceeded"),),
        "CONTEXT_TOO_LONG",
        CODES.INVALID_ARGUMENT,
    ),
    "echoes-our-secrets": Misdeed(
        (error_reply(400, f"bad header x-team: {HEADER} ({KEY})"),), "VALIDATION_FAILED", CODES.INVALID_ARGUMENT
    ),
    # What is not the format, from the outside in.
    "not-http": Misdeed((Reply(raw=b"\x16\x03\x01\x02\x00 this is not HTTP\r\n\r\n"),), "UPSTREAM_PROTOCOL_ERROR"),
    "html-200": Misdeed((html(200),), "UPSTREAM_PROTOCOL_ERROR", words="HTML"),
    "redirect": Misdeed(
        (Reply((), 302, "", (("location", "http://127.0.0.1:9/elsewhere"),), "length"),), "UPSTREAM_PROTOCOL_ERROR"
    ),
    "not-json": Misdeed((Reply((NOT_JSON,)),), "UPSTREAM_PROTOCOL_ERROR"),
    "not-json-later": Misdeed((Reply(frames(NOT_JSON)),), "UPSTREAM_PROTOCOL_ERROR", partial=True),
    "json-of-another-api": Misdeed((json_reply({"answer": 42}),), "UPSTREAM_PROTOCOL_ERROR"),
    "not-http-later": Misdeed(
        (Reply(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n: hi\n\n\r\nnonsense\r\n"),),
        "UPSTREAM_PROTOCOL_ERROR",
    ),
    "a-line-without-end": Misdeed((Reply((b"data: ", *([b"x" * 65536] * 300))),), "UPSTREAM_PROTOCOL_ERROR"),
    # Ends that are none.
    "closes-before-the-head": Misdeed((Reply(raw=b"", ending="cut"),), "UPSTREAM_ERROR"),
    "resets-before-the-head": Misdeed((Reply(raw=b"", ending="reset"),), "UPSTREAM_ERROR"),
    "nothing-said": Misdeed((Reply(()),), "UPSTREAM_TRUNCATED"),
    "cut-off": Misdeed((Reply(frames(), ending="cut"),), "UPSTREAM_TRUNCATED", partial=True),
    "reset": Misdeed((Reply(frames(), ending="reset", pace_s=0.01),), "UPSTREAM_TRUNCATED", partial=True),
    "ends-without-finish": Misdeed((Reply(frames()),), "UPSTREAM_TRUNCATED", partial=True),
    "says-nothing-twice": Misdeed((chat_reply(""),), "EMPTY_RESPONSE", asked=2),
    "error-in-the-stream": Misdeed(
        (Reply(frames(b'data: {"error": {"message": "engine died", "code": 500}}\n\n')),),
        "UPSTREAM_ERROR",
        partial=True,
        words="engine died",
    ),
    # Silence, and no end.
    "silent": Misdeed((Reply(raw=b"", ending="hang"),), "UPSTREAM_TIMEOUT", words="0.6 s"),
    "silent-after-the-head": Misdeed((Reply((), ending="hang"),), "UPSTREAM_TIMEOUT"),
    "silent-later": Misdeed((Reply(frames(), ending="hang"),), "UPSTREAM_TIMEOUT", partial=True, words="0.6 s"),
    "never-ends": Misdeed(
        (Reply((*frames(), *([MORE] * 5000)), pace_s=0.005),), "UPSTREAM_TIMEOUT", partial=True, words="1.5 s"
    ),
    "pings-without-end": Misdeed((Reply((b": ping\n\n",) * 5000, pace_s=0.01),), "UPSTREAM_TIMEOUT", words="1.5 s"),
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with housed(tmp_path, timeouts=TIMEOUTS) as found:
        yield found


@pytest.mark.parametrize("misdeed", MISDEEDS.values(), ids=MISDEEDS)
async def test_a_misdeed_of_the_provider_gets_its_code(
    house: House, misdeed: Misdeed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "thinkaloud")
    caplog.set_level(logging.DEBUG, "thinkaloud_server")
    house.provider.answer(*misdeed.replies)
    failed, status = await asyncio.gather(failed_chat(house.caller, chat()), failed_message(house.caller, chat()))
    assert (failed.status.reason, failed.status.code) == (misdeed.reason, misdeed.code)
    assert failed.status.retry_after_s == misdeed.retry_after_s
    assert failed.error.partial == misdeed.partial
    assert misdeed.words in failed.error.message
    assert "".join(event.token.token for event in failed.events) == "" or misdeed.partial
    check_alike(failed.status, status)
    assert len(house.provider.requests) == 2 * misdeed.asked
    await house.check(failed)
    check_logs(caplog.records)


def check_alike(one: Refused, other: Refused) -> None:
    """A unary caller is told what a streaming one is told."""
    for name in ("code", "reason", "message", "metadata", "retry_after_s"):
        assert getattr(one, name) == getattr(other, name), name


async def test_a_provider_that_is_down_is_asked_three_times_and_is_good_again_once_it_is_up(tmp_path: Path) -> None:
    port = unused_port()
    section = {"base_url": f"http://127.0.0.1:{port}/v1", "models": ["m"], "api_key": KEY}
    async with whole_server(tmp_path, {"local": section}) as server, stubs(server.address) as caller:
        failed = await failed_chat(caller, chat())
        assert (failed.status.reason, failed.status.code) == ("UPSTREAM_ERROR", ABORTED)
        assert "refuses connections" in failed.error.message
        assert str(port) not in failed.error.message
        assert KEY not in failed.text
        assert (await failed_message(caller, chat())).message == failed.status.message
        provider = FakeProvider(chat_reply(TEXT))
        provider.port = port
        async with provider:
            answer = await caller.chat.SendMessage(pb.SendMessageRequest(request=chat()))
            assert answer.complete.response == TEXT


async def test_a_provider_that_is_busy_for_a_moment_is_asked_again_and_nobody_notices(house: House) -> None:
    house.provider.answer(error_reply(429, BUSY, headers=(("retry-after-ms", "300"),)), chat_reply(TEXT))
    begun = time.monotonic()
    answer = await house.caller.chat.SendMessage(pb.SendMessageRequest(request=chat()))
    assert time.monotonic() - begun >= 0.3, "it waited as long as it was asked to"
    assert answer.complete.response == TEXT
    assert [(attempt.status, attempt.code) for attempt in answer.complete.attempts] == [
        (429, "UPSTREAM_RATE_LIMITED"),
        (200, ""),
    ]
    check_no_secret(str(answer), house.provider)


async def test_what_the_provider_said_before_it_failed_is_kept_in_the_conversation(house: House) -> None:
    house.provider.answer(Reply(frames(), ending="cut"))
    failed = await failed_chat(house.caller, chat())
    assert "".join(event.token.token for event in failed.events) == TEXT
    request = conversation_pb.GetHistoryRequest(conversation_id=failed.events[0].start.conversation_id)
    question, answer = (await house.caller.conversations.GetHistory(request)).messages
    assert (question.text, answer.text, answer.partial) == ("go", TEXT, True)
    await house.check(failed)


async def test_an_answer_without_end_is_ended_by_its_reader(house: House) -> None:
    """Stopped, and left: the other two ends, besides the provider's own total time."""
    house.provider.answer(Reply((*frames(), *([MORE] * 5000)), pace_s=0.002))
    call = house.caller.chat.Chat(chat())
    run_id = (await call.read()).event.start.run_id
    for _ in range(10):
        await call.read()
    stopped = (await house.caller.runs.StopRun(run_pb.StopRunRequest(run_id=run_id))).run
    assert (stopped.state, stopped.finish_reason) == ("completed", "stopped")
    responses, error = await collect(call)
    assert error is None
    assert responses[-1].event.complete.finish_reason == "stopped"
    await house.provider.wait_for(lambda each: not each.busy_connections)

    call = house.caller.chat.Chat(chat(detach=0))
    for _ in range(10):
        await call.read()
    call.cancel()
    await house.provider.wait_for(lambda each: len(each.requests) == 2 and not each.busy_connections)


async def test_a_run_that_takes_too_long_is_ended_whatever_its_provider_may_take(tmp_path: Path) -> None:
    async with housed(tmp_path, timeouts=TIMEOUTS, runs={"run_s": 0.4}) as house:
        house.provider.answer(Reply((*frames(), *([MORE] * 5000)), pace_s=0.002))
        failed = await failed_chat(house.caller, chat())
        assert (failed.error.code, failed.error.partial) == ("UPSTREAM_TIMEOUT", True)
        assert "0.4 s" in failed.error.message
        await house.check(failed)


async def test_a_provider_that_fails_for_everybody_at_once_is_not_asked_without_measure(house: House) -> None:
    """The retries of all together stay within the budget, and then it is left alone for a while, which callers hear."""
    house.provider.answer(error_reply(500, "The server had an error"))
    failed = await asyncio.gather(*(failed_chat(house.caller, chat()) for _ in range(60)))
    assert {each.status.reason for each in failed} == {"UPSTREAM_ERROR"}
    asked = len(house.provider.requests)
    assert asked <= 60 + 10
    turned_away = await failed_chat(house.caller, chat())
    assert turned_away.status.reason == "UPSTREAM_ERROR"
    assert turned_away.status.message.startswith("the provider keeps failing")
    assert turned_away.status.retry_after_s is not None
    assert 1 <= turned_away.status.retry_after_s <= 5
    assert len(house.provider.requests) == asked
