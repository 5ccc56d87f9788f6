"""One turn, played: models are asked in order until one answers, and what they say becomes events.

Nothing is repeated after the first delta was seen: from then on a failure is the run's failure. What the run's end
needs to know (text so far, attempts, times) is kept here, so that a stop at any moment closes the run truthfully.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from thinkaloud_server.core.assembler import Answer, Assembler
from thinkaloud_server.core.delta import Failure, joined
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete, Error, Progress, Reasoning, Terminal, Token, Warning
from thinkaloud_server.core.message import Message
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.core.run import Closing, Run
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.core.usage import Attempt, Spent, Timing
from thinkaloud_server.engine.breaker import Breakers, Call, Outcome, not_asked, outcome_of
from thinkaloud_server.engine.ending import End
from thinkaloud_server.engine.log import PENDING_BYTES_MAX
from thinkaloud_server.engine.meter import Meter, counted, weight_of
from thinkaloud_server.engine.observer import AttemptBegan, AttemptEnded, Decided, Observer, RunEnded
from thinkaloud_server.engine.opening import given_to
from thinkaloud_server.engine.ports import AttemptTrace
from thinkaloud_server.engine.retry import (
    Again,
    Asked,
    Budget,
    GiveUp,
    NextModel,
    WithEfforts,
    WithoutReasoning,
    WithoutState,
    decide,
)

if TYPE_CHECKING:
    from thinkaloud_server.engine.log import RunWriter
    from thinkaloud_server.engine.models import Candidate, Models
    from thinkaloud_server.engine.ports import Clock
    from thinkaloud_server.engine.quota import Share


class Play:
    """One turn being played. Call `run`; when it is cancelled, `stopped` or `failed` say how the run closes."""

    def __init__(
        self,
        *,
        run: Run,
        turn: Turn,
        messages: tuple[Message, ...],
        candidates: Sequence[Candidate],
        writer: RunWriter,
        models: Models,
        budget: Budget,
        breakers: Breakers,
        random: Callable[[], float],
        clock: Clock,
        arrived: float,
        observer: Observer,
        share: Share | None,
    ) -> None:
        self._run = run
        self._turn = turn
        self._messages = messages
        self._candidates = candidates
        self._writer = writer
        self._models = models
        self._budget = budget
        self._breakers = breakers
        self._random = random
        self._clock = clock
        self._arrived = arrived
        self._observer = observer
        self._share = share
        self._meter = Meter(share) if share is not None and share.limited else None
        self._unheard = False
        self._candidate = candidates[0]
        self._assembler = Assembler(think_tags="off")
        self._flushed = False
        self._trace = AttemptTrace()
        self._attempts: list[Attempt] = []
        self._adjusted: set[str] = set()
        self._asked_at = 0.0
        self._spoke_at = 0.0

    async def run(self) -> Closing:
        """Ask until somebody answers; the run's end."""
        self._writer.append(Progress(1, self._turn.max_iterations, f"asking {self._candidate.id}"))
        failure: Failure | None = None
        for number, candidate in enumerate(self._candidates):
            if failure is not None:
                said = f"{self._candidate.id} failed ({failure.reason}); asking {candidate.id}"
                self._writer.append(Warning("FELL_BACK", said))
            self._candidate = candidate
            failure, give_up = await self._ask(candidate, fallbacks_left=len(self._candidates) - number - 1)
            if failure is None:
                return self._completed()
            if give_up:
                break
        assert failure is not None
        return await self._given_up(failure)

    def stopped(self, finish_reason: str) -> Closing:
        """The run was stopped: what was said until now is its result."""
        answer = self._flush()
        return self._close(self._complete(answer, finish_reason), answer, finish_reason, partial=True)

    def failed(self, reason: ErrorReason, message: str, details: Mapping[str, Any] | None = None) -> Closing:
        """The run failed: what was said until now is kept, flagged."""
        answer = self._flush()
        partial = bool(answer.text or answer.reasoning)
        error = Error(reason, message, self._run.request_id, partial, details or {})
        return self._close(error, answer, "", partial=True)

    def ended(self, closing: Closing) -> RunEnded:
        """What the run came to, for those who count; `closing` is how it ended."""
        terminal = closing.terminal
        return RunEnded(
            run=self._run,
            model=closing.model,
            provider=self._candidate.provider.name,
            state=closing.state,
            finish_reason=closing.finish_reason,
            reason=terminal.code if isinstance(terminal, Error) else "",
            usage=closing.usage,
            timing=terminal.timing if isinstance(terminal, Complete) else self._timing(),
            attempts=len(self._attempts),
        )

    async def _ask(self, candidate: Candidate, *, fallbacks_left: int) -> tuple[Failure | None, bool]:
        """Ask one model, again where the policy allows it: how it failed, and whether to give up then."""
        request = self._request(candidate, await self._models.known(candidate, self._turn.reasoning))
        self._budget.note_request(self._clock.monotonic())
        asked = Asked()
        while True:
            failure = await self._attempt(candidate, request)
            if failure is None or self._spoke_at:
                return failure, True
            asked = replace(asked, reasoning=self._trace.reasoning_sent, state=request.holds_state)
            decision = decide(
                failure,
                asked,
                fallbacks_left=fallbacks_left,
                budget=self._budget,
                now=self._clock.monotonic(),
                random=self._random(),
            )
            self._observer(Decided(self._run.run_id, candidate.provider.name, decision))
            match decision:
                case Again(delay_s=delay_s):
                    empty = asked.empty or failure.reason is ErrorReason.EMPTY_RESPONSE
                    asked = replace(asked, retries=asked.retries + 1, empty=empty)
                    await asyncio.sleep(delay_s)
                case WithEfforts(efforts=efforts):
                    asked = replace(asked, clamped=True)
                    request = request.with_efforts(candidate.provider.name, efforts)
                case WithoutReasoning():
                    request = request.without_reasoning()
                    said = "refused the reasoning control and was asked without it"
                    self._writer.append(Warning("REASONING_DROPPED", f"{candidate.id} {said}"))
                case WithoutState():
                    request = request.without_state()
                    said = "refused the reasoning in the history and was asked without it"
                    self._writer.append(Warning("ADJUSTED", f"{candidate.id} {said}"))
                case NextModel():
                    return failure, False
                case GiveUp():
                    return failure, True

    async def _attempt(self, candidate: Candidate, request: ModelRequest) -> Failure | None:
        """One request to one model. None when it answered; events are appended as they come."""
        begun = self._clock.monotonic()
        self._asked_at = self._asked_at or begun
        fault = self._turn.fault
        self._trace = AttemptTrace(fault=fault and fault.at(len(self._attempts)))
        self._assembler = Assembler(think_tags=candidate.provider.think_tags(candidate.name))
        self._flushed = False
        # The built-in provider has no address: it fails on purpose, and is never down.
        breaker = self._breakers.of(candidate.provider.name) if candidate.provider.base_url else None
        call = breaker.admit(begun) if breaker is not None else None
        outcome: Outcome = "void"
        failure: Failure | None = None
        cancelled = True
        self._observer(AttemptBegan(self._run.run_id, len(self._attempts), candidate.provider.name, candidate.name))
        try:
            if breaker is not None and call is None:
                failure = not_asked(breaker.wait_s(begun))
            else:
                failure = await self._listen(candidate, request, call)
                outcome = outcome_of(failure)
            cancelled = False
        except ChatError as error:  # what the dialect cannot carry, or the key cannot spend
            failure = Failure(error.reason, error.message, retry_after_s=error.retry_after_s)
            cancelled = False
        except Exception:  # a bug of ours, which ends the run: it is not to look like a stop
            failure = Failure(ErrorReason.INTERNAL, "internal error")
            cancelled = False
            raise
        finally:
            now = self._clock.monotonic()
            if call is not None:
                call.end(outcome, now)
            self._unheard = cancelled and self._trace.sent
            attempt = Attempt(
                model=candidate.id,
                provider=candidate.provider.name,
                reasoning=self._trace.reasoning_sent,
                status=self._trace.status,
                code=str(failure.reason) if failure else "",
                message=failure.message if failure else "",
                total_ms=(now - begun) * 1000,
            )
            self._attempts.append(attempt)
            asked = breaker is None or call is not None
            self._observer(self._attempt_ended(attempt, begun, asked=asked, cancelled=cancelled))
        return failure

    def _attempt_ended(self, attempt: Attempt, begun: float, *, asked: bool, cancelled: bool) -> AttemptEnded:
        trace = self._trace
        spoke = self._spoke_at >= begun
        return AttemptEnded(
            run_id=self._run.run_id,
            number=len(self._attempts) - 1,
            attempt=attempt,
            asked=asked,
            cancelled=cancelled,
            connect_ms=trace.connect_ms,
            first_byte_ms=trace.first_byte_ms,
            first_token_ms=(self._spoke_at - begun) * 1000 if spoke else 0.0,
        )

    async def _listen(self, candidate: Candidate, request: ModelRequest, call: Call | None) -> Failure | None:
        feed = self._assembler.feed
        append = self._writer.append
        merges = self._writer.merges
        meter = self._meter
        if meter is not None:
            meter.asks(self._asked_bytes(), partial(self._models.costed, candidate))
        stream = candidate.provider.stream(request, request_id=self._run.request_id, trace=self._trace)
        async with stream as batches:
            self._tell_adjusted(candidate)
            async for batch in batches:
                for delta, pieces in joined(batch) if merges else ((each, 1) for each in batch):
                    for event in feed(delta):
                        append(event, pieces)
                        pieces = 1
                        if not self._spoke_at:
                            self._spoke_at = self._clock.monotonic()
                            if call is not None:
                                call.heard()
                if meter is not None:
                    meter.hears(batch)
                if self._writer.pending_bytes >= PENDING_BYTES_MAX:
                    await self._writer.room()
        answer = self._flush()
        if answer.failure is not None:
            return answer.failure
        if not answer.ended:
            return Failure(ErrorReason.UPSTREAM_TRUNCATED, "the provider's stream ended before its end")
        if answer.empty:
            return Failure(ErrorReason.EMPTY_RESPONSE, "the model ended its answer without saying anything")
        return None

    def _tell_adjusted(self, candidate: Candidate) -> None:
        """What of the reasoning control was changed for this model, once a run."""
        for note in self._trace.adjusted:
            said = f"{candidate.id}: {note}"
            if said not in self._adjusted:
                self._adjusted.add(said)
                self._writer.append(Warning("ADJUSTED", said))

    def _request(self, candidate: Candidate, info: ModelInfo) -> ModelRequest:
        turn = self._turn
        return ModelRequest(
            model=candidate.name,
            info=info,
            messages=given_to(candidate.provider.name, self._messages),
            reasoning=turn.reasoning,
            tools=turn.tools,
            tool_choice=turn.tool_choice,
            sampling=turn.sampling,
            response_format=turn.response_format,
        )

    def _flush(self) -> Answer:
        """What the current attempt said; text that the assembler held back is appended once."""
        if not self._flushed:
            self._flushed = True
            for event in self._assembler.end():
                self._writer.append(event)
                if not self._spoke_at and isinstance(event, Token | Reasoning):
                    self._spoke_at = self._clock.monotonic()
        answer = self._assembler.answer
        usage = self._models.costed(self._candidate, answer.usage)
        return answer if usage is answer.usage else replace(answer, usage=usage)

    async def _given_up(self, failure: Failure) -> Closing:
        details: dict[str, Any] = {}
        message = failure.message
        if failure.retry_after_s is not None:
            details["retry_after_s"] = failure.retry_after_s
        if failure.status:
            details["provider_status"] = failure.status
        details["provider"] = self._candidate.provider.name
        if failure.reason is ErrorReason.MODEL_NOT_FOUND:
            refused = await self._models.refused(self._candidate.id, self._turn.identity)
            details.update(refused.details)
            message = f"{message} ({refused.message})"
        return self.failed(failure.reason, message, details)

    def _completed(self) -> Closing:
        answer = self._flush()
        finish = answer.finish or "stop"
        return self._close(self._complete(answer, finish), answer, finish, partial=False)

    def _complete(self, answer: Answer, finish_reason: str) -> Complete:
        end = End(self._run, self._turn, self._candidate, answer)
        return end.complete(finish_reason, timing=self._timing(), attempts=tuple(self._attempts))

    def _close(self, terminal: Terminal, answer: Answer, finish_reason: str, *, partial: bool) -> Closing:
        end = End(self._run, self._turn, self._candidate, answer)
        return end.closing(terminal, finish_reason, self._clock.time(), partial=partial, spent=self._spent(answer))

    def _spent(self, answer: Answer) -> Spent:
        if self._share is None:
            return Spent()
        usage = counted(answer, self._asked_bytes, unheard=self._unheard)
        return Spent.of(self._models.costed(self._candidate, usage))

    def _asked_bytes(self) -> int:
        return weight_of(self._messages, self._turn.tools)

    def _timing(self) -> Timing:
        now = self._clock.monotonic()
        return Timing(
            queue_ms=(self._asked_at - self._arrived) * 1000 if self._asked_at else 0.0,
            connect_ms=self._trace.connect_ms,
            first_byte_ms=self._trace.first_byte_ms,
            first_token_ms=(self._spoke_at - self._arrived) * 1000 if self._spoke_at else 0.0,
            total_ms=(now - self._arrived) * 1000,
        )
