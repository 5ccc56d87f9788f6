"""Streams of both clients against a scripted server: what is shown, what is resumed, what is raised."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import grpc
import pytest

from fakes.chat_server import ChatServer, FallSilent, HangUp, Refuse, Script, answer, failure, reasoning, token
from fakes.client_driver import Driver, Form, until
from thinkaloud import (
    AuthError,
    BusyError,
    Complete,
    ConnectionLostError,
    DeadlineExceededError,
    Error,
    Event,
    Heartbeat,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    Reasoning,
    Start,
    ThinkaloudError,
    Token,
    UnavailableError,
)

ANSWER = "Seventeen times twenty-three is 391."
THOUGHT = "10 times 23 is 230 and 7 times 23 is 161"
SCRIPT = answer(ANSWER, THOUGHT)
LENGTH = len(SCRIPT.pieces) + 2
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def text_of(events: list[Event]) -> str:
    return "".join(event.token for event in events if isinstance(event, Token))


def thought_of(events: list[Event]) -> str:
    return "".join(event.token for event in events if isinstance(event, Reasoning))


def assert_whole(events: list[Event]) -> None:
    """Nothing lost, nothing twice, in order, and one terminal event at the end."""
    assert [event.sequence for event in events] == list(range(1, LENGTH + 1))
    assert isinstance(events[0], Start)
    assert (text_of(events), thought_of(events)) == (ANSWER, THOUGHT)
    assert [type(event) for event in events if isinstance(event, Complete | Error)] == [Complete]
    assert isinstance(events[-1], Complete)
    assert events[-1].response == ANSWER


@pytest.mark.parametrize("form", ["entered", "bare"])
async def test_a_stream_shows_every_event_once_and_in_order(driver: Driver, form: Form) -> None:
    async with ChatServer(SCRIPT) as server:
        events = await driver.events(server.address, form=form, include_reasoning=True)
        assert_whole(events)
        await until(lambda: server.open_calls == 0)
        assert not server.requests["StopRun"]
        assert not server.requests["WatchRun"]


async def test_a_caller_that_did_not_ask_sees_no_reasoning(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        events = await driver.events(server.address)
    assert (text_of(events), thought_of(events)) == (ANSWER, "")
    assert all(one.sequence < other.sequence for one, other in pairwise(events))
    assert isinstance(events[-1], Complete)
    assert events[-1].reasoning == ""


async def test_a_resumed_stream_does_not_ask_for_reasoning_either(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after=2))
        events = await driver.events(server.address)
        assert [request.include_reasoning for request in server.requests["WatchRun"]] == [False]
    assert (text_of(events), thought_of(events)) == (ANSWER, "")


@pytest.mark.parametrize("heartbeats", [False, True])
async def test_heartbeats_show_only_on_request(driver: Driver, heartbeats: bool) -> None:
    async with ChatServer(answer(ANSWER, hold_at=2), heartbeat_s=0.02) as server:
        server.next("StopRun", Refuse(UNAVAILABLE))
        take = 5 if heartbeats else 3
        events = await driver.events(server.address, heartbeats=heartbeats, take=take)
    assert [event.last_sequence for event in events if isinstance(event, Heartbeat)] == [3] * (take - 3)


@pytest.mark.parametrize("after", range(LENGTH))
async def test_a_stream_that_is_cut_anywhere_is_resumed_unseen(driver: Driver, after: int) -> None:
    how = [None, Refuse(UNAVAILABLE, message="Socket closed"), Refuse(grpc.StatusCode.INTERNAL)][after % 3]
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after, how))
        assert_whole(await driver.events(server.address, include_reasoning=True))
        assert len(server.runs) == 1
        assert len({request.idempotency_key for request in server.requests["Chat"]}) == 1


async def test_a_stream_that_is_cut_after_each_event_is_resumed_each_time(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after=1))
        server.next("WatchRun", *[HangUp(after=1)] * (LENGTH - 2))
        assert_whole(await driver.events(server.address, include_reasoning=True))
        assert [request.after_sequence for request in server.requests["WatchRun"]] == list(range(1, LENGTH))


async def test_a_refusal_of_this_replica_before_start_is_tried_again_after_the_hint(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", *[Refuse(UNAVAILABLE, "DRAINING", retry_after_s=0.2)] * 2)
        began_s = time.monotonic()
        assert_whole(await driver.events(server.address, include_reasoning=True))
        assert time.monotonic() - began_s >= 0.4
        assert len({request.idempotency_key for request in server.requests["Chat"]}) == 1


async def test_a_hint_beyond_patience_is_told_to_the_caller_at_once(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", Refuse(UNAVAILABLE, "OVERLOADED", retry_after_s=30))
        with pytest.raises(UnavailableError) as caught:
            await driver.events(server.address)
    assert (caught.value.code, caught.value.retry_after_s) == ("OVERLOADED", 30)


@pytest.mark.parametrize("form", ["entered", "bare"])
@pytest.mark.parametrize(
    ("refuse", "kind"),
    [
        (Refuse(grpc.StatusCode.UNAUTHENTICATED, "AUTH_INVALID"), AuthError),
        (Refuse(INVALID, "VALIDATION_FAILED", violations=(("text", "empty"),)), InvalidRequestError),
        (Refuse(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND"), NotFoundError),
        (Refuse(grpc.StatusCode.ABORTED, "CONVERSATION_BUSY"), BusyError),
        (Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", retry_after_s=3), RateLimitedError),
        (Refuse(grpc.StatusCode.INTERNAL, "INTERNAL"), ThinkaloudError),
    ],
    ids=lambda value: value.reason if isinstance(value, Refuse) else "",
)
async def test_what_goes_wrong_before_start_is_raised(
    driver: Driver, form: Form, refuse: Refuse, kind: type[ThinkaloudError]
) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", refuse)
        with pytest.raises(kind) as caught:
            await driver.events(server.address, form=form)
        error = caught.value
        assert (error.code, error.message, error.request_id) == (refuse.reason, "refused", "req_1")
        assert (error.retry_after_s, error.violations) == (refuse.retry_after_s, refuse.violations)
        assert len(server.requests["Chat"]) == 1
        assert not server.requests["StopRun"]


async def test_a_run_that_fails_ends_the_stream_with_its_error_event(driver: Driver) -> None:
    script = Script([reasoning("hm"), token("It "), failure("UPSTREAM_TRUNCATED", "cut", retryable=True)])
    async with ChatServer(script) as server:
        events = await driver.events(server.address)
        assert not server.requests["WatchRun"]
    assert text_of(events) == "It "
    assert events[-1] == Error(
        "UPSTREAM_TRUNCATED", "cut", request_id="req_run", retryable=True, partial=True, sequence=4
    )


async def test_an_interrupted_run_says_so_after_the_resumption(driver: Driver) -> None:
    script = Script([token("It "), failure("RUN_INTERRUPTED", retryable=True)])
    async with ChatServer(script) as server:
        server.next("Chat", HangUp(after=2))
        events = await driver.events(server.address)
    assert isinstance(events[-1], Error)
    assert events[-1].code == "RUN_INTERRUPTED"


async def test_a_log_that_is_shorter_than_what_was_seen_yields_the_settled_result(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after=4))
        server.next("WatchRun", Refuse(grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_AHEAD"))
        server.next("GetRun", Refuse(UNAVAILABLE))
        events = await driver.events(server.address, include_reasoning=True)
        assert len(server.requests["GetRun"]) == 2
        assert server.requests["GetRun"][-1].include_reasoning
    assert [event.sequence for event in events] == [1, 2, 3, 4, LENGTH]
    assert isinstance(events[-1], Complete)
    assert (events[-1].response, events[-1].reasoning) == (ANSWER, THOUGHT)


async def test_a_log_that_is_only_behind_is_watched_on(driver: Driver) -> None:
    async with ChatServer(answer(ANSWER, THOUGHT, hold_at=4)) as server:
        server.next("Chat", HangUp(after=4))
        server.next("WatchRun", *[Refuse(grpc.StatusCode.OUT_OF_RANGE, "SEQUENCE_AHEAD")] * 2)
        events = []

        async def release() -> None:
            await until(lambda: len(server.requests["WatchRun"]) == 3)
            server.run.released.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(release())
            events = await driver.events(server.address, include_reasoning=True)
    assert_whole(events)


async def test_a_sequence_that_the_caller_made_up_is_an_error(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        await driver.events(server.address)
        with pytest.raises(InvalidRequestError) as caught:
            await driver.watch(server.address, server.run.run_id, 1000)
    assert caught.value.code == "SEQUENCE_AHEAD"


async def test_a_run_that_is_gone_when_it_is_resumed_is_an_error(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after=3))
        server.next("WatchRun", Refuse(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"))
        with pytest.raises(NotFoundError) as caught:
            await driver.events(server.address, include_reasoning=True)
        assert (caught.value.run_id, caught.value.last_sequence) == (server.run.run_id, 3)
        assert not server.requests["StopRun"]


async def test_a_retryable_refusal_of_the_resumption_is_tried_again(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after=3))
        server.next("WatchRun", Refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", retry_after_s=0.05))
        assert_whole(await driver.events(server.address, include_reasoning=True))


async def test_nobody_there_is_told_after_the_patience_of_before_start(driver: Driver) -> None:
    async with ChatServer() as server:
        address = server.address
    began_s = time.monotonic()
    with pytest.raises(ConnectionLostError) as caught:
        await driver.events(address, client={"start_timeout_s": 0.3, "resume_timeout_s": 30})
    assert 0.3 <= time.monotonic() - began_s < 3
    assert (caught.value.run_id, caught.value.retryable) == ("", True)


async def test_giving_up_says_where_to_go_on_and_does_not_stop_the_run(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after=3))
        server.next("WatchRun", *[Refuse(UNAVAILABLE)] * 50)
        with pytest.raises(ConnectionLostError) as caught:
            await driver.events(server.address, include_reasoning=True, client={"resume_timeout_s": 0.3})
        assert not server.requests["StopRun"]
        server.behave()
        rest = await driver.watch(server.address, caught.value.run_id, caught.value.last_sequence)
    assert [type(rest[-1]), rest[0].sequence > 3] == [Complete, True]


async def test_progress_renews_patience(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after=1))
        for _ in range(8):
            server.next("WatchRun", Refuse(UNAVAILABLE, "DRAINING", retry_after_s=0.08), HangUp(after=1))
        assert_whole(await driver.events(server.address, include_reasoning=True, client={"resume_timeout_s": 0.5}))


@pytest.mark.parametrize("after", [0, 3])
async def test_a_server_that_falls_silent_counts_as_a_broken_connection(driver: Driver, after: int) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", FallSilent(after))
        server.next("WatchRun", FallSilent(1))
        client = {"silence_timeout_s": 0.2}
        assert_whole(await driver.events(server.address, include_reasoning=True, client=client))
        await until(lambda: server.open_calls == 0)


async def test_heartbeats_keep_a_thinking_model_from_counting_as_silent(driver: Driver) -> None:
    script = Script([*SCRIPT.pieces[:1], token(ANSWER)], pace_s=0.4)
    async with ChatServer(script, heartbeat_s=0.05) as server:
        client = {"silence_timeout_s": 0.2}
        events = await driver.events(server.address, include_reasoning=True, client=client)
        assert not server.requests["WatchRun"]
    assert text_of(events) == ANSWER


async def test_a_slow_reader_does_not_count_as_a_silent_server(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        seen: list[str] = []

        def slow(chunk: str, _: Any) -> None:
            if not seen:
                time.sleep(0.3)
            seen.append(chunk)

        await driver.chat(server.address, on_chunk=slow, client={"silence_timeout_s": 0.1})
        assert not server.requests["WatchRun"]
    assert "".join(seen) == ANSWER


async def test_a_deadline_stops_the_run_and_is_raised(driver: Driver) -> None:
    async with ChatServer(answer(ANSWER, hold_at=2)) as server:
        with pytest.raises(DeadlineExceededError) as caught:
            await driver.events(server.address, timeout_s=0.2)
        assert caught.value.code == "DEADLINE_EXCEEDED"
        await until(lambda: server.run.stopped and server.open_calls == 0)


async def test_a_deadline_holds_over_resumptions(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after=2))
        server.next("WatchRun", *[Refuse(UNAVAILABLE)] * 100)
        began_s = time.monotonic()
        with pytest.raises(DeadlineExceededError):
            await driver.events(server.address, timeout_s=0.4, include_reasoning=True)
        assert time.monotonic() - began_s < 2.5


async def test_a_server_that_restarts_is_found_again(driver: Driver) -> None:
    async with ChatServer(answer(ANSWER, THOUGHT, hold_at=5)) as server:
        port = int(server.address.rpartition(":")[2])

        async def restart() -> None:
            await until(lambda: bool(server.runs) and len(server.run.log) == 6)
            await server.shut()
            server.run.released.set()
            await asyncio.sleep(0.3)
            await server.listen(port)

        async with asyncio.TaskGroup() as group:
            group.create_task(restart())
            assert_whole(await driver.events(server.address, include_reasoning=True))
        assert len(server.runs) == 1


async def test_every_turn_has_a_key_of_its_own_unless_the_caller_gives_one(driver: Driver) -> None:
    async with ChatServer() as server:
        await driver.events(server.address)
        await driver.events(server.address)
        await driver.events(server.address, idempotency_key="mine")
        keys = [request.idempotency_key for request in server.requests["Chat"]]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"
    assert all(len(key) == 32 for key in keys[:2])


async def test_the_api_key_goes_with_every_call(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server:
        server.next("Chat", HangUp(after=2))
        await driver.events(server.address, client={"api_key": "sk-test"}, take=3)
        assert {name for name, calls in server.requests.items() if calls} == {"Chat", "WatchRun", "StopRun"}
        assert {metadata.get("authorization") for metadata in server.metadata} == {"Bearer sk-test"}
