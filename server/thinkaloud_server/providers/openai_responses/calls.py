"""The tool calls of an answer: begun by their item, written in deltas, said again as a whole.

A call is known by the id of its item, else by its place, and to the world by its `call_id`. What was told of its
arguments is treated as told.py treats text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from thinkaloud_server.core.delta import ToolCallDelta
from thinkaloud_server.providers.openai_responses.told import Place

ITEMS = ("function_call", "custom_tool_call")


class _Call:
    __slots__ = ("id", "index", "name", "pieces", "promised")

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        # Arguments that came with the beginning of the item: told at the end, if nothing else tells them.
        self.promised = ""


class Calls:
    """The calls of one answer; numbered from 0 in the order of their coming."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._open: dict[Place, _Call] = {}
        self._by_id: dict[str, _Call] = {}
        self._by_item: dict[str, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def begin(self, place: Place, item: dict[str, Any]) -> Iterator[ToolCallDelta]:
        """An item was added."""
        call = self._of_item(place, item)
        call.promised = arguments_of(item)
        yield from self._named(call, item, "")

    def more(self, place: Place, item_id: str | None, text: str) -> ToolCallDelta:
        """A delta of the arguments."""
        call = self._find(place, item_id)
        call.pieces.append(text)
        return ToolCallDelta(call.index, arguments=text)

    def whole(self, place: Place, item_id: str | None, arguments: str) -> Iterator[ToolCallDelta]:
        """The arguments are done."""
        call = self._find(place, item_id)
        if rest := _rest(call, arguments):
            yield ToolCallDelta(call.index, arguments=rest)

    def done(self, place: Place, item: dict[str, Any]) -> Iterator[ToolCallDelta]:
        """An item is done, or stands in the response at the end."""
        call = self._of_item(place, item)
        yield from self._named(call, item, _rest(call, arguments_of(item)))

    def finish(self) -> Iterator[ToolCallDelta]:
        """The answer is done: arguments that only the beginning of an item had."""
        for call in self._calls:
            if not call.pieces and (rest := _rest(call, call.promised)):
                yield ToolCallDelta(call.index, arguments=rest)

    def _named(self, call: _Call, item: dict[str, Any], arguments: str) -> Iterator[ToolCallDelta]:
        """What is new: id and name when they come first, and these arguments."""
        call_id = _string(item.get("call_id")) or _string(item.get("id"))
        new_id = call_id if not call.id else ""
        new_name = _string(item.get("name")) if not call.name else ""
        call.id, call.name = call.id or new_id, call.name or new_name
        if call.id:
            self._by_id.setdefault(call.id, call)
        if new_id or new_name or arguments:
            yield ToolCallDelta(call.index, new_id, new_name, arguments)

    def _of_item(self, place: Place, item: dict[str, Any]) -> _Call:
        item_id = _string(item.get("id"))
        call_id = _string(item.get("call_id")) or item_id
        call = self._by_id.get(call_id)
        if call is None:
            call = self._open.get(place)
            if call is None or (call.id and call_id):
                call = self._new(place)
        if item_id:
            self._by_item.setdefault(item_id, call)
        return call

    def _find(self, place: Place, item_id: str | None) -> _Call:
        return self._by_item.get(item_id or "") or self._open.get(place) or self._new(place)

    def _new(self, place: Place) -> _Call:
        call = self._open[place] = _Call(len(self._calls))
        self._calls.append(call)
        return call


def arguments_of(item: dict[str, Any]) -> str:
    """The arguments of a call's item, or the input of a custom tool's."""
    return arguments_text(item.get("arguments", item.get("input")))


def arguments_text(value: object) -> str:
    """Arguments as JSON text; some servers send the object itself."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else ""


def _rest(call: _Call, whole: str) -> str:
    told = "".join(call.pieces)
    if len(whole) <= len(told) or not whole.startswith(told):
        return ""
    call.pieces.append(whole[len(told) :])
    return call.pieces[-1]


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
