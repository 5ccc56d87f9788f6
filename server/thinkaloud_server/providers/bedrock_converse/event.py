"""The events of ConverseStream, typed. Unknown keys (the padding `p`) are skipped.

What the typed reading refuses is read once more, leniently: leaves of a wrong type are then left out.
Shapes: botocore, bedrock-runtime 2023-09-30, ConverseStreamOutput.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from thinkaloud_server.providers.lenient import read_leniently


class Reasoning(msgspec.Struct, gc=False):
    """`redactedContent` is base64."""

    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None  # the wire's name


class ToolInput(msgspec.Struct, gc=False):
    input: str | None = None


class Delta(msgspec.Struct, gc=False):
    text: str | None = None
    reasoningContent: Reasoning | None = None  # the wire's name
    toolUse: ToolInput | None = None  # the wire's name


class BlockDelta(msgspec.Struct, gc=False):
    contentBlockIndex: int = 0  # the wire's name
    delta: Delta | None = None


class ToolStart(msgspec.Struct, gc=False):
    toolUseId: str = ""  # the wire's name
    name: str = ""
    type: Any = None


class Start(msgspec.Struct, gc=False):
    toolUse: ToolStart | None = None  # the wire's name


class BlockStart(msgspec.Struct, gc=False):
    contentBlockIndex: int = 0  # the wire's name
    start: Start | None = None


class BlockStop(msgspec.Struct, gc=False):
    contentBlockIndex: int = 0  # the wire's name


class MessageStop(msgspec.Struct, gc=False):
    stopReason: str = ""  # the wire's name


class Metadata(msgspec.Struct, gc=False):
    usage: Any = None


class Chunk(msgspec.Struct, gc=False):
    """InvokeModel's only event: the model's own, in base64."""

    bytes: str = ""


Read = TypeVar("Read", bound=msgspec.Struct)
_DELTA = msgspec.json.Decoder(BlockDelta)


def read_delta(data: bytes) -> BlockDelta:
    """The commonest event. Raises ValueError for what is no JSON object."""
    try:
        return _DELTA.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(data, BlockDelta)


def read_event(data: bytes, kind: type[Read]) -> Read:
    """An event of this kind. Raises ValueError for what is no JSON object."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(data, kind)


def _read_leniently(data: bytes, kind: type[Read]) -> Read:
    value = read_leniently(data)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")  # noqa: TRY004 - one error for all that is no event
    return _made(value, kind)


def _made(value: dict[str, Any], kind: type[Read]) -> Read:
    made = kind()
    for field in msgspec.structs.fields(kind):
        leaf = value.get(field.encode_name)
        inner = next((each for each in _NESTED if field.type == each | None), None)
        if inner is not None and isinstance(leaf, dict):
            setattr(made, field.name, _made(leaf, inner))
        elif field.type is Any or (field.type in (str, int, str | None) and isinstance(leaf, _PLAIN[field.type])):
            setattr(made, field.name, leaf)
    return made


_NESTED: tuple[type[msgspec.Struct], ...] = (Reasoning, ToolInput, Delta, ToolStart, Start)
_PLAIN: dict[Any, type] = {str: str, int: int, str | None: str}
