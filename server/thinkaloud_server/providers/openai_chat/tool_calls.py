"""Which call a fragment of a tool call belongs to.

The format numbers calls by `index`. Some vendors leave it out, some give every parallel call the same one, some send
the id and the name again (or as "") with each fragment, some a whole call with its arguments as an object.

Gateways that translate another format say arguments more than once: "{}" before the real ones (Bedrock, LiteLLM), all
of them so far with each fragment (Qianfan), all of them again at the end, under the same index or the next one (GLM,
LocalAI, new-api). No JSON object goes on with what it began with, so that such a fragment is known by its beginning.
"""

from __future__ import annotations

import json
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
        # What was told of the arguments, and how much; and the calls of which "{}" is held back.
        self._told: list[list[str]] = []
        self._sizes: list[int] = []
        self._empty: set[int] = set()
        # What came with a call that is no part of it, by the call's number: Gemini's signature of its thought.
        self.extras: dict[int, dict[str, Any]] = {}

    def feed(self, fragments: object) -> Iterator[ToolCallDelta]:
        """The deltas of a chunk's `tool_calls`."""
        if isinstance(fragments, dict):
            fragments = [fragments]
        if isinstance(fragments, list):
            for fragment in fragments:
                if isinstance(fragment, dict):
                    yield from self._feed(fragment)

    def finish(self) -> Iterator[ToolCallDelta]:
        """The answer is done: no arguments that stayed none."""
        for index in sorted(self._empty):
            yield ToolCallDelta(index, arguments="{}")
        self._empty.clear()

    def _feed(self, fragment: dict[str, Any]) -> Iterator[ToolCallDelta]:
        function = fragment.get("function", fragment.get("custom", fragment))
        if not isinstance(function, dict):
            function = {}
        call_id, name = _string(fragment.get("id")), _string(function.get("name"))
        arguments = _arguments(function.get("arguments", function.get("input")))
        if not (call_id or name or arguments):
            return
        index = self._index(fragment.get("index"), call_id, name, arguments)
        if isinstance(extra := fragment.get("extra_content"), dict):
            self.extras[index] = extra
        if arguments and "custom" not in fragment:
            arguments = self._new_of(index, arguments)
        new_id = call_id if not self._ids[index] else ""
        new_name = name if not self._names[index] else ""
        if new_id:
            self._ids[index] = new_id
        if new_name:
            self._names[index] = new_name
        if new_id or new_name or arguments:
            yield ToolCallDelta(index, new_id, new_name, arguments)

    def _new_of(self, index: int, arguments: str) -> str:
        """What these arguments add to those that were told."""
        size = self._sizes[index]
        if arguments[0] == "{" and size and len(arguments) >= size:
            told = "".join(self._told[index])
            if arguments.startswith(told):
                arguments = arguments[size:]
        elif not size and arguments.strip() == "{}":
            self._empty.add(index)
            return ""
        if arguments and index in self._empty:
            self._empty.discard(index)
            arguments = arguments if arguments[0] == "{" else "{}" + arguments
        self._told[index].append(arguments)
        self._sizes[index] += len(arguments)
        return arguments

    def _index(self, wire_index: object, call_id: str, name: str, arguments: str) -> int:
        key = wire_index if isinstance(wire_index, int) else None
        index = self._open.get(key)
        if index is None and key is not None:
            index = self._said_again(call_id, name, arguments)
        if key is None and call_id in self._ids and call_id:
            index = self._ids.index(call_id)
        elif index is not None and self._is_another(index, key, call_id, name):
            index = None
        if index is None:
            index = len(self._ids)
            self._ids.append("")
            self._names.append("")
            self._told.append([])
            self._sizes.append(0)
        self._open[key] = index
        return index

    def _said_again(self, call_id: str, name: str, arguments: str) -> int | None:
        """The call that this fragment repeats under a new wire index; other calls of one id have other arguments."""
        if not call_id or not arguments or call_id not in self._ids:
            return None
        index = self._ids.index(call_id)
        told = "".join(self._told[index])
        same = arguments.startswith(told) or not _is_json(told)
        return index if same and name in ("", self._names[index]) else None

    def _is_another(self, index: int, key: int | None, call_id: str, name: str) -> bool:
        """True when a fragment that could go on with this call begins another."""
        if call_id and self._ids[index] and call_id != self._ids[index]:
            # A new id with each fragment of one call is seen too; only a name begins a call then.
            return bool(name) or key is None
        # Without index and id, a name is the only sign of a beginning.
        return key is None and not call_id and bool(name) and bool(self._names[index])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return ""
