"""The parts of a chunk (GenerateContentResponse) that matter, typed. Unknown keys are skipped.

Calls stay JSON text (`Raw`): their arguments are passed on as they were spelled, and replayed so. A chunk whose frame
is wrong, or that is JSON to Python but not to the standard, is mended and read once more.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from thinkaloud_server.providers.fact import count
from thinkaloud_server.providers.lenient import read_leniently


class Part(msgspec.Struct, gc=False, rename="camel"):
    """Text, a thought, a call; of the other kinds (pictures, code) nothing is read."""

    text: Any = None
    thought: Any = None
    thought_signature: Any = None
    function_call: msgspec.Raw = msgspec.Raw()


class Content(msgspec.Struct, gc=False):
    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    content: Content | None = None
    finish_reason: Any = None
    index: int | None = None


class Counts(msgspec.Struct, gc=False, rename="camel"):
    """`usageMetadata`: the sums so far, on every chunk."""

    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None


class Chunk(msgspec.Struct, gc=False, rename="camel"):
    """`response` holds the chunk where Google wraps it for its own tools (Code Assist)."""

    candidates: list[Candidate] | None = None
    usage_metadata: Counts | None = None
    model_version: Any = None
    response_id: Any = None
    prompt_feedback: Any = None
    error: Any = None
    response: Any = None


_CHUNK = msgspec.json.Decoder(Chunk)
_COUNTS = Counts.__struct_encode_fields__
_ELEMENT = json.JSONDecoder()


def read_chunk(data: bytes) -> Chunk | None:
    """The chunk that these bytes are; None for JSON's null. Raises ValueError for what is no JSON object."""
    try:
        chunk = _CHUNK.decode(data)
        if not chunk.response:
            return chunk
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _mended(read_leniently(data))
    except RecursionError:
        raise ValueError("nested too deep") from None


def read_chunks(data: bytes) -> tuple[list[Chunk], bool]:
    """The chunks of an answer that came as JSON, one object or an array of them, and whether it is whole.

    Without `alt=sse` the API streams an array; of one that was cut off, the elements that are whole are read.
    """
    text = data.decode("utf-8", "replace").lstrip("\N{ZERO WIDTH NO-BREAK SPACE} \t\r\n").rstrip()
    chunks: list[Chunk] = []
    at = 1 if text.startswith("[") else 0
    while True:
        while text[at : at + 1] in (" ", "\t", "\r", "\n", ","):
            at += 1
        if at >= len(text) or text[at] == "]":
            return chunks, text.startswith("{") or text[at:] == "]"
        try:
            start, at = at, _ELEMENT.raw_decode(text, at)[1]
            chunk = read_chunk(text[start:at].encode())
        except (ValueError, RecursionError):
            return chunks, False
        if chunk is not None:
            chunks.append(chunk)


def _mended(value: Any) -> Chunk | None:
    """The chunk of a decoded value, with what is of a wrong type put right or left out."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one error for all that is no chunk
    inner = value.pop("response", None)
    if isinstance(inner, dict) and "candidates" not in value:
        value = inner
    value["candidates"] = [_mended_candidate(item) for item in _objects(value.get("candidates"))]
    counts = value.get("usageMetadata")
    value["usageMetadata"] = {name: count(counts, name) for name in _COUNTS}
    return _CHUNK.decode(msgspec.json.encode(value))


def _mended_candidate(value: dict[str, Any]) -> dict[str, Any]:
    index, content = value.get("index"), value.get("content")
    value["index"] = index if isinstance(index, int) else 0
    parts = content.get("parts") if isinstance(content, dict) else content
    if isinstance(parts, str):
        parts = {"text": parts}
    value["content"] = {"parts": _objects(parts)}
    return value


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
