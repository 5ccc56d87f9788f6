"""Signed and encrypted thoughts, as Bedrock wants them back: verbatim, and in their places among text and calls.

The payload of the state is a JSON list: blocks `{"reasoningContent": ...}` as a request has them, and in between, for
what the message itself holds, `{"text": <characters>}` and `{"toolUse": <id>}`. Thoughts without a signature are not
kept: no model wants them, and some refuse them.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from typing import Any

import msgspec

from thinkaloud_server.core.message import ReasoningState

Block = dict[str, Any]


class ReplayState:
    """Gathers the blocks of one answer, in the order of their beginning."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, str, list[str], list[str]]] = []
        self._worth = False

    def text(self, index: int, text: str) -> None:
        self._block(index, "text")[2].append(text)

    def call(self, index: int, call_id: str) -> None:
        self._block(index, "toolUse")[2].append(call_id)

    def reasoning(self, index: int, text: str) -> None:
        self._block(index, "reasoning")[2].append(text)

    def signature(self, index: int, signature: str) -> None:
        self._worth = True
        self._block(index, "reasoning")[3].append(signature)

    def redacted(self, index: int, data: str) -> None:
        self._worth = True
        self._block(index, "redacted")[2].append(data)

    def payload(self) -> str:
        """The state as JSON text; "" when nothing is to be given back."""
        if not self._worth:
            return ""
        blocks = [made for block in self._blocks if (made := _written(*block[1:]))]
        return msgspec.json.encode(blocks).decode()

    def _block(self, index: int, kind: str) -> tuple[int, str, list[str], list[str]]:
        last = self._blocks[-1] if self._blocks else None
        if last is None or last[0] != index or last[1] != kind:
            last = (index, kind, [], [])
            self._blocks.append(last)
        return last


def _written(kind: str, texts: list[str], signatures: list[str]) -> Block | None:
    match kind:
        case "text":
            return {"text": sum(map(len, texts))}
        case "toolUse":
            return {"toolUse": texts[0]}
        case "redacted":
            return {"reasoningContent": {"redactedContent": _joined(texts)}}
        case _ if signatures:
            thought = {"text": "".join(texts), "signature": "".join(signatures)}
            return {"reasoningContent": {"reasoningText": thought}}
        case _:
            return None


def _joined(pieces: list[str]) -> str:
    """Pieces of base64, each padded by itself, as one."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join(b64decode(piece) for piece in pieces)).decode()
    except NotBase64:
        return "".join(pieces)


def with_thoughts(
    state: ReasoningState | None, provider: str, model: str, text: str, calls: Sequence[tuple[str, Block]]
) -> list[Block]:
    """The content of an assistant's message: its text, its calls (with their ids), and this model's own thoughts.

    Where text or calls are not those that were answered, the thoughts come first.
    """
    plain = [*([{"text": text}] if text.strip() else []), *(call for _, call in calls)]
    blocks = _stored(state, provider, model)
    thoughts = [block for block in blocks if "reasoningContent" in block]
    if not thoughts:
        return plain
    lengths = [block["text"] for block in blocks if "text" in block]
    if sum(lengths) != len(text) or [block["toolUse"] for block in blocks if "toolUse" in block] != [
        call_id for call_id, _ in calls
    ]:
        return [*thoughts, *plain]
    content: list[Block] = []
    at, rest = 0, [call for _, call in calls]
    for block in blocks:
        if "text" in block:
            piece = text[at : at + block["text"]]
            at += block["text"]
            if piece.strip():
                content.append({"text": piece})
        else:
            content.append(rest.pop(0) if "toolUse" in block else block)
    return content


def _stored(state: ReasoningState | None, provider: str, model: str) -> list[Block]:
    """The blocks that this provider and this model once sent: what is signed is bound to both."""
    if state is None or state.provider != provider or state.model not in (model, f"{provider}/{model}"):
        return []
    try:
        blocks = msgspec.json.decode(state.payload, type=list[Block])
    except msgspec.DecodeError:
        return []
    return blocks if all(_is_ours(block) for block in blocks) else []


def _is_ours(block: Block) -> bool:
    return (
        isinstance(block.get("reasoningContent"), dict)
        or (type(block.get("text")) is int and block["text"] >= 0)
        or isinstance(block.get("toolUse"), str)
    )
