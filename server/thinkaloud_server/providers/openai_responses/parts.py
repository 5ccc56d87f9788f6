"""The parts that an item is made of, as texts of the four kinds that are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from thinkaloud_server.providers.openai_chat.chunk import text_of
from thinkaloud_server.providers.openai_responses.told import Kind

KINDS: tuple[Kind, ...] = ("summary", "raw", "text", "refusal")
_KIND_OF_TYPE: Mapping[str, Kind] = {
    "output_text": "text",
    "text": "text",
    "refusal": "refusal",
    "reasoning_text": "raw",
    "summary_text": "summary",
}


def read_part(part: object) -> tuple[Kind | None, str]:
    """The kind of a part and its text; None for a kind that nobody knows."""
    if not isinstance(part, dict):
        return None, text_of(part)
    return _KIND_OF_TYPE.get(text_of(part.get("type"))), text_of(part.get("refusal") or part.get("text"))


def texts_of(item: dict[str, Any]) -> dict[Kind, list[str]]:
    """The texts of a message's or a reasoning's item, by their kind; none of any other item."""
    texts: dict[Kind, list[str]] = {kind: [] for kind in KINDS}
    match item.get("type"):
        case "message":
            for part in _parts(item.get("content")):
                kind, text = read_part(part)
                texts[kind or "text"].append(text)
        case "reasoning":
            texts["summary"] = [read_part(part)[1] for part in _parts(item.get("summary"))]
            # Whatever its parts are called: it is the reasoning.
            texts["raw"] = [read_part(part)[1] for part in _parts(item.get("content"))]
    return texts


def _parts(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
