"""Recognises a run: fails with an AssertionError that says what may not follow what.

run := start (progress | reasoning | token | tool_call | action | status | message | warning)*
       (complete | error)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

from thinkaloud_server.core.event import (
    Action,
    Complete,
    Error,
    Event,
    Logged,
    Progress,
    Reasoning,
    RunMessage,
    Start,
    Status,
    Token,
    ToolCallEvent,
    Warning,
)


def check_run(events: Sequence[Event]) -> None:
    """Accept the events of one whole run as its log holds them, reasoning included."""
    assert events, "a run has at least start and a terminal event"
    assert isinstance(events[0], Start), f"a run begins with start, not {events[0]!r}"
    assert isinstance(events[-1], Complete | Error), f"a run ends with complete or error, not {events[-1]!r}"
    check_body(events[1:-1])
    last = events[-1]
    if isinstance(last, Complete) and last.iterations == 1:
        tokens = "".join(event.token for event in events if isinstance(event, Token))
        reasoning = "".join(event.token for event in events if isinstance(event, Reasoning))
        assert last.reasoning == reasoning, "complete.reasoning is the joined reasoning tokens"
        assert last.response == tokens or (last.reasoning_only and not tokens), "response is the joined tokens"
        assert last.reasoning_only == bool(last.reasoning and not tokens and not last.tool_calls)


def check_log(logged: Sequence[Logged]) -> None:
    """Accept a whole log: a run, numbered from 1 without a gap."""
    assert [entry.sequence for entry in logged] == list(range(1, len(logged) + 1)), "numbers rise by one from 1"
    check_run([entry.event for entry in logged])


def check_body(events: Iterable[Event]) -> None:
    """Accept what stands between start and the terminal event."""
    parts = _Parts()
    calls = _Calls()
    actions: dict[str, str] = {}
    for event in events:
        match event:
            case Start() | Complete() | Error():
                raise AssertionError(f"{event!r} stands inside a run")
            case Progress():
                parts = _Parts()
                calls = _Calls()
            case Token():
                assert event.token, "a token event has text"
                parts.check(event.index, "text")
            case Reasoning():
                assert event.token, "a reasoning event has text"
                parts.check(event.index, event.kind)
            case ToolCallEvent():
                calls.check(event)
            case Action():
                before = actions.get(event.id)
                assert before == (None if event.status == "started" else "started"), f"{event!r} after {before}"
                actions[event.id] = event.status
            case Status() | RunMessage() | Warning():
                pass
            case _:
                assert_never(event)


class _Parts:
    """Parts are numbered from 0 in order of beginning, never come back, and hold one kind of thing."""

    def __init__(self) -> None:
        self._index = -1
        self._kind = ""

    def check(self, index: int, kind: str) -> None:
        assert self._index <= index <= self._index + 1, f"part {index} after part {self._index}"
        assert index > self._index or kind == self._kind, f"{kind} in part {index} of {self._kind}"
        self._index, self._kind = index, kind


class _Calls:
    """A call keeps its name, is done once and last, and its pieces join to its arguments."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._arguments: dict[str, list[str]] = {}
        self._done: set[str] = set()

    def check(self, event: ToolCallEvent) -> None:
        assert event.id, "a call has an id in each of its events"
        assert event.name, "a call has a name in each of its events"
        assert event.id not in self._done, f"{event!r} after the call was done"
        assert self._names.setdefault(event.id, event.name) == event.name, f"{event!r} changes the name"
        pieces = self._arguments.setdefault(event.id, [])
        pieces.append(event.arguments_delta)
        if event.done:
            self._done.add(event.id)
            assert event.arguments == "".join(pieces), f"{event!r} is not what its pieces join to"
        else:
            assert not event.arguments, "only the last event of a call has the whole arguments"
