"""Thoughts that are to be given back: signed text and encrypted blocks, verbatim and in their places.

The payload of the state is `{"blocks": [...]}`: the blocks of the answer in order, thoughts as they came
(`{"type": "thinking", "thinking", "signature"}`, `{"type": "redacted_thinking", "data"}`), of text only its length
and of a tool call only its id, for both stand in the message itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import msgspec

from thinkaloud_server.core.message import ReasoningState
from thinkaloud_server.providers.anthropic_messages.block import Block
from thinkaloud_server.providers.fact import number

Wire = dict[str, Any]


def is_thought(block: Mapping[str, Any]) -> bool:
    return block.get("type") in ("thinking", "redacted_thinking")


def payload_of(blocks: Sequence[Block]) -> str:
    """The state of these blocks as JSON text; "" when there is no thought among them."""
    stored = [entry for block in blocks if (entry := block.to_replay()) is not None and not _is_empty(entry)]
    return msgspec.json.encode({"blocks": stored}).decode() if any(map(is_thought, stored)) else ""


def _is_empty(entry: Wire) -> bool:
    """A thought without text and signature says nothing; one whose text was left out is known by its signature."""
    return entry["type"] == "thinking" and not entry["thinking"] and not entry.get("signature")


def stored_blocks(state: ReasoningState | None, wanted: Sequence[str], provider: str, model: str) -> list[Wire]:
    """The blocks to be put back: those of this provider and model, or none. Thoughts are bound to both.

    `wanted` is the row's `replay`: "signature" for who takes back what it signed and nothing else, "thinking" for who
    signs nothing and wants its thoughts all the same.
    """
    if state is None or state.provider != provider or state.model not in (model, f"{provider}/{model}"):
        return []
    try:
        blocks = msgspec.json.decode(state.payload)["blocks"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return []
    if not isinstance(blocks, list):
        return []
    return [block for block in blocks if isinstance(block, dict) and _is_wanted(block, wanted)]


def _is_wanted(block: Wire, wanted: Sequence[str]) -> bool:
    if block.get("type") == "thinking":
        return "thinking" in wanted or ("signature" in wanted and bool(block.get("signature")))
    return bool(wanted)


def with_thoughts(blocks: Sequence[Wire], text: str, calls: Sequence[tuple[str, Wire]]) -> list[Wire]:
    """The content of an assistant's message: its text and calls (each with its id), thoughts where they stood.

    Text that is not what was answered, because somebody edited it, goes whole to where the first text stood. Calls
    without a place come last.
    """
    left, texts = list(calls), _pieces(blocks, text)
    if not any(block.get("type") == "text" for block in blocks):
        # It stands before the calls, as models write it.
        first = next((at for at, block in enumerate(blocks) if block.get("type") == "tool_use"), len(blocks))
        blocks = [*blocks[:first], {"type": "text"}, *blocks[first:]]
    content: list[Wire] = []
    for block in blocks:
        if is_thought(block):
            content.append(block)
        elif block.get("type") == "text":
            content.extend(text_block(texts.pop(0) if texts else ""))
        elif (call := next((pair for pair in left if pair[0] == block.get("id")), None)) is not None:
            left.remove(call)
            content.append(call[1])
    content.extend(wire for _, wire in left)
    # The last block of a message may be no thought ("The final block in an assistant message cannot be `thinking`").
    while content and is_thought(content[-1]):
        content.pop()
    return content


def _pieces(blocks: Sequence[Wire], text: str) -> list[str]:
    lengths = [number(block, ("characters",)) for block in blocks if block.get("type") == "text"]
    if sum(lengths) != len(text):
        return [text]
    ends = list(accumulate(lengths, initial=0))
    return [text[start:end] for start, end in pairwise(ends)]


def text_block(text: str) -> list[Wire]:
    """A block of this text; none for white space, which is refused."""
    return [{"type": "text", "text": text}] if text and not text.isspace() else []
