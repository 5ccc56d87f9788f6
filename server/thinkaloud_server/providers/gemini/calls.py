"""Tool calls of an answer: whole ones, and those of which Vertex streams the arguments.

A whole call is one `functionCall {name, args, id?}`. A streamed one begins with a name and `willContinue`, goes on in
parts without a name, `partialArgs [{jsonPath, stringValue | numberValue | boolValue | nullValue, willContinue}]`, and
ends with the first part that does not continue (Vertex, `streamFunctionCallArguments`). A path may be written to in
any order, so a streamed call's arguments are told when they are whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import msgspec

from thinkaloud_server.core.delta import Delta, ToolCallDelta
from thinkaloud_server.providers.gemini.replay import ReplayParts

_STEP = re.compile(r"""\[(?P<index>\d+)\]|\['(?P<quoted>[^']*)'\]|\["(?P<double>[^"]*)"\]|\.?(?P<name>[^.\[\]$]+)""")
# A list is filled up to the place that is written to; a provider's number is no reason to fill memory.
_ITEMS_MAX = 10_000
# What is nested deeper could not be written as JSON again.
_STEPS_MAX = 100


class _Call(msgspec.Struct, gc=False, rename="camel"):
    name: Any = None
    args: msgspec.Raw = msgspec.Raw()
    id: Any = None
    partial_args: Any = None
    will_continue: Any = None


_CALL = msgspec.json.Decoder(_Call)


@dataclass(slots=True)
class _Open:
    """A call of which more is to come."""

    index: int
    name: str
    id: str
    signature: str
    arguments: dict[str, Any] = field(default_factory=dict)


class Calls:
    """Numbers the calls of one answer from 0, and gives each to the replay as it was, or as it was put together."""

    def __init__(self, replay: ReplayParts) -> None:
        self._replay = replay
        self._count = 0
        self._open: _Open | None = None

    def feed(self, raw: bytes, signature: str, out: list[Delta]) -> None:
        """One `functionCall`, as JSON text."""
        # What nobody reads is not checked: half of a surrogate pair may stand in the arguments as bytes.
        raw = raw.decode("utf-8", "replace").encode()
        try:
            call = _CALL.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            return
        name, call_id = _string(call.name), _string(call.id)
        if not name:
            self._go_on(call, signature, out)
            return
        self.close(out)
        index, self._count = self._count, self._count + 1
        if call.will_continue is True or call.partial_args:
            self._open = _Open(index, name, call_id, signature)
            out.append(ToolCallDelta(index, call_id, name))
            self._go_on(call, "", out)
            return
        out.append(ToolCallDelta(index, call_id, name, _arguments(call.args)))
        self._replay.add_call(raw, signature)

    def close(self, out: list[Delta]) -> None:
        """The open call, if there is one, is whole."""
        if (call := self._open) is None:
            return
        self._open = None
        arguments = msgspec.json.encode(call.arguments)
        out.append(ToolCallDelta(call.index, arguments=arguments.decode()))
        whole: dict[str, Any] = {"name": call.name, "args": msgspec.Raw(arguments)}
        if call.id:
            whole["id"] = call.id
        self._replay.add_call(msgspec.json.encode(whole), call.signature)

    def _go_on(self, call: _Call, signature: str, out: list[Delta]) -> None:
        if self._open is None:
            return
        self._open.signature = self._open.signature or signature
        if isinstance(call.partial_args, list):
            for fragment in call.partial_args:
                if isinstance(fragment, dict):
                    _write(self._open.arguments, fragment)
        elif bytes(call.args).lstrip()[:1] == b"{":
            self._open.arguments.update(msgspec.json.decode(call.args))
        if call.will_continue is not True:
            self.close(out)


def _write(arguments: dict[str, Any], fragment: dict[str, Any]) -> None:
    """Put a fragment's value at its path; text is added to the text that is there."""
    path = fragment.get("jsonPath")
    steps = [_step(match) for match in _STEP.finditer(path)] if isinstance(path, str) else []
    if not steps or len(steps) > _STEPS_MAX or not isinstance(steps[0], str):
        return
    place: Any = arguments
    step: Any
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, int) != isinstance(place, list) or (isinstance(step, int) and step >= _ITEMS_MAX):
            return
        if isinstance(place, list):
            place.extend([None] * (step + 1 - len(place)))
        before = place[step] if isinstance(place, list) else place.get(step)
        if following is None:
            place[step] = _value(fragment, before)
        elif not isinstance(before, list if isinstance(following, int) else dict):
            place[step] = [] if isinstance(following, int) else {}
        place = place[step]


def _step(match: re.Match[str]) -> str | int:
    if match["index"] is not None:
        return int(match["index"][:9])
    return match["quoted"] or match["double"] or match["name"] or ""


def _value(fragment: dict[str, Any], before: Any) -> Any:
    text = fragment.get("stringValue")
    if isinstance(text, str):
        return before + text if isinstance(before, str) else text
    number = fragment.get("numberValue")
    # A protobuf double: 5.0 was 5.
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
        return int(number)
    return number if number is not None else fragment.get("boolValue")


def _arguments(raw: msgspec.Raw) -> str:
    """The arguments as JSON text; some proxies write that text into a string."""
    text = bytes(raw).decode()
    if text[:1] == '"':
        inner = msgspec.json.decode(text)
        return inner if isinstance(inner, str) else text
    return "" if text == "null" else text


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
