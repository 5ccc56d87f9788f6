"""The rules of resuming, without a socket: what is sent, what is shown, how long is waited, when it is given up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.chat_server import failure, reasoning, token
from thinkaloud import (
    AuthError,
    Complete,
    ConnectionLostError,
    DeadlineExceededError,
    Error,
    Heartbeat,
    InvalidRequestError,
    NotFoundError,
    RateLimitedError,
    ThinkaloudError,
    Token,
    UnavailableError,
    Warning,
)
from thinkaloud.resume import DELAY_FIRST_S, DELAY_MAX_S, Cursor, Patience
from thinkaloud.v1 import chat_service_pb2, event_pb2, run_service_pb2

PATIENCE = Patience(start_s=10, resume_s=60)
CHAT = chat_service_pb2.ChatRequest(text="hi", idempotency_key="k", include_reasoning=True)
LOST = ConnectionLostError("cut", code="UNAVAILABLE", retryable=True)
AHEAD = InvalidRequestError("ahead", code="SEQUENCE_AHEAD")


def numbered(sequence: int, event: event_pb2.ChatEvent) -> event_pb2.ChatEvent:
    copy = event_pb2.ChatEvent(sequence=sequence)
    copy.MergeFrom(event)
    return copy


START = numbered(1, event_pb2.ChatEvent(start=event_pb2.StartEvent(run_id="run_1")))


def chatting(*events: event_pb2.ChatEvent, timeout_s: float | None = None, heartbeats: bool = False) -> Cursor:
    cursor = Cursor(CHAT, patience=PATIENCE, timeout_s=timeout_s, heartbeats=heartbeats)
    for event in events:
        cursor.feed(event)
    return cursor


def watch(after: int) -> run_service_pb2.WatchRunRequest:
    return run_service_pb2.WatchRunRequest(run_id="run_1", after_sequence=after, include_reasoning=True)


def test_before_start_the_same_request_is_sent_again() -> None:
    cursor = chatting()
    assert cursor.request() == CHAT
    cursor.broke(LOST, now_s=0, jitter=0.5)
    assert cursor.request() == CHAT


def test_after_start_the_run_is_watched_from_the_last_sequence() -> None:
    cursor = chatting(START, numbered(2, token("a")), numbered(5, token("b")))
    cursor.broke(None, now_s=0, jitter=0.5)
    assert cursor.request() == watch(5)


def test_a_watch_is_sent_again_from_where_it_stands() -> None:
    origin = run_service_pb2.WatchRunRequest(run_id="run_1", after_sequence=7, reasoning_only_fallback=True)
    cursor = Cursor(origin, patience=PATIENCE)
    assert cursor.request() == origin
    cursor.feed(numbered(8, token("a")))
    origin.after_sequence = 8
    assert cursor.request() == origin
    assert not cursor.stops_on_leaving


def test_what_was_seen_is_not_shown_again() -> None:
    cursor = chatting(START, numbered(2, token("a")))
    assert cursor.feed(START) is None
    assert cursor.feed(numbered(2, token("a"))) is None
    assert cursor.feed(numbered(3, token("b"))) == Token("b", sequence=3)


def test_a_heartbeat_moves_the_cursor_past_what_was_filtered_out() -> None:
    cursor = chatting(START)
    assert cursor.feed(event_pb2.ChatEvent(heartbeat=event_pb2.HeartbeatEvent(last_sequence=40))) is None
    assert cursor.request() == watch(40)
    assert cursor.feed(event_pb2.ChatEvent(heartbeat=event_pb2.HeartbeatEvent(last_sequence=3))) is None
    assert cursor.last_sequence == 40


def test_heartbeats_are_shown_to_whom_asks() -> None:
    heartbeat = event_pb2.ChatEvent(heartbeat=event_pb2.HeartbeatEvent(last_sequence=1))
    assert chatting(START, heartbeats=True).feed(heartbeat) == Heartbeat(1)


@pytest.mark.parametrize(("code", "shown"), [("RECONNECT", False), ("CLOSING", False), ("RATE_LIMIT_NEAR", True)])
def test_warnings_that_resuming_answers_are_not_shown(code: str, shown: bool) -> None:
    event = chatting(START).feed(event_pb2.ChatEvent(warning=event_pb2.WarningEvent(code=code)))
    assert event == (Warning(code) if shown else None)


def test_a_numbered_warning_is_always_shown() -> None:
    warning = numbered(2, event_pb2.ChatEvent(warning=event_pb2.WarningEvent(code="RECONNECT")))
    assert chatting(START).feed(warning) == Warning("RECONNECT", sequence=2)


def test_an_unknown_event_is_passed_over_and_counted() -> None:
    cursor = chatting(START)
    assert cursor.feed(event_pb2.ChatEvent(sequence=2)) is None
    assert cursor.request() == watch(2)


@pytest.mark.parametrize("end", [event_pb2.ChatEvent(complete=event_pb2.CompleteEvent()), failure("INTERNAL")])
def test_a_terminal_event_ends_it(end: event_pb2.ChatEvent) -> None:
    cursor = chatting(START)
    assert cursor.stops_on_leaving
    assert isinstance(cursor.feed(numbered(2, end)), Complete | Error)
    assert cursor.ended
    assert not cursor.stops_on_leaving


@given(st.lists(st.integers(min_value=0, max_value=12), max_size=30))
def test_whatever_comes_again_sequences_rise(cuts: list[int]) -> None:
    log = [START, *(numbered(number, reasoning("a") if number % 3 else token("b")) for number in range(2, 13))]
    cursor, shown = chatting(), []
    for cut in [*cuts, len(log)]:
        # A server that sends more than it was asked for: everything, up to the cut.
        shown += [event.sequence for event in map(cursor.feed, log[:cut]) if event is not None]
    assert shown == list(range(1, 13))
    assert all(before < after for before, after in pairwise(shown))


def test_waits_grow_from_a_tenth_to_five_seconds_with_full_jitter() -> None:
    assert [chatting().broke(LOST, now_s=0, jitter=jitter) for jitter in (0.0, 0.5, 1.0)] == [
        0.0,
        DELAY_FIRST_S / 2,
        DELAY_FIRST_S,
    ]
    cursor = chatting(START)
    waits = [cursor.broke(LOST, now_s=0, jitter=1.0) for _ in range(8)]
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, DELAY_MAX_S, DELAY_MAX_S])


def test_a_hint_is_waited_for_besides() -> None:
    draining = UnavailableError("draining", code="DRAINING", retryable=True, retry_after_s=2)
    assert chatting().broke(draining, now_s=0, jitter=1.0) == pytest.approx(2.1)


def test_progress_starts_waits_and_patience_anew() -> None:
    cursor = chatting(START)
    for now_s in range(0, 50, 10):
        cursor.broke(LOST, now_s=now_s, jitter=1.0)
    cursor.feed(numbered(2, token("a")))
    assert cursor.broke(LOST, now_s=100, jitter=1.0) == pytest.approx(DELAY_FIRST_S)
    cursor.feed(event_pb2.ChatEvent(heartbeat=event_pb2.HeartbeatEvent(last_sequence=2)))
    assert cursor.broke(LOST, now_s=159, jitter=1.0) == pytest.approx(DELAY_FIRST_S)


def test_what_comes_again_is_no_progress() -> None:
    cursor = chatting(START, numbered(2, token("a")))
    cursor.broke(LOST, now_s=0, jitter=1.0)
    cursor.feed(numbered(2, token("a")))
    assert cursor.broke(LOST, now_s=1, jitter=1.0) == pytest.approx(DELAY_FIRST_S * 2)


@pytest.mark.parametrize(("started", "patience_s"), [(False, 10), (True, 60)])
def test_patience_runs_from_the_first_break_and_ends_with_the_error(started: bool, patience_s: float) -> None:
    cursor = chatting(*([START] if started else []))
    cursor.broke(LOST, now_s=1000, jitter=0)
    last = cursor.broke(LOST, now_s=1000 + patience_s - 0.01, jitter=1.0)
    assert last == pytest.approx(0.01)
    with pytest.raises(ConnectionLostError) as caught:
        cursor.broke(LOST, now_s=1000 + patience_s, jitter=1.0)
    assert (caught.value.run_id, caught.value.last_sequence) == (("run_1", 1) if started else ("", 0))
    assert not cursor.stops_on_leaving


def test_a_hint_beyond_patience_ends_it_at_once() -> None:
    overloaded = UnavailableError("overloaded", code="OVERLOADED", retryable=True, retry_after_s=11)
    with pytest.raises(UnavailableError):
        chatting().broke(overloaded, now_s=0, jitter=0)


RATE_LIMITED = RateLimitedError("slow down", code="RATE_LIMITED", retryable=True)


@pytest.mark.parametrize(
    ("error", "before", "after"),
    [
        (LOST, True, True),
        (UnavailableError("x", code="STORAGE_UNAVAILABLE", retryable=True), True, True),
        (ConnectionLostError("x", code="SLOW_CONSUMER", retryable=True), True, True),
        (RATE_LIMITED, False, True),
        (RateLimitedError("too large", code="RESOURCE_EXHAUSTED"), False, False),
        (NotFoundError("x", code="NOT_FOUND"), False, False),
        (InvalidRequestError("x", code="EVENTS_EXPIRED"), False, False),
        (DeadlineExceededError("x", code="DEADLINE_EXCEEDED", retryable=True), False, False),
        (ThinkaloudError("x", code="INTERNAL"), False, False),
        (AHEAD, False, False),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_what_is_tried_again(error: ThinkaloudError, before: bool, after: bool) -> None:
    for cursor, resumed in ((chatting(), before), (Cursor(watch(3), patience=PATIENCE), after)):
        if resumed:
            assert cursor.broke(error, now_s=0, jitter=0) == 0
        else:
            with pytest.raises(type(error)):
                cursor.broke(error, now_s=0, jitter=0)


def test_a_log_shorter_than_what_was_seen_is_asked_for_its_result() -> None:
    cursor = chatting(START, numbered(9, token("a")))
    cursor.broke(AHEAD, now_s=0, jitter=0)
    settling = run_service_pb2.GetRunRequest(run_id="run_1", include_reasoning=True)
    assert cursor.request() == settling
    cursor.broke(LOST, now_s=0, jitter=0)
    assert cursor.request() == settling
    run = run_service_pb2.Run(run_id="run_1", last_sequence=4, complete=event_pb2.CompleteEvent(response="a"))
    assert cursor.settle(run) == Complete("a", sequence=4)
    assert cursor.ended


def test_a_failed_run_settles_as_its_error() -> None:
    cursor = chatting(START)
    run = run_service_pb2.Run(run_id="run_1", last_sequence=4, error=failure("RUN_INTERRUPTED").error)
    settled = cursor.settle(run)
    assert isinstance(settled, Error)
    assert (settled.code, cursor.ended) == ("RUN_INTERRUPTED", True)


def test_a_run_that_is_not_settled_is_watched_again() -> None:
    cursor = chatting(START, numbered(9, token("a")))
    cursor.broke(AHEAD, now_s=0, jitter=0)
    with pytest.raises(UnavailableError) as caught:
        cursor.settle(run_service_pb2.Run(run_id="run_1", state="running"))
    cursor.broke(caught.value, now_s=0, jitter=0)
    assert cursor.request() == watch(9)


def test_the_deadline_runs_from_the_first_call_and_over_all() -> None:
    cursor = chatting(timeout_s=5)
    assert cursor.left_s(100) == 5
    assert cursor.left_s(103) == 2
    cursor.feed(START)
    assert cursor.broke(RATE_LIMITED, now_s=104.95, jitter=1.0) == pytest.approx(0.05)
    with pytest.raises(DeadlineExceededError) as caught:
        cursor.broke(LOST, now_s=105, jitter=0)
    assert caught.value.run_id == "run_1"
    assert cursor.stops_on_leaving
    assert cursor.left_s(106) == 0


def test_without_a_timeout_there_is_no_deadline() -> None:
    assert chatting().left_s(100) is None


@pytest.mark.parametrize("detach", [-1, 0, 15])
def test_a_detached_run_is_not_stopped_on_leaving(detach: int) -> None:
    request = chat_service_pb2.ChatRequest(text="hi", detach=detach)
    assert not Cursor(request, patience=PATIENCE).stops_on_leaving


def test_a_renewed_token_is_worth_one_more_attempt() -> None:
    expired = AuthError("it has expired", code="AUTH_EXPIRED")
    cursor = chatting()
    assert cursor.broke(expired, now_s=0, jitter=0, renewed=True) == 0
    with pytest.raises(AuthError):
        cursor.broke(expired, now_s=0, jitter=0, renewed=True)
    with pytest.raises(AuthError):
        chatting().broke(expired, now_s=0, jitter=0)
