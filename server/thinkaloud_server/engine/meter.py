"""What a run spends, while nobody knows it yet: a quarter of the bytes, until the provider tells more exactly.

Only runs of a key with a budget are weighed while they stream; of the others it is enough to know at their end. Bytes
of UTF-8 and not characters, since a character of a script with many of them is about a token by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from thinkaloud_server.core.assembler import Answer
from thinkaloud_server.core.delta import (
    Delta,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.request import Tool
from thinkaloud_server.core.usage import Usage

if TYPE_CHECKING:
    from thinkaloud_server.engine.quota import Share

BYTES_A_TOKEN = 4
# About what vendors count for a picture of usual size.
IMAGE_TOKENS = 1_000
# So much of an answer may come before it is weighed again: a budget is passed by this much at most in each run.
WEIGHED_BYTES = 256


class Meter:
    """Weighs one run. Tell it of each request before it is sent, then of what comes: both may raise BUDGET_EXCEEDED."""

    __slots__ = ("_asked", "_costed", "_due", "_finished", "_said", "_share", "_told")

    def __init__(self, share: Share) -> None:
        self._share = share
        self._asked = self._said = self._due = 0
        self._finished = False
        self._told = Usage()
        self._costed: Callable[[Usage], Usage] = _as_it_is

    def asks(self, asked_bytes: int, costed: Callable[[Usage], Usage]) -> None:
        """A request of this size is about to be sent; what an earlier one said was not counted. `costed` adds costs."""
        self._asked, self._costed, self._told, self._said = asked_bytes, costed, Usage(), 0
        self._finished = False
        self._weigh()

    def hears(self, batch: Sequence[Delta]) -> None:
        """This came."""
        said = self._said
        for delta in batch:
            # Not by `match`, which takes four times as long, for each piece of an answer.
            if type(delta) is TextDelta or type(delta) is ReasoningDelta:
                text = delta.text
                said += len(text) if text.isascii() else size_of(text)
            elif isinstance(delta, RefusalDelta):
                said += size_of(delta.text)
            elif isinstance(delta, ToolCallDelta):
                said += size_of(delta.arguments)
            elif isinstance(delta, UsageReport):
                self._told, self._due = delta.usage, 0
            elif isinstance(delta, Finish):
                self._finished = True
        self._said = said
        if said >= self._due:
            self._weigh()

    def _weigh(self) -> None:
        self._due = self._said + WEIGHED_BYTES
        asked, said = _at_least(self._told, self._asked, self._said)
        cost_usd = 0.0
        if self._share.costs:
            usage = estimated(self._told, asked_bytes=self._asked, said_bytes=self._said)
            cost_usd = self._costed(usage).cost_usd or 0.0
        self._share.use(asked + said, cost_usd)
        if not self._finished:  # what is told of a whole answer takes nothing back of it
            self._share.check_passed()


def counted(answer: Answer, asked_bytes: Callable[[], int], *, unheard: bool) -> Usage:
    """What a run counts for that ended with this answer: the provider's own word on a whole one, else an estimate.

    What a provider refused, or was never asked, counts nothing; `unheard` says that it was asked and not waited for.
    """
    usage = answer.usage
    if answer.ended and answer.failure is None and usage.output_tokens:
        return usage
    said = size_of(answer.text) + size_of(answer.reasoning) + sum(size_of(call.arguments) for call in answer.tool_calls)
    if not (said or usage.input_tokens or usage.output_tokens or unheard):
        return usage
    return estimated(usage, asked_bytes=asked_bytes(), said_bytes=said)


def estimated(usage: Usage, *, asked_bytes: int, said_bytes: int) -> Usage:
    """What the provider told so far, with estimates where it told less; of a changed count the cost is not known."""
    asked, said = _at_least(usage, asked_bytes, said_bytes)
    if (asked, said) == (usage.input_tokens, usage.output_tokens):
        return usage
    return Usage(asked, said, usage.reasoning_tokens, usage.cached_tokens)


def _at_least(usage: Usage, asked_bytes: int, said_bytes: int) -> tuple[int, int]:
    said = said_bytes // BYTES_A_TOKEN
    return (
        usage.input_tokens or asked_bytes // BYTES_A_TOKEN,
        said if said > usage.output_tokens else usage.output_tokens,
    )


def weight_of(messages: Iterable[Message], tools: Iterable[Tool]) -> int:
    """The size of what a model is asked, in bytes."""
    size = sum(size_of(tool.description) + size_of(tool.parameters) for tool in tools)
    for message in messages:
        size += size_of(message.reasoning)
        for part in message.parts:
            match part:
                case TextPart():
                    size += size_of(part.text)
                case ToolCall():
                    size += size_of(part.arguments)
                case ToolResult():
                    size += size_of(part.result)
                case ImagePart():
                    size += IMAGE_TOKENS * BYTES_A_TOKEN
    return size


def size_of(text: str) -> int:
    """Bytes of UTF-8, without making them where nothing but ASCII is in it."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _as_it_is(usage: Usage) -> Usage:
    return usage
