"""How a run ends: its `complete`, the message that it leaves, and all that is stored with its terminal event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thinkaloud_server.core.assembler import Answer
from thinkaloud_server.core.event import Complete, Error, Terminal
from thinkaloud_server.core.message import Message, Part, ReasoningState, TextPart
from thinkaloud_server.core.run import Closing, Run, StoredMessage
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.core.usage import Attempt, Spent, Timing, Usage

if TYPE_CHECKING:
    from thinkaloud_server.engine.models import Candidate


@dataclass(frozen=True, slots=True)
class End:
    """What a run came to: what this model said in it, whole or until it broke."""

    run: Run
    turn: Turn
    candidate: Candidate
    answer: Answer

    def complete(self, finish_reason: str, *, timing: Timing, attempts: tuple[Attempt, ...]) -> Complete:
        """The event with everything."""
        answer = self.answer
        return Complete(
            response=answer.text,
            reasoning=answer.reasoning,
            finish_reason=finish_reason,
            model=self.candidate.id,
            provider=self.candidate.provider.name,
            reasoning_used=answer.reasoning_used,
            reasoning_only=bool(answer.reasoning) and not answer.text and not answer.tool_calls,
            usage=answer.usage,
            timing=timing,
            attempts=attempts,
            conversation_id=self.run.conversation_id or self.turn.conversation_id,
            message_id=self.run.message_id if self._leaves_a_message else "",
            run_id=self.run.run_id,
            iterations=1,
            max_iterations=self.turn.max_iterations,
            tool_calls=answer.tool_calls,
        )

    def closing(self, terminal: Terminal, finish_reason: str, now: float, *, partial: bool, spent: Spent) -> Closing:
        """What is true from this terminal event on; `spent` is what it counts for in its key's budget."""
        return Closing(
            terminal=terminal,
            state="failed" if isinstance(terminal, Error) else "completed",
            finish_reason=finish_reason,
            ended_at=now,
            message=self._message(finish_reason, now, partial=partial) if self._leaves_a_message else None,
            usage=self.answer.usage,
            model=self.candidate.id,
            spent=spent,
        )

    @property
    def _leaves_a_message(self) -> bool:
        answer = self.answer
        return bool(self.run.conversation_id) and bool(answer.text or answer.tool_calls or answer.reasoning)

    def _message(self, finish_reason: str, now: float, *, partial: bool) -> StoredMessage:
        answer = self.answer
        parts: tuple[Part, ...] = (*((TextPart(answer.text),) if answer.text else ()), *answer.tool_calls)
        state = None
        if answer.state_payload:
            state = ReasoningState(self.candidate.provider.name, self.candidate.name, answer.state_payload)
        return StoredMessage(
            message_id=self.run.message_id,
            conversation_id=self.run.conversation_id,
            parent_id="",  # the store knows what it follows
            message=Message("assistant", parts, answer.reasoning, state),
            run_id=self.run.run_id,
            created_at=now,
            model=self.candidate.id,
            finish_reason=finish_reason,
            partial=partial,
            usage=answer.usage if answer.usage != Usage() else None,
        )
