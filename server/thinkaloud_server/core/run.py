"""Runs, conversations and stored messages, as stores keep them and the engine uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from thinkaloud_server.core.event import Event, Start, Terminal
from thinkaloud_server.core.message import Message
from thinkaloud_server.core.usage import Spent, Usage

DAY_S = 86_400
RunKind = Literal["chat", "task"]
RunState = Literal["running", "completed", "failed"]
AppendResult = Literal["committed", "fenced", "failed"]
T = TypeVar("T")


def day_of(at: float) -> int:
    """The day (UTC) of this moment, counted from the epoch."""
    return int(at // DAY_S)


@dataclass(frozen=True, slots=True)
class Run:
    """One row of `runs`. Times are seconds since the epoch (UTC); 0.0 where the moment has not come.

    `key_id` is whose share of the server it uses up, as in Identity.
    """

    run_id: str
    tenant: str
    kind: RunKind
    state: RunState
    conversation_id: str
    message_id: str
    model: str
    request_id: str
    last_sequence: int
    created_at: float
    ended_at: float = 0.0
    finish_reason: str = ""
    epoch: int = 1
    lease_owner: str = ""
    detach_s: int = 15
    watched_until: float = 0.0
    stop_requested_at: float = 0.0
    idempotency_key: str = ""
    request_hash: str = ""
    key_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One row of `messages`; `message` carries role, parts, reasoning and the provider's opaque state."""

    message_id: str
    conversation_id: str
    parent_id: str
    message: Message
    run_id: str
    created_at: float
    model: str = ""
    finish_reason: str = ""
    partial: bool = False
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One row of `conversations`."""

    conversation_id: str
    tenant: str
    title: str
    created_at: float
    updated_at: float
    message_count: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    live_run_id: str = ""


@dataclass(frozen=True, slots=True)
class NewRun:
    """What `Store.create_run` commits in one transaction: the run, its user's message, its `start` (sequence 1).

    `user_message` may be of the role "tool": then it must answer the calls that the conversation waits for.
    `new_conversation` is the conversation to make with it; None when it continues one or keeps its own history.
    """

    run: Run
    start: Start
    user_message: StoredMessage | None
    new_conversation: Conversation | None


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of a run: the terminal event and all that is true from then on, in one transaction.

    `usage` is what the provider told, `spent` what the run counts for on its key's day, which is that of `ended_at`.
    """

    terminal: Terminal
    state: RunState
    finish_reason: str
    ended_at: float
    message: StoredMessage | None
    usage: Usage
    model: str
    spent: Spent = field(default_factory=Spent)


@dataclass(frozen=True, slots=True)
class Append:
    """The next events of one run: numbers are dense from `first_sequence`; `closing` holds the last, if any.

    When `closing` is set, its terminal event is the last of `events`.
    """

    tenant: str
    run_id: str
    epoch: int
    first_sequence: int
    events: tuple[Event, ...]
    closing: Closing | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """The run is stored. `history` are the conversation's messages before its user message, oldest first."""

    history: tuple[StoredMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class Existing:
    """The idempotency key was used with this very request: the run it made."""

    run: Run


@dataclass(frozen=True, slots=True)
class Busy:
    """The conversation has this live run; nothing was stored."""

    run: Run


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list, and the token of the next ("" on the last)."""

    items: tuple[T, ...]
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal of leases found: runs that somebody asked to stop, and runs that are no longer ours."""

    stop: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenTotals:
    runs: int = 0
    usage: Usage = field(default_factory=Usage)
