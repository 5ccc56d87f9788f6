"""Values as stores keep them, and the few steps that most store tests begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from thinkaloud_server.core.event import Complete, Error, Event, Start, Terminal, Token
from thinkaloud_server.core.message import Message, ReasoningState, TextPart
from thinkaloud_server.core.run import (
    Append,
    Busy,
    Closing,
    Conversation,
    Created,
    Existing,
    NewRun,
    Run,
    StoredMessage,
)
from thinkaloud_server.core.usage import Attempt, Spent, Timing, Usage
from thinkaloud_server.engine.ports import Store

TENANT = "acme"
OTHER = "rival"
OWNER = "owner-1"
USAGE = Usage(input_tokens=10, output_tokens=7, reasoning_tokens=3, cached_tokens=2)


def an_id(prefix: str, number: int) -> str:
    return f"{prefix}_{number:032x}"


def a_conversation(number: int = 1, tenant: str = TENANT, at: float = 1_700_000_000.25) -> Conversation:
    return Conversation(an_id("conv", number), tenant, f"title {number}", at, at)


def a_run(
    number: int = 1,
    *,
    tenant: str = TENANT,
    conversation_id: str = "",
    at: float = 1_700_000_001.125,
    key: str = "",
    request_hash: str = "hash",
    owner: str = OWNER,
    key_id: str = "",
) -> Run:
    return Run(
        run_id=an_id("run", number),
        tenant=tenant,
        kind="chat",
        state="running",
        conversation_id=conversation_id,
        message_id=an_id("msg", 1000 + number),
        model="local/m",
        request_id=f"req-{number}",
        last_sequence=1,
        created_at=at,
        lease_owner=owner,
        idempotency_key=key,
        request_hash=request_hash,
        key_id=key_id,
        metadata={"team": "blue"},
    )


def a_start(run: Run) -> Start:
    return Start(run.run_id, run.conversation_id, run.message_id, run.model, "local", run.request_id, True)


def a_question(run: Run, text: str = "why?") -> StoredMessage:
    message_id = "msg_" + run.run_id.removeprefix("run_")
    message = Message("user", (TextPart(text),))
    return StoredMessage(message_id, run.conversation_id, "", message, run.run_id, run.created_at)


def an_answer(run: Run, text: str = "because", at: float = 1_700_000_002.5) -> StoredMessage:
    state = ReasoningState("local", "m", '{"signature":"c2lnbg=="}')
    return StoredMessage(
        message_id=run.message_id,
        conversation_id=run.conversation_id,
        parent_id="",
        message=Message("assistant", (TextPart(text),), "I thought", state),
        run_id=run.run_id,
        created_at=at,
        model=run.model,
        finish_reason="stop",
        usage=USAGE,
    )


def a_complete(run: Run, text: str = "because") -> Complete:
    return Complete(
        response=text,
        reasoning="I thought",
        finish_reason="stop",
        model=run.model,
        provider="local",
        reasoning_used=True,
        reasoning_only=False,
        usage=USAGE,
        timing=Timing(total_ms=12.5),
        attempts=(Attempt(run.model, "local", True, 200),),
        conversation_id=run.conversation_id,
        message_id=run.message_id,
        run_id=run.run_id,
    )


def an_error(run: Run) -> Error:
    return Error("UPSTREAM_TRUNCATED", "cut", run.request_id, True, {"bytes": 3})


def an_append(run: Run, *events: Event, first: int = 2, closing: Closing | None = None) -> Append:
    return Append(run.tenant, run.run_id, run.epoch, first, events, closing)


def a_closing(
    run: Run,
    *,
    first: int = 2,
    at: float = 1_700_000_002.5,
    terminal: Terminal | None = None,
    message: bool = True,
    model: str = "local/m",
    usage: Usage = USAGE,
    spent: Spent | None = None,
) -> Append:
    terminal = terminal or a_complete(run)
    failed = isinstance(terminal, Error)
    closing = Closing(
        terminal=terminal,
        state="failed" if failed else "completed",
        finish_reason="" if failed else "stop",
        ended_at=at,
        message=an_answer(run, at=at) if message else None,
        usage=usage,
        model=model,
        spent=spent or Spent.of(usage),
    )
    return an_append(run, terminal, first=first, closing=closing)


def tokens(*words: str) -> tuple[Token, ...]:
    return tuple(Token(word) for word in words)


def a_new_run(run: Run, *, new_conversation: Conversation | None = None, text: str = "why?") -> NewRun:
    question = a_question(run, text) if run.conversation_id else None
    return NewRun(run, a_start(run), question, new_conversation)


async def begin(store: Store, run: Run, *, new_conversation: Conversation | None = None) -> Run:
    """Store the run, which must not stand against anything."""
    outcome: Created | Existing | Busy = await store.create_run(
        run.tenant, a_new_run(run, new_conversation=new_conversation)
    )
    assert isinstance(outcome, Created)
    return run


async def begin_conversation(store: Store, number: int = 1, tenant: str = TENANT) -> Run:
    """A live run, in a conversation that is made with it."""
    conversation = a_conversation(number, tenant)
    run = a_run(number, tenant=tenant, conversation_id=conversation.conversation_id)
    return await begin(store, run, new_conversation=conversation)


async def end(store: Store, run: Run, *, at: float = 1_700_000_002.5, first: int = 2) -> None:
    assert await store.append([a_closing(run, at=at, first=first)]) == ["committed"]


async def all_events(store: Store, run: Run) -> Sequence[Event]:
    logged = await store.read_events(run.tenant, run.run_id, 0, 1_000_000)
    assert [sequence for sequence, _ in logged] == list(range(1, len(logged) + 1))
    return [event for _, event in logged]


def owned_by(run: Run, owner: str, epoch: int) -> Run:
    return replace(run, lease_owner=owner, epoch=epoch)
