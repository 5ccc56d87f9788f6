"""What the engine tells of its work to whoever counts it: one frozen value for each thing that happened.

The engine knows no metric, log key or span (those are `app/observe.py`'s). It tells of requests to providers, of runs
and of batches, never of a token: what is counted of tokens is summed on the way, and told with the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from thinkaloud_server.core.run import Run
from thinkaloud_server.core.usage import Attempt, Timing, Usage
from thinkaloud_server.engine.retry import Decision


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run of this process is stored and set going."""

    run: Run


@dataclass(frozen=True, slots=True)
class AttemptBegan:
    """A provider is about to be asked, for the so many-th time in this run, from 0."""

    run_id: str
    number: int
    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """A request to a provider is over, or was not made at all because its breaker is open (`asked` False).

    `cancelled`: the run was stopped meanwhile, which says nothing about the provider. Milliseconds as in Timing, but
    from the beginning of this attempt; 0 where the moment never came.
    """

    run_id: str
    number: int
    attempt: Attempt
    asked: bool
    cancelled: bool
    connect_ms: float
    first_byte_ms: float
    first_token_ms: float


@dataclass(frozen=True, slots=True)
class Decided:
    """What is done about an attempt that failed before its first delta."""

    run_id: str
    provider: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over and its end is committed, or its log broke. `reason` is the error's of a run that failed."""

    run: Run
    model: str
    provider: str
    state: str
    finish_reason: str
    reason: str
    usage: Usage
    timing: Timing
    attempts: int


@dataclass(frozen=True, slots=True)
class Committed:
    """A batch went to the store, which took so long. `failed` of its runs were not written.

    `answer_deltas` and `reasoning_deltas` count pieces of text as providers sent them, before neighbours were merged.
    """

    store: str
    runs: int
    events: int
    answer_deltas: int
    reasoning_deltas: int
    failed: int
    duration_s: float


Happening = RunBegan | AttemptBegan | AttemptEnded | Decided | RunEnded | Committed


class Observer(Protocol):
    """Is told of everything, in the middle of the work: it must neither wait nor raise."""

    def __call__(self, what: Happening, /) -> None: ...


def nobody(what: Happening, /) -> None:
    """Looks at nothing."""
