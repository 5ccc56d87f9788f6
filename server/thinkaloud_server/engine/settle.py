"""Ends a run whose process died, or whose log broke: from what is stored, since nothing else is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.event import Error, Reasoning, Token
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.run import Append, Closing, Run, StoredMessage
from thinkaloud_server.core.usage import Spent, Usage
from thinkaloud_server.engine.meter import estimated, size_of
from thinkaloud_server.engine.tail import PAGE_BYTES_MAX

if TYPE_CHECKING:
    from thinkaloud_server.engine.ports import Store

_MESSAGES = {
    ErrorReason.RUN_INTERRUPTED: "the server died during the run; what was said until then is kept",
    ErrorReason.STORAGE_UNAVAILABLE: "the run's log could not be written; what was stored until then is kept",
}


async def settle_orphan(store: Store, run: Run, now: float, reason: ErrorReason = ErrorReason.RUN_INTERRUPTED) -> bool:
    """Close the run with an error after its last stored event, keeping its partial text.

    True when the run has ended (now, or before); False when the store could not take it yet.
    """
    text: list[str] = []
    reasoning: list[str] = []
    last = 0
    while page := await store.read_events(run.tenant, run.run_id, last, PAGE_BYTES_MAX):
        for sequence, event in page:
            last = sequence
            if isinstance(event, Token):
                text.append(event.token)
            elif isinstance(event, Reasoning):
                reasoning.append(event.token)
    partial = bool(text or reasoning)
    error = Error(reason, _MESSAGES[reason], run.request_id, partial)
    message = None
    if run.conversation_id and partial:
        parts = (TextPart("".join(text)),) if text else ()
        message = StoredMessage(
            message_id=run.message_id,
            conversation_id=run.conversation_id,
            parent_id="",  # the store knows what it follows
            message=Message("assistant", parts, "".join(reasoning)),
            run_id=run.run_id,
            created_at=now,
            model=run.model,
            partial=True,
        )
    # What was asked is not known here any more, and counts nothing in the budget of the run's key.
    said_bytes = sum(map(size_of, (*text, *reasoning)))
    spent = Spent.of(estimated(Usage(), asked_bytes=0, said_bytes=said_bytes))
    closing = Closing(error, "failed", "", now, message, Usage(), run.model, spent)
    append = Append(run.tenant, run.run_id, run.epoch, last + 1, (error,), closing)
    (result,) = await store.append([append])
    return result != "failed"
