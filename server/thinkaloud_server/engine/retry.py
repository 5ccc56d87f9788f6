"""What to do after a request to a model failed: pure decisions, and the budget that all requests share.

The policy (per request, and only before the first delta reached the run):

1. A reasoning control was sent and refused: once more with the nearest of the efforts that the refusal names, if it
   names any; then once more without any reasoning field. Reasoning in the history was refused: once more without it.
2. Sent again, at most twice, waiting with full jitter from 0.2 s to 5 s or as long as the provider asks, and
   only while the budget lasts: what provably was not worked on (refused, never sent), and what the provider
   answered with 408, 429 or 5xx. An empty answer is asked for once more.
3. Otherwise the next of the caller's fallback models.
4. Otherwise give up.

A request that may have been processed (sent, and no answer: silence, a broken connection) is not sent again to
the same model, because it would be billed twice without the provider's word. It may go to the next model: that
is another request, which the caller asked for by naming it.

What is the caller's to correct (a bad field, a bad image) goes nowhere else: another model's answer would hide
the mistake. What is between us and one provider (its key, its quota, its context window, a model that it does
not have) says nothing about the next model, so that one is asked.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason

RETRIES_MAX = 2
DELAY_MIN_S = 0.2
DELAY_MAX_S = 5.0

BUDGET_SHARE = 0.1
BUDGET_FLOOR = 10
BUDGET_WINDOW_S = 60

# A gateway that lost patience: behind it the request may still be worked on, and billed.
_GATEWAY_TIMEOUTS = (504, 522, 524)
_MAY_BE_SENT_AGAIN = frozenset(
    {ErrorReason.UPSTREAM_ERROR, ErrorReason.UPSTREAM_RATE_LIMITED, ErrorReason.UPSTREAM_TIMEOUT}
)
_MAY_FALL_BACK = _MAY_BE_SENT_AGAIN | {
    ErrorReason.UPSTREAM_PROTOCOL_ERROR,
    ErrorReason.UPSTREAM_TRUNCATED,
    ErrorReason.UPSTREAM_AUTH,
    ErrorReason.EMPTY_RESPONSE,
    ErrorReason.REASONING_STATE_INVALID,
    ErrorReason.CONTEXT_TOO_LONG,
    ErrorReason.MODEL_NOT_FOUND,
    ErrorReason.MODEL_NOT_ALLOWED,
    ErrorReason.QUOTA_EXCEEDED,
}


@dataclass(frozen=True, slots=True)
class Again:
    """Send the same request once more, after this delay."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class WithEfforts:
    """Send it at once, clamped to these efforts, which the provider says that its model takes."""

    efforts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WithoutState:
    """Send it at once with no reasoning in its history."""


@dataclass(frozen=True, slots=True)
class WithoutReasoning:
    """Send it at once with every reasoning field left out."""


@dataclass(frozen=True, slots=True)
class NextModel:
    """Ask the next fallback model."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Tell the caller this failure."""


Decision = Again | WithEfforts | WithoutReasoning | WithoutState | NextModel | GiveUp


@dataclass(frozen=True, slots=True)
class Asked:
    """How one model was asked until now; begins anew with the next one.

    `reasoning` and `state`: the last request held a field about reasoning, or reasoning in its history. `retries`
    counts how often it was sent again, `empty` says that an answer was empty, `clamped` that it was sent with the
    provider's own list of efforts.
    """

    reasoning: bool = False
    state: bool = False
    retries: int = 0
    empty: bool = False
    clamped: bool = False


def decide(
    failure: Failure, asked: Asked, *, fallbacks_left: int, budget: Budget, now: float, random: float
) -> Decision:
    """What to do about a failure that came before the first delta.

    `random` is uniform in [0, 1). A retry is taken from the budget; what a provider refused cost it nothing, and is
    sent at most once again in each way.
    """
    if failure.reasoning_refused and asked.reasoning:
        return WithEfforts(failure.efforts) if failure.efforts and not asked.clamped else WithoutReasoning()
    if failure.reason is ErrorReason.REASONING_STATE_INVALID and asked.state:
        return WithoutState()
    otherwise = NextModel() if fallbacks_left > 0 and failure.reason in _MAY_FALL_BACK else GiveUp()
    if asked.retries >= RETRIES_MAX or not _may_be_sent_again(failure, asked.empty):
        return otherwise
    if failure.retry_after_s is not None and failure.retry_after_s > DELAY_MAX_S:
        return otherwise
    if not budget.take(now):
        return otherwise
    return Again(_delay(failure.retry_after_s, asked.retries, random))


class Budget:
    """How many retries all requests together may have: 10 % of them, and 10 a minute where that is more.

    A provider in total outage then sees at most 1.1 requests for each of ours; an idle server still retries.
    Counted over the last minute, in seconds; time is passed in and never goes back.
    """

    def __init__(self) -> None:
        self._seconds: deque[_Second] = deque()
        self._requests = 0
        self._retries = 0

    def note_request(self, now: float) -> None:
        """A first request to a model was sent (not a retry)."""
        self._second(now).requests += 1
        self._requests += 1

    def take(self, now: float) -> bool:
        """Take one retry; False when there is none left."""
        second = self._second(now)
        if self._retries + 1 > max(BUDGET_FLOOR, self._requests * BUDGET_SHARE):
            return False
        second.retries += 1
        self._retries += 1
        return True

    def _second(self, now: float) -> _Second:
        number = int(now)
        while self._seconds and self._seconds[0].number <= number - BUDGET_WINDOW_S:
            old = self._seconds.popleft()
            self._requests -= old.requests
            self._retries -= old.retries
        if not self._seconds or self._seconds[-1].number != number:
            self._seconds.append(_Second(number))
        return self._seconds[-1]


@dataclass(slots=True)
class _Second:
    number: int
    requests: int = 0
    retries: int = 0


def _may_be_sent_again(failure: Failure, empty_before: bool) -> bool:
    if failure.reason is ErrorReason.EMPTY_RESPONSE:
        return not empty_before
    if failure.reason not in _MAY_BE_SENT_AGAIN:
        return False
    if failure.status in _GATEWAY_TIMEOUTS:
        return failure.unprocessed
    if failure.status in (408, 429) or failure.status >= 500:
        return True
    # A connection that was not made in time is safe to try again, but the caller has waited long enough for it.
    return failure.unprocessed and failure.reason is not ErrorReason.UPSTREAM_TIMEOUT


def _delay(retry_after_s: float | None, retries: int, random: float) -> float:
    """Full jitter up to 1 s, then up to 5 s; not before the provider's hint, and not everybody just then."""
    ceiling_s = min(DELAY_MAX_S, DELAY_MIN_S * 5.0 ** (retries + 1))
    jittered_s = DELAY_MIN_S + random * (ceiling_s - DELAY_MIN_S)
    if retry_after_s is None:
        return jittered_s
    return max(jittered_s, retry_after_s + random * DELAY_MIN_S)
