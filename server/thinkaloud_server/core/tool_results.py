"""What a stored conversation takes as the results of tools: answers to every call that its last message makes.

A turn that failed before its first word leaves the results that it was given, and nothing after them. They may be given
again; the prompt has the last ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from thinkaloud_server.core.errors import ChatError, invalid
from thinkaloud_server.core.message import Message, ToolCall, ToolResult

_FIELD = "messages"
_NAMED_MAX = 10
_NAME_CHARACTERS_MAX = 100


def check_results(newest_first: Iterable[Message], results: Message) -> None:
    """Raises ChatError(VALIDATION_FAILED) unless the results answer every open call, and nothing else."""
    calls = _open_calls(newest_first)
    if not calls:
        raise invalid(_FIELD, "the conversation does not wait for the result of a tool; say something in text")
    given = {part.id for part in results.parts if isinstance(part, ToolResult)}
    if unknown := sorted(given - set(calls)):
        raise _named("has the result of a call that the conversation does not wait for", unknown)
    if missing := [call for call in calls if call not in given]:
        raise _named("must answer every call of the last message; missing", missing)


def without_repeated_results(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages of a stored conversation with the last results where the same calls were answered again."""
    return tuple(
        message
        for message, following in zip_longest(messages, messages[1:])
        if not (message.role == "tool" and following is not None and following.role == "tool")
    )


def _open_calls(newest_first: Iterable[Message]) -> list[str]:
    for message in newest_first:
        if message.role == "tool" or not message.parts:
            continue
        return [part.id for part in message.parts if isinstance(part, ToolCall)] if message.role == "assistant" else []
    return []


def _named(problem: str, ids: Sequence[str]) -> ChatError:
    names = ", ".join(repr(each[:_NAME_CHARACTERS_MAX]) for each in ids[:_NAMED_MAX])
    more = f" and {len(ids) - _NAMED_MAX} more" if len(ids) > _NAMED_MAX else ""
    return invalid(_FIELD, f"{problem}: {names}{more}")
