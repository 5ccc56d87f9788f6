"""The policy after a failure, as a table, and the budget of retries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.engine.retry import (
    BUDGET_FLOOR,
    DELAY_MAX_S,
    DELAY_MIN_S,
    RETRIES_MAX,
    Again,
    Asked,
    Budget,
    Decision,
    GiveUp,
    NextModel,
    WithEfforts,
    WithoutReasoning,
    WithoutState,
    decide,
)

NOW = 1000.0


def failed(reason: str = "UPSTREAM_ERROR", status: int = 0, **more: object) -> Failure:
    return Failure(ErrorReason(reason), "said so", status=status, **more)  # type: ignore[arg-type]  # table rows


def decided(
    failure: Failure,
    *,
    fallbacks_left: int = 0,
    budget: Budget | None = None,
    random: float = 0.0,
    **asked: Any,
) -> Decision:
    return decide(
        failure,
        Asked(**asked),
        fallbacks_left=fallbacks_left,
        budget=budget or Budget(),
        now=NOW,
        random=random,
    )


REFUSED = failed(unprocessed=True)

# What is sent again to the same model.
SENT_AGAIN = {
    "connection refused": REFUSED,
    "request timeout": failed("UPSTREAM_TIMEOUT", 408),
    "rate limited": failed("UPSTREAM_RATE_LIMITED", 429),
    "internal error": failed("UPSTREAM_ERROR", 500),
    "bad gateway": failed("UPSTREAM_ERROR", 502),
    "overloaded": failed("UPSTREAM_RATE_LIMITED", 503),
    "gateway timeout, not worked on": failed("UPSTREAM_TIMEOUT", 504, unprocessed=True),
    "anthropic overloaded": failed("UPSTREAM_ERROR", 529),
    "overloaded, said in the stream": failed("UPSTREAM_ERROR", unprocessed=True),
    "empty answer": failed("EMPTY_RESPONSE", 200),
}

# What is not, but may be asked of another model.
FALLS_BACK = {
    "sent, then no answer": failed("UPSTREAM_ERROR"),
    "first byte timeout": failed("UPSTREAM_TIMEOUT"),
    "connect timeout": failed("UPSTREAM_TIMEOUT", unprocessed=True),
    "gateway timeout": failed("UPSTREAM_TIMEOUT", 504),
    "gateway timeout of a proxy": failed("UPSTREAM_ERROR", 524),
    "wrong key": failed("UPSTREAM_AUTH", 401),
    "wrong key, said by a broken gateway": failed("UPSTREAM_AUTH", 500),
    "quota used up": failed("QUOTA_EXCEEDED", 429),
    "context too long": failed("CONTEXT_TOO_LONG", 400),
    "no such model": failed("MODEL_NOT_FOUND", 404),
    "model not allowed": failed("MODEL_NOT_ALLOWED", 403),
    "html": failed("UPSTREAM_PROTOCOL_ERROR", 200),
    "redirect": failed("UPSTREAM_PROTOCOL_ERROR", 307),
    "cut before the first delta": failed("UPSTREAM_TRUNCATED", 200),
    "foreign reasoning state": failed("REASONING_STATE_INVALID", 400),
    "unclassified 4xx": failed("UPSTREAM_ERROR", 418),
}

# What is the caller's to correct, or ours.
GOES_NOWHERE = {
    "bad field": failed("VALIDATION_FAILED", 400),
    "bad image": failed("INVALID_IMAGE", 400),
    "text too long": failed("TEXT_TOO_LONG", 413),
    "bug": failed("INTERNAL", 500),
}


@pytest.mark.parametrize("failure", SENT_AGAIN.values(), ids=SENT_AGAIN)
class TestWhatIsSentAgain:
    def test_is_sent_again_before_the_next_model_is_asked(self, failure: Failure) -> None:
        assert isinstance(decided(failure, fallbacks_left=1), Again)

    def test_goes_to_the_next_model_once_its_retries_are_used(self, failure: Failure) -> None:
        assert decided(failure, retries=RETRIES_MAX, fallbacks_left=1) == NextModel()

    def test_is_given_up_once_everything_is_used(self, failure: Failure) -> None:
        assert decided(failure, retries=RETRIES_MAX) == GiveUp()

    def test_is_not_sent_again_when_the_budget_is_spent(self, failure: Failure) -> None:
        budget = Budget()
        while budget.take(NOW):
            pass
        assert decided(failure, budget=budget) == GiveUp()
        assert decided(failure, budget=budget, fallbacks_left=1) == NextModel()


@pytest.mark.parametrize("failure", FALLS_BACK.values(), ids=FALLS_BACK)
def test_what_may_have_been_processed_or_is_the_providers_own_matter_goes_to_the_next_model_only(
    failure: Failure,
) -> None:
    assert decided(failure, fallbacks_left=1) == NextModel()
    assert decided(failure, fallbacks_left=0) == GiveUp()


@pytest.mark.parametrize("failure", GOES_NOWHERE.values(), ids=GOES_NOWHERE)
def test_what_the_caller_must_correct_goes_nowhere(failure: Failure) -> None:
    assert decided(failure, fallbacks_left=3) == GiveUp()


@pytest.mark.parametrize("reason", list(ErrorReason))
def test_every_reason_is_decided(reason: ErrorReason) -> None:
    assert isinstance(decided(Failure(reason, "x")), GiveUp | Again)
    assert isinstance(decided(Failure(reason, "x"), fallbacks_left=1), GiveUp | NextModel | Again)


class TestReasoningRefused:
    refused = failed("VALIDATION_FAILED", 400, reasoning_refused=True)

    def test_is_asked_once_more_without_reasoning(self) -> None:
        assert decided(self.refused, reasoning=True, fallbacks_left=1) == WithoutReasoning()

    def test_needs_no_retry_and_no_budget(self) -> None:
        budget = Budget()
        while budget.take(NOW):
            pass
        assert decided(self.refused, reasoning=True, retries=2, budget=budget) == WithoutReasoning()

    def test_is_an_ordinary_failure_when_no_reasoning_was_sent(self) -> None:
        assert decided(self.refused, reasoning=False, fallbacks_left=1) == GiveUp()

    def test_is_first_clamped_to_the_efforts_that_it_names(self) -> None:
        naming = replace(self.refused, efforts=("low", "high"))
        assert decided(naming, reasoning=True) == WithEfforts(("low", "high"))
        assert decided(naming, reasoning=True, clamped=True) == WithoutReasoning()
        assert decided(naming, reasoning=False) == GiveUp()


class TestRefusedHistory:
    refused = failed("REASONING_STATE_INVALID", 400)

    def test_is_asked_once_more_without_its_reasoning(self) -> None:
        assert decided(self.refused, state=True, fallbacks_left=1) == WithoutState()
        assert decided(self.refused, state=True, reasoning=True, retries=2) == WithoutState()

    def test_that_held_no_reasoning_goes_to_the_next_model(self) -> None:
        assert decided(self.refused, state=False, fallbacks_left=1) == NextModel()
        assert decided(self.refused, state=False, reasoning=True) == GiveUp()


class TestEmptyAnswer:
    empty = failed("EMPTY_RESPONSE", 200)

    def test_is_asked_for_only_once_more(self) -> None:
        assert isinstance(decided(self.empty, retries=0), Again)
        assert decided(self.empty, retries=1, empty=True) == GiveUp()

    def test_is_asked_for_once_more_after_another_kind_of_retry(self) -> None:
        assert isinstance(decided(self.empty, retries=1, empty=False), Again)


class TestDelay:
    @pytest.mark.parametrize(
        ("retries", "random", "delay_s"),
        [(0, 0.0, DELAY_MIN_S), (0, 0.999999, 1.0), (1, 0.0, DELAY_MIN_S), (1, 0.999999, DELAY_MAX_S)],
        ids=["first, least", "first, most", "second, least", "second, most"],
    )
    def test_has_full_jitter(self, retries: int, random: float, delay_s: float) -> None:
        decision = decided(REFUSED, retries=retries, random=random)
        assert isinstance(decision, Again)
        assert decision.delay_s == pytest.approx(delay_s, abs=1e-4)

    @pytest.mark.parametrize(
        ("hint_s", "random", "delay_s"),
        [(3.0, 0.0, 3.0), (3.0, 0.5, 3.1), (5.0, 0.0, 5.0), (0.0, 0.5, 0.6)],
        ids=["the hint", "not all at once", "the longest hint", "a hint of now is no storm"],
    )
    def test_honours_the_providers_hint(self, hint_s: float, random: float, delay_s: float) -> None:
        failure = failed("UPSTREAM_RATE_LIMITED", 429, retry_after_s=hint_s)
        decision = decided(failure, random=random, fallbacks_left=1)
        assert isinstance(decision, Again)
        assert decision.delay_s == pytest.approx(delay_s)

    def test_of_more_than_five_seconds_is_not_waited_for(self) -> None:
        failure = failed("UPSTREAM_RATE_LIMITED", 429, retry_after_s=5.01)
        assert decided(failure, fallbacks_left=1) == NextModel()
        assert decided(failure) == GiveUp()

    def test_that_is_not_waited_for_costs_no_budget(self) -> None:
        budget = Budget()
        for _ in range(BUDGET_FLOOR + 1):
            decided(failed("UPSTREAM_RATE_LIMITED", 429, retry_after_s=60.0), budget=budget)
        assert budget.take(NOW)


def take_all(budget: Budget, now: float) -> int:
    taken = 0
    while budget.take(now):
        taken += 1
    return taken


class TestBudget:
    def test_of_an_idle_server_is_ten_a_minute(self) -> None:
        budget = Budget()
        assert take_all(budget, NOW) == BUDGET_FLOOR
        assert take_all(budget, NOW + 59) == 0
        assert take_all(budget, NOW + 60) == BUDGET_FLOOR

    @pytest.mark.parametrize(("requests", "retries"), [(10, 10), (100, 10), (109, 10), (110, 11), (1000, 100)])
    def test_of_a_busy_server_is_a_tenth_of_its_requests(self, requests: int, retries: int) -> None:
        budget = Budget()
        for _ in range(requests):
            budget.note_request(NOW)
        assert take_all(budget, NOW) == retries

    def test_forgets_what_is_more_than_a_minute_ago(self) -> None:
        budget = Budget()
        for _ in range(1000):
            budget.note_request(NOW)
        assert take_all(budget, NOW + 60) == BUDGET_FLOOR

    def test_counts_what_is_less_than_a_minute_ago(self) -> None:
        budget = Budget()
        for second in range(60):
            for _ in range(10):
                budget.note_request(NOW + second)
        assert take_all(budget, NOW + 59) == 60

    def test_lets_a_total_outage_see_at_most_1_1_requests_for_each_of_ours(self) -> None:
        budget = Budget()
        attempts = 0
        for number in range(1000):
            now = NOW + number * 0.01
            budget.note_request(now)
            attempts += 1
            retries = 0
            while isinstance(
                decide(
                    failed("UPSTREAM_ERROR", 503),
                    Asked(retries=retries),
                    fallbacks_left=0,
                    budget=budget,
                    now=now,
                    random=0.5,
                ),
                Again,
            ):
                retries += 1
                attempts += 1
        assert attempts <= 1.1 * 1000

    def test_keeps_little_over_a_long_time(self) -> None:
        budget = Budget()
        for second in range(10_000):
            budget.note_request(NOW + second)
        assert len(budget._seconds) <= 61
