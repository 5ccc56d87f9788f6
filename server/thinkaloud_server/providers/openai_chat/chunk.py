"""The parts of a chunk that matter, typed. Unknown keys are skipped, wrong types are put right where they can be.

Only the frame of a chunk is typed strictly (msgspec, fast); its leaves are whatever the vendor sent and are looked at
where they are used. A chunk whose frame is wrong, or that is JSON to Python but not to the standard (NaN, half of a
surrogate pair), is read once more, leniently.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thinkaloud_server.providers.lenient import read_leniently


class Delta(msgspec.Struct, gc=False):
    """What one chunk adds, or the whole message of an answer that is no stream."""

    content: Any = None
    reasoning: Any = None
    reasoning_content: Any = None
    reasoning_details: Any = None
    reasoning_text: Any = None
    thinking: Any = None
    tool_calls: Any = None
    function_call: Any = None
    refusal: Any = None


class Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: Delta | None = None
    finish_reason: Any = None
    native_finish_reason: Any = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """`detail`, `message` and `base_resp` are there for chunks that are an error and nothing else."""

    choices: list[Choice] | None = None
    id: Any = None
    model: Any = None
    usage: Any = None
    x_groq: Any = None
    error: Any = None
    detail: Any = None
    message: Any = None
    base_resp: Any = None


class WholeChoice(Choice, gc=False):
    delta: Delta | None = msgspec.field(default=None, name="message")


class WholeAnswer(Chunk, gc=False):
    choices: list[WholeChoice] | None = None  # type: ignore[assignment]  # a choice in all that is read of it


_CHUNK = msgspec.json.Decoder(Chunk)
_WHOLE = msgspec.json.Decoder(WholeAnswer)


def read_chunk(data: bytes) -> Chunk | None:
    """The chunk that these bytes are; None for JSON's null. Raises ValueError for what is no JSON object."""
    try:
        return _CHUNK.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(data, "delta")


def read_answer(data: bytes) -> Chunk | None:
    """The same for a whole answer, `choices[].message` in place of `choices[].delta`."""
    try:
        return _WHOLE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(data, "message")


def _read_leniently(data: bytes, delta_name: str) -> Chunk | None:
    value = read_leniently(data)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one error for all that is no chunk
    choices = value.get("choices")
    if isinstance(choices, dict):
        choices = [choices]
    chunk = Chunk(choices=None)
    if isinstance(choices, list):
        chunk.choices = [_choice(item, delta_name) for item in choices if isinstance(item, dict)]
    for name in Chunk.__struct_fields__[1:]:
        setattr(chunk, name, value.get(name))
    return chunk


def _choice(value: dict[str, Any], delta_name: str) -> Choice:
    index = value.get("index")
    fields = value.get(delta_name)
    if isinstance(fields, str):
        fields = {"content": fields}
    delta = None
    if isinstance(fields, dict):
        delta = Delta(**{name: fields.get(name) for name in Delta.__struct_fields__})
    return Choice(
        index=index if isinstance(index, int) else 0,
        delta=delta,
        finish_reason=value.get("finish_reason"),
        native_finish_reason=value.get("native_finish_reason"),
        error=value.get("error"),
    )


def text_of(value: object) -> str:
    """The text of a leaf that should be a string: a string, an object around one, or a list of those."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(text_of(item) for item in value)
    if isinstance(value, dict):
        for name in ("text", "content", "thinking", "summary"):
            if text := text_of(value.get(name)):
                return text
    return ""


def word_of(value: object) -> str:
    """A reason to finish: a word, or SGLang's object around one (`{"type": "stop", "matched": 2}`)."""
    return text_of(value.get("type") or value.get("reason")) if isinstance(value, dict) else text_of(value)
