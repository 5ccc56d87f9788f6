"""When a provider that keeps failing is not asked: a circuit breaker for each provider, pure but for what it counts.

It opens when at least half of at least 20 calls that ended within 10 s failed. While it is open nobody is asked, so a
provider that is down is neither buried under requests nor waited for by every run. After a pause one call at a time
is let through as a probe: a provider that begins to answer closes the breaker, one that fails opens it for longer.

A refusal is an answer: whoever says 401 or 429 is up. What counts as a failure is said by `outcome_of`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason

CALLS_MIN = 20
FAILED_SHARE = 0.5
WINDOW_S = 10
PAUSE_MIN_S = 5.0
PAUSE_MAX_S = 60.0
# A probe of which nothing is heard for so long leaves its place to the next one; it may be hung, or a model that thinks
# for minutes, so its answer still counts.
PROBE_S = 30.0
# While a probe is under way: when to ask again.
PROBED_AGAIN_S = 1.0

# "void": the call says nothing about the provider (it was cancelled, or never made).
Outcome = Literal["good", "bad", "void"]
# "probing": the pause is over, and one call at a time may find out whether the provider is back.
BreakerState = Literal["closed", "open", "probing"]

_FAILURES = frozenset(
    {
        ErrorReason.UPSTREAM_ERROR,
        ErrorReason.UPSTREAM_TIMEOUT,
        ErrorReason.UPSTREAM_TRUNCATED,
        ErrorReason.UPSTREAM_PROTOCOL_ERROR,
    }
)
# The provider has no room for anybody, which is not the caller's rate.
_NO_ROOM = (503, 529)


def outcome_of(failure: Failure | None) -> Outcome:
    """What the end of a call says about the provider."""
    if failure is None:
        return "good"
    return "bad" if failure.reason in _FAILURES or failure.status in _NO_ROOM else "good"


class Call:
    """Leave to make one call. `end` is due exactly once; `heard` when the first of the answer has come."""

    __slots__ = ("_breaker", "_era", "_probe")

    def __init__(self, breaker: Breaker, era: int, *, probe: bool) -> None:
        self._breaker = breaker
        self._era = era
        self._probe = probe

    def heard(self) -> None:
        """The provider answers: a probe need not think to its end for the others to be let through."""
        if self._probe:
            self._probe = False
            self._era = self._breaker.probe_good()

    def end(self, outcome: Outcome, now: float) -> None:
        """The call is over."""
        if self._probe:
            self._breaker.probe_ended(self._era, outcome, now)
        elif outcome != "void":
            self._breaker.count(self._era, outcome == "bad", now)


class Breaker:
    """The breaker of one provider. Time is passed in and never goes back.

    Each opening and closing begins an era; a call that began in an earlier one has nothing to say any more.
    """

    def __init__(self) -> None:
        self._era = 0
        self._seconds: deque[_Second] = deque()
        self._open = False
        self._pause_s = PAUSE_MIN_S
        self._closed_until = 0.0
        self._probe_until = 0.0

    def admit(self, now: float) -> Call | None:
        """Leave to make a call, or None: then `wait_s` says when to come again."""
        if not self._open:
            return Call(self, self._era, probe=False)
        if self.wait_s(now) > 0:
            return None
        self._probe_until = now + PROBE_S
        return Call(self, self._era, probe=True)

    def wait_s(self, now: float) -> float:
        """How long no call will be let through; 0 when one would be now."""
        if not self._open:
            return 0.0
        if now < self._closed_until:
            return self._closed_until - now
        return min(PROBED_AGAIN_S, self._probe_until - now) if now < self._probe_until else 0.0

    def state(self, now: float) -> BreakerState:
        """For those who look on."""
        if not self._open:
            return "closed"
        return "open" if now < self._closed_until else "probing"

    # For calls alone.

    def count(self, era: int, failed: bool, now: float) -> None:
        """An ordinary call ended."""
        if era != self._era:
            return
        number = int(now)
        while self._seconds and self._seconds[0].number <= number - WINDOW_S:
            self._seconds.popleft()
        if not self._seconds or self._seconds[-1].number != number:
            self._seconds.append(_Second(number))
        self._seconds[-1].calls += 1
        self._seconds[-1].failed += failed
        calls = sum(second.calls for second in self._seconds)
        bad = sum(second.failed for second in self._seconds)
        if calls >= CALLS_MIN and bad >= calls * FAILED_SHARE:
            self._close_off(PAUSE_MIN_S, now)

    def probe_good(self) -> int:
        """A probe is answered, however late; the era in which its call goes on."""
        if self._open:
            self._open = False
            self._era += 1
        return self._era

    def probe_ended(self, era: int, outcome: Outcome, now: float) -> None:
        """The probe ended before anything of an answer was heard."""
        if outcome == "good":
            self.probe_good()
        elif era == self._era and outcome == "bad":
            self._close_off(min(PAUSE_MAX_S, self._pause_s * 2), now)
        elif era == self._era:
            self._probe_until = 0.0  # its place is another's

    def _close_off(self, pause_s: float, now: float) -> None:
        self._open = True
        self._era += 1
        self._pause_s = pause_s
        self._closed_until = now + pause_s
        self._probe_until = 0.0
        self._seconds.clear()


class Breakers:
    """The breakers of all providers, by name, made as they are needed."""

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}

    def of(self, provider: str) -> Breaker:
        """This provider's."""
        return self._breakers.setdefault(provider, Breaker())

    def states(self, now: float) -> Mapping[str, BreakerState]:
        """How each one stands that was needed until now."""
        return {provider: breaker.state(now) for provider, breaker in self._breakers.items()}


def not_asked(wait_s: float) -> Failure:
    """How a call fails that was not made."""
    seconds = max(1, math.ceil(wait_s))
    message = f"the provider keeps failing and is not being asked for {seconds} s"
    return Failure(ErrorReason.UPSTREAM_ERROR, message, retry_after_s=float(seconds))


@dataclass(slots=True)
class _Second:
    number: int
    calls: int = 0
    failed: int = 0
