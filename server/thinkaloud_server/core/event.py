"""Events: what a client sees, and what the log of a run holds.

    run := start (progress | reasoning | token | tool_call | action | status | message | warning)*
           (complete | error)

`Heartbeat`, and warnings about one connection, are made by the faces and never reach the log.
The log numbers events from 1, at commit; an event does not carry its own number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from thinkaloud_server.core.delta import ReasoningKind
from thinkaloud_server.core.message import ToolCall
from thinkaloud_server.core.usage import Attempt, Timing, Usage

# Neighbouring token (or reasoning) events that are committed together become one of at most this many bytes.
EVENT_BYTES_MAX = 16 * 1024


@dataclass(frozen=True, slots=True)
class Start:
    run_id: str
    conversation_id: str
    message_id: str
    model: str
    provider: str
    request_id: str
    resumable: bool


@dataclass(frozen=True, slots=True)
class Progress:
    iteration: int
    max_iterations: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Reasoning:
    token: str
    kind: ReasoningKind = "raw"
    index: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    token: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class ToolCallEvent:
    """A call for the caller's own tools, as it comes; the last one has `done` and the whole `arguments`."""

    id: str
    name: str
    arguments_delta: str = ""
    done: bool = False
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    id: str
    action: str
    arguments: str
    status: str
    result: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    status: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class RunMessage:
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 - the contract's word; the built-in is a category for developers
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Complete:
    """The end of a run that did its work. `reasoning` is always kept here; faces show it on request."""

    response: str
    reasoning: str
    finish_reason: str
    model: str
    provider: str
    reasoning_used: bool
    reasoning_only: bool
    usage: Usage
    timing: Timing
    attempts: tuple[Attempt, ...]
    conversation_id: str
    message_id: str
    run_id: str
    iterations: int = 1
    max_iterations: int = 1
    tool_calls: tuple[ToolCall, ...] = ()
    action_results: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Error:
    """The end of a run that failed."""

    code: str
    message: str
    request_id: str
    partial: bool
    details: Mapping[str, Any] = field(default_factory=dict)


Terminal = Complete | Error
Event = Start | Progress | Reasoning | Token | ToolCallEvent | Action | Status | RunMessage | Warning | Terminal


class Logged(NamedTuple):
    """An event with its number in the log."""

    sequence: int
    event: Event
