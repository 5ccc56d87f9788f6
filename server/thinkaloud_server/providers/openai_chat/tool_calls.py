"""Which call a fragment of a tool call belongs to.

The format numbers calls by `index`. Some vendors leave it out, some give every parallel call the same one, some send
the id and the name again (or as "") with each fragment, some a whole call with its arguments as an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from thinkaloud_server.core.delta import ToolCallDelta


class ToolCalls:
    """The calls of one answer; numbers them from 0 in the order of their coming."""

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._names: list[str] = []
        # The call that fragments with this wire index go on with; None is the index that is missing.
        self._open: dict[int | None, int] = {}

    def feed(self, fragments: object) -> Iterator[ToolCallDelta]:
        """The deltas of a chunk's `tool_calls`."""
        if isinstance(fragments, dict):
            fragments = [fragments]
        if isinstance(fragments, list):
            for fragment in fragments:
                if isinstance(fragment, dict):
                    yield from self._feed(fragment)

    def _feed(self, fragment: dict[str, Any]) -> Iterator[ToolCallDelta]:
        function = fragment.get("function", fragment.get("custom", fragment))
        if not isinstance(function, dict):
            function = {}
        call_id, name = _string(fragment.get("id")), _string(function.get("name"))
        arguments = _arguments(function.get("arguments", function.get("input")))
        if not (call_id or name or arguments):
            return
        index = self._index(fragment.get("index"), call_id, name)
        new_id = call_id if not self._ids[index] else ""
        new_name = name if not self._names[index] else ""
        if new_id:
            self._ids[index] = new_id
        if new_name:
            self._names[index] = new_name
        if new_id or new_name or arguments:
            yield ToolCallDelta(index, new_id, new_name, arguments)

    def _index(self, wire_index: object, call_id: str, name: str) -> int:
        key = wire_index if isinstance(wire_index, int) else None
        index = self._open.get(key)
        if key is None and call_id in self._ids and call_id:
            index = self._ids.index(call_id)
        elif index is not None and self._is_another(index, key, call_id, name):
            index = None
        if index is None:
            index = len(self._ids)
            self._ids.append("")
            self._names.append("")
        self._open[key] = index
        return index

    def _is_another(self, index: int, key: int | None, call_id: str, name: str) -> bool:
        """True when a fragment that could go on with this call begins another."""
        if call_id and self._ids[index] and call_id != self._ids[index]:
            # A new id with each fragment of one call is seen too; only a name begins a call then.
            return bool(name) or key is None
        # Without index and id, a name is the only sign of a beginning.
        return key is None and not call_id and bool(name) and bool(self._names[index])


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return ""
