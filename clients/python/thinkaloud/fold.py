"""The pure fold: the events of one run in, its result out."""

from __future__ import annotations

from dataclasses import dataclass, field

from thinkaloud.events import (
    Action,
    ActionResult,
    Attempt,
    Complete,
    Error,
    Event,
    Progress,
    Reasoning,
    Start,
    Timing,
    Token,
    ToolCall,
    ToolRequest,
    Usage,
    Warning,
)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run came to. The fields are those of `complete`, and the warnings that were seen on the way.

    Of a run that failed, it is what had been said: `finish_reason` is then empty and `error` is set.
    """

    response: str
    reasoning: str = ""
    action_results: tuple[ActionResult, ...] = ()
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = ""
    model: str = ""
    provider: str = ""
    tool_calls: tuple[ToolRequest, ...] = ()
    iterations: int = 0
    max_iterations: int = 0
    reasoning_used: bool = False
    reasoning_only: bool = False
    timing: Timing = field(default_factory=Timing)
    attempts: tuple[Attempt, ...] = ()
    warnings: tuple[Warning, ...] = ()
    run_id: str = ""
    conversation_id: str = ""
    message_id: str = ""
    error: Error | None = None


class Fold:
    """Feed it every event of a run, in order; ask for the result at any moment."""

    def __init__(self) -> None:
        self._start = Start(run_id="")
        self._progress = Progress(iteration=0, max_iterations=0)
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._actions: list[ActionResult] = []
        self._tool_calls: list[ToolRequest] = []
        self._warnings: list[Warning] = []
        self._end: Complete | Error | None = None

    def feed(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case Token(token=token):
                self._text.append(token)
            case Reasoning(token=token):
                self._reasoning.append(token)
            case Start():
                self._start = event
            case Progress():
                self._progress = event
            case ToolCall(done=True):
                self._tool_calls.append(ToolRequest(event.id, event.name, event.arguments))
            case Action(status="completed" | "failed"):
                self._actions.append(ActionResult(event.id, event.action, event.arguments, event.status, event.result))
            case Warning():
                self._warnings.append(event)
            case Complete() | Error():
                self._end = event
            case _:
                pass  # fragments, beginnings and life signs leave nothing behind

    def result(self) -> Result:
        """What the run came to, or has come to so far."""
        if isinstance(self._end, Complete):
            return self._settled(self._end)
        return Result(
            response="".join(self._text),
            reasoning="".join(self._reasoning),
            action_results=tuple(self._actions),
            model=self._start.model,
            provider=self._start.provider,
            tool_calls=tuple(self._tool_calls),
            iterations=self._progress.iteration,
            max_iterations=self._progress.max_iterations,
            reasoning_used=bool(self._reasoning),
            warnings=tuple(self._warnings),
            run_id=self._start.run_id,
            conversation_id=self._start.conversation_id,
            message_id=self._start.message_id,
            error=self._end,
        )

    def _settled(self, end: Complete) -> Result:
        return Result(
            response=end.response,
            reasoning=end.reasoning,
            action_results=end.action_results,
            usage=end.usage,
            finish_reason=end.finish_reason,
            model=end.model,
            provider=end.provider,
            tool_calls=end.tool_calls,
            iterations=end.iterations,
            max_iterations=end.max_iterations,
            reasoning_used=end.reasoning_used,
            reasoning_only=end.reasoning_only,
            timing=end.timing,
            attempts=end.attempts,
            warnings=tuple(self._warnings),
            run_id=end.run_id or self._start.run_id,
            conversation_id=end.conversation_id,
            message_id=end.message_id,
        )
