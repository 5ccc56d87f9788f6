"""The circuit breaker, by the clock of the test."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.engine.breaker import (
    CALLS_MIN,
    PAUSE_MAX_S,
    PAUSE_MIN_S,
    PROBE_S,
    PROBED_AGAIN_S,
    WINDOW_S,
    Breaker,
    Breakers,
    Call,
    Outcome,
    not_asked,
    outcome_of,
)

NOW = 1000.0
GOOD: list[Outcome] = ["good"]
BAD: list[Outcome] = ["bad"]
VOID: list[Outcome] = ["void"]


def called(breaker: Breaker, *outcomes: Outcome, now: float = NOW) -> None:
    for outcome in outcomes:
        call = breaker.admit(now)
        assert call is not None, "it is open"
        call.end(outcome, now)


def opened(now: float = NOW) -> Breaker:
    breaker = Breaker()
    called(breaker, *BAD * CALLS_MIN, now=now)
    assert breaker.admit(now) is None
    return breaker


def probe_of(breaker: Breaker, now: float) -> Call:
    call = breaker.admit(now)
    assert call is not None
    return call


# What ended, and whether the breaker is open then.
OPENS: dict[str, tuple[list[Outcome], bool]] = {
    "all of twenty": (BAD * 20, True),
    "all of nineteen": (BAD * 19, False),
    "half of twenty": ((GOOD + BAD) * 10, True),
    "half of twenty, the good ones last": (BAD * 10 + GOOD * 10, True),
    "less than half of twenty": (GOOD * 11 + BAD * 9, False),
    "half of forty": (GOOD * 20 + BAD * 20, True),
    "less than half of forty": (GOOD * 21 + BAD * 19, False),
    "what says nothing is no call": (BAD * 19 + VOID * 50, False),
    "none": ([], False),
}


@pytest.mark.parametrize(("outcomes", "is_open"), OPENS.values(), ids=OPENS)
def test_it_opens_when_half_of_at_least_twenty_calls_failed(outcomes: list[Outcome], is_open: bool) -> None:
    breaker = Breaker()
    called(breaker, *outcomes)
    assert (breaker.admit(NOW) is None) is is_open
    assert breaker.wait_s(NOW) == (PAUSE_MIN_S if is_open else 0.0)


@pytest.mark.parametrize(("seconds", "is_open"), [(0.0, True), (WINDOW_S - 1, True), (WINDOW_S, False)])
def test_only_the_last_ten_seconds_count(seconds: float, is_open: bool) -> None:
    breaker = Breaker()
    called(breaker, *BAD * 19)
    called(breaker, "bad", now=NOW + seconds)
    assert (breaker.admit(NOW + seconds) is None) is is_open


def test_calls_that_were_under_way_when_it_opened_change_nothing() -> None:
    breaker = Breaker()
    late = [probe_of(breaker, NOW) for _ in range(3)]
    called(breaker, *BAD * CALLS_MIN)
    for call, outcome in zip(late, BAD + GOOD + VOID, strict=True):
        call.heard()
        call.end(outcome, NOW + 1)
    assert breaker.wait_s(NOW + 1) == PAUSE_MIN_S - 1


def test_after_its_pause_it_lets_one_probe_through_at_a_time() -> None:
    breaker = opened()
    assert breaker.admit(NOW + PAUSE_MIN_S - 0.01) is None
    probe = probe_of(breaker, NOW + PAUSE_MIN_S)
    assert [breaker.admit(NOW + PAUSE_MIN_S + seconds) for seconds in (0, 1, PROBE_S - 1)] == [None] * 3
    assert breaker.wait_s(NOW + PAUSE_MIN_S) == PROBED_AGAIN_S
    probe.end("good", NOW + PAUSE_MIN_S + 2)
    assert breaker.wait_s(NOW + PAUSE_MIN_S + 2) == 0.0


def test_a_probe_that_is_answered_closes_it_before_its_answer_ends() -> None:
    breaker = opened()
    now = NOW + PAUSE_MIN_S
    probe = probe_of(breaker, now)
    probe.heard()
    assert breaker.wait_s(now) == 0.0
    # It goes on as a call like any other, and what failed before the opening is forgotten.
    probe.end("bad", now)
    called(breaker, *BAD * (CALLS_MIN - 2), now=now)
    assert breaker.wait_s(now) == 0.0
    called(breaker, "bad", now=now)
    assert breaker.wait_s(now) == PAUSE_MIN_S


def test_a_probe_that_fails_opens_it_again_for_longer_up_to_a_minute() -> None:
    breaker = opened()
    now = NOW
    pauses = []
    for _ in range(7):
        pauses.append(breaker.wait_s(now))
        now += pauses[-1]
        probe_of(breaker, now).end("bad", now)
    assert pauses == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, PAUSE_MAX_S]
    probe_of(breaker, now + PAUSE_MAX_S).end("good", now + PAUSE_MAX_S)
    called(breaker, *BAD * CALLS_MIN, now=now + PAUSE_MAX_S)
    assert breaker.wait_s(now + PAUSE_MAX_S) == PAUSE_MIN_S, "a new outage begins with the short pause"


def test_a_cancelled_probe_gives_its_place_back() -> None:
    breaker = opened()
    now = NOW + PAUSE_MIN_S
    probe_of(breaker, now).end("void", now)
    probe_of(breaker, now).end("good", now)
    assert breaker.wait_s(now) == 0.0


def test_a_probe_of_which_nothing_is_heard_shuts_nobody_out_for_ever_and_still_counts() -> None:
    breaker = opened()
    now = NOW + PAUSE_MIN_S
    silent = probe_of(breaker, now)
    second = probe_of(breaker, now + PROBE_S)
    second.end("bad", now + PROBE_S + 1)
    assert breaker.admit(now + PROBE_S + 2) is None
    silent.heard()
    assert breaker.wait_s(now + PROBE_S + 2) == 0.0
    silent.end("good", now + PROBE_S + 3)


def test_a_late_failure_of_an_old_probe_does_not_lengthen_the_pause() -> None:
    breaker = opened()
    now = NOW + PAUSE_MIN_S
    silent = probe_of(breaker, now)
    probe_of(breaker, now + PROBE_S).end("bad", now + PROBE_S)
    silent.end("bad", now + PROBE_S + 1)
    assert breaker.wait_s(now + PROBE_S + 1) == 2 * PAUSE_MIN_S - 1


def test_every_provider_has_a_breaker_of_its_own() -> None:
    breakers = Breakers()
    called(breakers.of("a"), *BAD * CALLS_MIN)
    assert breakers.of("a").admit(NOW) is None
    assert breakers.of("b").admit(NOW) is not None


def test_a_total_outage_sees_less_and_less() -> None:
    """A request every 10 ms for an hour, of which each would fail at once."""
    breaker = Breaker()
    made = 0
    for number in range(360_000):
        now = NOW + number * 0.01
        call = breaker.admit(now)
        if call is not None:
            made += 1
            call.end("bad", now)
    assert made <= CALLS_MIN + 5 + 3600 / PAUSE_MAX_S


def test_who_looks_on_sees_it_closed_then_open_then_probing_then_closed() -> None:
    breakers = Breakers()
    called(breakers.of("up"), *GOOD)
    called(breakers.of("down"), *BAD * CALLS_MIN)
    assert breakers.states(NOW) == {"up": "closed", "down": "open"}
    late = NOW + PAUSE_MIN_S
    assert breakers.states(late) == {"up": "closed", "down": "probing"}
    called(breakers.of("down"), *GOOD, now=late)
    assert breakers.states(late) == {"up": "closed", "down": "closed"}


COUNTS: dict[str, tuple[Failure | None, Outcome]] = {
    "an answer": (None, "good"),
    "500": (Failure(ErrorReason.UPSTREAM_ERROR, "x", 500), "bad"),
    "connection refused": (Failure(ErrorReason.UPSTREAM_ERROR, "x", unprocessed=True), "bad"),
    "no first byte": (Failure(ErrorReason.UPSTREAM_TIMEOUT, "x"), "bad"),
    "cut": (Failure(ErrorReason.UPSTREAM_TRUNCATED, "x", 200), "bad"),
    "html": (Failure(ErrorReason.UPSTREAM_PROTOCOL_ERROR, "x", 200), "bad"),
    "503": (Failure(ErrorReason.UPSTREAM_RATE_LIMITED, "x", 503), "bad"),
    "529": (Failure(ErrorReason.UPSTREAM_RATE_LIMITED, "x", 529), "bad"),
    "429": (Failure(ErrorReason.UPSTREAM_RATE_LIMITED, "x", 429), "good"),
    "401": (Failure(ErrorReason.UPSTREAM_AUTH, "x", 401), "good"),
    "402": (Failure(ErrorReason.QUOTA_EXCEEDED, "x", 402), "good"),
    "400": (Failure(ErrorReason.VALIDATION_FAILED, "x", 400), "good"),
    "refused reasoning": (Failure(ErrorReason.VALIDATION_FAILED, "x", 400, reasoning_refused=True), "good"),
    "refused history": (Failure(ErrorReason.REASONING_STATE_INVALID, "x", 400), "good"),
    "no such model": (Failure(ErrorReason.MODEL_NOT_FOUND, "x", 404), "good"),
    "too long": (Failure(ErrorReason.CONTEXT_TOO_LONG, "x", 400), "good"),
    "empty": (Failure(ErrorReason.EMPTY_RESPONSE, "x", 200), "good"),
}


@pytest.mark.parametrize(("failure", "outcome"), COUNTS.values(), ids=COUNTS)
def test_a_refusal_is_an_answer_and_an_outage_is_not(failure: Failure | None, outcome: Outcome) -> None:
    assert outcome_of(failure) == outcome


def test_a_call_that_is_not_made_says_why_and_until_when() -> None:
    failure = not_asked(4.2)
    assert (failure.reason, failure.retry_after_s, failure.unprocessed) == (ErrorReason.UPSTREAM_ERROR, 5.0, False)
    assert failure.message == "the provider keeps failing and is not being asked for 5 s"
    assert not_asked(0.1).retry_after_s == 1.0
