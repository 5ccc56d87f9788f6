"""How a run begins: its row, its `start`, its user's message, and the prompt that its model is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from thinkaloud_server.core.event import Start
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.run import Conversation, NewRun, Run, StoredMessage
from thinkaloud_server.core.tool_results import without_repeated_results
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.engine.models import Candidate

TITLE_CHARS = 60


def new_run(
    tenant: str, turn: Turn, candidate: Candidate, new_id: Callable[[str], str], *, owner: str, now: float
) -> NewRun:
    """Everything that is stored when a run begins.

    A turn that is not stored, or whose caller keeps the history, belongs to no stored conversation.
    """
    kept = turn.store and turn.user_message is not None
    conversation_id = (turn.conversation_id or new_id("conv")) if kept else ""
    run = Run(
        run_id=new_id("run"),
        tenant=tenant,
        kind="chat",
        state="running",
        conversation_id=conversation_id,
        message_id=new_id("msg"),
        model=candidate.id,
        request_id=turn.request_id,
        last_sequence=1,
        created_at=now,
        lease_owner=owner,
        detach_s=turn.detach_s,
        idempotency_key=turn.idempotency_key,
        request_hash=turn.request_hash,
        key_id=turn.identity.key_id,
        metadata=turn.metadata,
    )
    start = Start(
        run_id=run.run_id,
        conversation_id=conversation_id or turn.conversation_id,
        message_id=run.message_id,
        model=candidate.id,
        provider=candidate.provider.name,
        request_id=turn.request_id,
        resumable=turn.store,
    )
    question = conversation = None
    if kept and turn.user_message is not None:
        question = StoredMessage(
            message_id=new_id("msg"),
            conversation_id=conversation_id,
            parent_id="",  # the store knows what it follows
            message=turn.user_message,
            run_id=run.run_id,
            created_at=now,
        )
        if not turn.conversation_id:
            title = title_of(turn.user_message.text)
            conversation = Conversation(conversation_id, tenant, title, created_at=now, updated_at=now)
    return NewRun(run, start, question, conversation)


def prompt(turn: Turn, history: Sequence[StoredMessage]) -> tuple[Message, ...]:
    """What the model is given: context, then what was said, then the question.

    Messages that say nothing (a turn that failed before its first word) are left out; providers refuse them. What a
    stored answer thought aloud is left out too: a provider that wants it back has it in the message's state. In a
    history of the caller's own it stays, for there is no state in that.
    """
    context: tuple[Message, ...] = ()
    if turn.context:
        context = (Message("system", (TextPart(f"Context given by the application, as JSON:\n{turn.context}"),)),)
    if turn.messages:
        return (*context, *turn.messages)
    said = tuple(replace(stored.message, reasoning="") for stored in history if stored.message.parts)
    asked = (turn.user_message,) if turn.user_message is not None else ()
    return (*context, *without_repeated_results((*said, *asked)))


def given_to(provider: str, messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages as this provider may have them: without the reasoning state of another."""
    return tuple(
        replace(each, state=None) if each.state is not None and each.state.provider != provider else each
        for each in messages
    )


def title_of(text: str) -> str:
    """The first words of a text."""
    line = " ".join(text.split())
    if len(line) <= TITLE_CHARS:
        return line
    return line[: TITLE_CHARS - 1].rsplit(" ", 1)[0] + "…"
