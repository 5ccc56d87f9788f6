"""What stands around a call, without a socket."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NoReturn

import grpc
import pytest
from google.rpc import status_pb2  # type: ignore[import-untyped]  # generated, no stubs

from fakes.clock import FakeClock
from fakes.engine import complete
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.usage import Timing
from thinkaloud_server.rpc import interceptors
from thinkaloud_server.rpc.call import Call, Metadata, tenant_of
from thinkaloud_server.rpc.interceptors import LoadShedding, around, settled
from thinkaloud_server.rpc.observer import CallEnded


class Aborted(Exception):
    """What this channel raises to end a handler."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


class FakeCall(Call):
    """A call on a channel that only notes what it is told."""

    def __init__(self, metadata: Metadata = (), remaining: float | None = None) -> None:
        super().__init__(method="/s/M", metadata=metadata, peer="here")
        self.sent: list[Metadata] = []
        self.remaining = remaining

    def time_remaining(self) -> float | None:
        return self.remaining

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        self.sent.append(metadata)

    async def abort(self, status: status_pb2.Status) -> NoReturn:
        raise Aborted(status)


async def fail(call: Call, error: BaseException) -> status_pb2.Status:
    """The status that a handler which raises this is ended with."""
    with pytest.raises(Aborted) as caught:
        async with interceptors.errors(call):
            raise error
    return caught.value.status


async def test_an_error_is_told_as_it_is() -> None:
    status = await fail(FakeCall(), ChatError(ErrorReason.NOT_FOUND, "there is no such run"))
    assert (status.code, status.message) == (grpc.StatusCode.NOT_FOUND.value[0], "there is no such run")


async def test_a_bug_is_told_as_internal_and_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    call = FakeCall()
    call.request_id = "r-1"
    status = await fail(call, ValueError("canary"))
    assert (status.code, status.message) == (grpc.StatusCode.INTERNAL.value[0], "internal error")
    assert b"canary" not in status.SerializeToString()
    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["method"], vars(record)["request_id"]) == ("rpc_failed", "/s/M", "r-1")
    assert "canary" in caplog.text


async def test_an_internal_error_that_we_mean_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    status = await fail(FakeCall(), ChatError(ErrorReason.INTERNAL, "the run broke"))
    assert status.message == "the run broke"
    assert not caplog.records


async def test_a_failure_after_the_deadline_is_the_deadline(caplog: pytest.LogCaptureFixture) -> None:
    status = await fail(FakeCall(remaining=0.0), TimeoutError())
    assert status.code == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    assert not caplog.records


@pytest.mark.parametrize("error", [asyncio.CancelledError(), grpc.aio.AbortError("aborted"), KeyboardInterrupt()])
async def test_what_ends_a_call_by_itself_passes_untouched(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        async with interceptors.errors(FakeCall()):
            raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ((), "made"),
        ((("x-request-id", "a.B_c-9"),), "a.B_c-9"),
        ((("x-request-id", "x" * 128),), "x" * 128),
        ((("x-request-id", "x" * 129),), "made"),
        ((("x-request-id", "a b"),), "made"),
        ((("x-request-id", "a\n"),), "made"),
        ((("x-request-id", ""), ("x-correlation-id", "c")), "c"),
        ((("x-request-id", b"bytes"),), "made"),
        ((("x-request-id-bin", b"x"), ("x-correlation-id", "c")), "c"),
    ],
)
async def test_every_call_has_an_id_and_sends_it_back(metadata: Metadata, expected: str) -> None:
    call = FakeCall(metadata)
    async with around(call, [interceptors.request_id(lambda: "made")]):
        assert call.request_id == expected
        assert call.answer_headers == [("x-request-id", expected)]
        await call.send_headers()
        await call.send_headers()
    assert call.sent == [[("x-request-id", expected)]]


async def test_a_refused_call_has_its_id_for_the_end_and_nothing_ahead_of_it() -> None:
    call = FakeCall()
    with pytest.raises(Aborted):
        async with around(call, [interceptors.errors, interceptors.request_id(lambda: "made"), LoadShedding(0)]):
            raise AssertionError("no room was room")
    assert (call.sent, call.answer_headers) == ([], [("x-request-id", "made")])


async def test_the_record_of_a_call_tells_where_its_time_went(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "thinkaloud.access")
    clock = FakeClock()
    call = FakeCall()
    call.request_id, call.run_id = "r", "run_1"
    async with interceptors.access_log(clock)(call):
        clock.advance(0.25)
        call.first_event_at, call.events = clock.monotonic(), 3
        call.complete = complete(timing=Timing(1, 2, 3, 4, 5))
        clock.advance(1)
    (record,) = caplog.records
    expected = {
        "method": "/s/M",
        "code": "OK",
        "reason": "",
        "peer": "here",
        "request_id": "r",
        "run_id": "run_1",
        "duration_ms": 1250.0,
        "events": 3,
        "first_event_ms": 250.0,
        "provider": "fake",
        "model": "fake/m",
        "attempts": 1,
        "finish_reason": "stop",
        "input_tokens": 3,
        "output_tokens": 5,
        "reasoning_tokens": 2,
        "cached_tokens": 1,
        "cost_usd": None,
        "run_queue_ms": 1,
        "provider_connect_ms": 2,
        "provider_first_byte_ms": 3,
        "provider_first_token_ms": 4,
        "run_total_ms": 5,
    }
    assert {key: value for key, value in vars(record).items() if key in expected} == expected


async def test_every_call_is_told_to_who_counts_them() -> None:
    clock = FakeClock()
    told: list[CallEnded] = []
    async with interceptors.access_log(clock, told.append)(FakeCall()):
        clock.advance(0.5)
    with pytest.raises(ChatError):
        async with interceptors.access_log(clock, told.append)(FakeCall()):
            raise ChatError(ErrorReason.NOT_FOUND, "no")
    assert told == [CallEnded("/s/M", "OK", "", 0, 0.5), CallEnded("/s/M", "NOT_FOUND", "NOT_FOUND", 0, 0.0)]


@pytest.mark.parametrize(
    ("error", "remaining", "code", "reason"),
    [
        (ChatError(ErrorReason.DRAINING, "no"), None, "UNAVAILABLE", "DRAINING"),
        (ValueError("x"), None, "INTERNAL", "INTERNAL"),
        (ValueError("x"), 0.0, "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
        (asyncio.CancelledError(), None, "CANCELLED", ""),
        (asyncio.CancelledError(), 4.0, "CANCELLED", ""),
        (asyncio.CancelledError(), 0.0, "DEADLINE_EXCEEDED", ""),
    ],
    ids=["refused", "bug", "late-bug", "cancelled", "cancelled-in-time", "deadline"],
)
async def test_the_record_tells_how_the_call_ended(
    caplog: pytest.LogCaptureFixture, error: BaseException, remaining: float | None, code: str, reason: str
) -> None:
    caplog.set_level(logging.INFO, "thinkaloud.access")
    with pytest.raises(type(error)):
        async with interceptors.access_log(FakeClock())(FakeCall(remaining=remaining)):
            raise error
    (record,) = caplog.records
    assert (vars(record)["code"], vars(record)["reason"]) == (code, reason)
    assert not hasattr(record, "first_event_ms")


async def test_calls_above_the_limit_are_refused_and_room_comes_back() -> None:
    load = LoadShedding(1)
    async with load(FakeCall()):
        with pytest.raises(ChatError) as caught:
            async with load(FakeCall()):
                pass
        assert (caught.value.reason, caught.value.retry_after_s) == (ErrorReason.OVERLOADED, 1.0)
        assert load.calls == 1
    async with load(FakeCall()):
        pass
    assert load.calls == 0


async def test_idle_waits_for_the_last_call() -> None:
    load = LoadShedding(5)
    await load.idle()
    async with load(FakeCall()), load(FakeCall()):
        waiting = asyncio.ensure_future(load.idle())
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting


async def test_the_first_is_the_outermost() -> None:
    order = itertools.count()
    call = FakeCall()
    stack = (interceptors.errors, interceptors.request_id(lambda: f"made-{next(order)}"), LoadShedding(0))
    with pytest.raises(Aborted) as caught:
        async with around(call, stack):
            raise AssertionError("the limit is 0")
    # Errors saw the refusal of the innermost, with the id that the one between had made.
    assert b"made-0" in caught.value.status.SerializeToString()
    assert b"OVERLOADED" in caught.value.status.SerializeToString()


async def test_an_outcome_is_the_answer_or_an_error_fit_to_be_told(caplog: pytest.LogCaptureFixture) -> None:
    async def answer(error: Exception | None) -> int:
        if error is not None:
            raise error
        return 3

    mine = ChatError(ErrorReason.NOT_FOUND, "no")
    assert await settled(answer(None), method="m", request_id="r") == 3
    assert await settled(answer(mine), method="m", request_id="r") is mine
    found = await settled(answer(ValueError("canary")), method="m", request_id="r")
    assert isinstance(found, ChatError)
    assert (found.reason, found.message) == (ErrorReason.INTERNAL, "internal error")
    assert "canary" in caplog.text


async def test_an_outcome_that_does_not_come_in_time_is_an_error() -> None:
    found = await settled(asyncio.Event().wait(), method="m", request_id="r", timeout_s=0.01)
    assert isinstance(found, ChatError)
    assert found.message == "no answer within 0.01 s"


async def test_everybody_is_one_tenant_for_now() -> None:
    assert tenant_of(FakeCall()) == "default"


async def test_leaving_a_generator_inside_a_call_is_no_failure() -> None:
    async def events() -> AsyncGenerator[int, None]:
        async with interceptors.errors(FakeCall()):
            yield 1
            yield 2

    async with aclosing(events()) as each:
        assert await anext(each) == 1
