"""Which call a fragment belongs to, when the vendor does not say it plainly."""

from __future__ import annotations

from typing import Any

import pytest

from thinkaloud_server.core.delta import ToolCallDelta
from thinkaloud_server.providers.openai_chat.tool_calls import ToolCalls


def fragment(
    index: object = None, call_id: object = None, name: object = None, arguments: object = None
) -> dict[str, Any]:
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


def calls(*fragments: object) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each call in the order of their numbers."""
    it = ToolCalls()
    found: dict[int, list[str]] = {}
    for each in fragments:
        for delta in it.feed(each):
            call = found.setdefault(delta.index, ["", "", ""])
            for place, text in enumerate((delta.id, delta.name, delta.arguments)):
                call[place] += text
    for delta in it.finish():
        found[delta.index][2] += delta.arguments
    assert sorted(found) == list(range(len(found)))
    return [(call[0], call[1], call[2]) for _, call in sorted(found.items())]


CASES: dict[str, tuple[list[object], list[tuple[str, str, str]]]] = {
    "plain": ([[fragment(0, "a", "f", "")], [fragment(0, None, None, "{}")]], [("a", "f", "{}")]),
    "interleaved": (
        [
            [fragment(0, "a", "f", "1"), fragment(1, "b", "g", "2")],
            [fragment(1, arguments="2"), fragment(0, arguments="1")],
        ],
        [("a", "f", "11"), ("b", "g", "22")],
    ),
    "wire numbers start elsewhere": ([[fragment(3, "a", "f", "1")], [fragment(3, arguments="2")]], [("a", "f", "12")]),
    "no index, known id": (
        [[fragment(None, "a", "f", "1")], [fragment(None, "b", "f", "2")], [fragment(None, "a", None, "1")]],
        [("a", "f", "11"), ("b", "f", "2")],
    ),
    "no index, no id": (
        [[fragment(None, None, "f", "1")], [fragment(arguments="1")], [fragment(None, None, "f", "2")]],
        [("", "f", "11"), ("", "f", "2")],
    ),
    "one index for all": (
        [[fragment(0, "a", "f", "1"), fragment(0, "b", "f", "2"), fragment(0, None, None, "2")]],
        [("a", "f", "1"), ("b", "f", "22")],
    ),
    "a new id with each fragment": (
        [[fragment(0, "a", "f", "1")], [fragment(0, "x", None, "2")], [fragment(0, "y", "", "3")]],
        [("a", "f", "123")],
    ),
    "name and id repeated": (
        [[fragment(0, "a", "f", "1")], [fragment(0, "a", "f", "2")], [fragment(0, "", "", "3")]],
        [("a", "f", "123")],
    ),
    "id comes late": ([[fragment(0, None, "f", "1")], [fragment(0, "a", None, "2")]], [("a", "f", "12")]),
    "arguments are an object": ([[fragment(0, "a", "f", {"b": [1]})]], [("a", "f", '{"b":[1]}')]),
    "no arguments before the real ones": (
        [[fragment(0, "a", "f", "{}")], [fragment(0, arguments='{"b"')], [fragment(0, arguments=":1}")]],
        [("a", "f", '{"b":1}')],
    ),
    "no arguments that stay none": ([[fragment(0, "a", "f", "{}")], [fragment(0, arguments="")]], [("a", "f", "{}")]),
    "arguments cumulative": (
        [[fragment(0, "a", "f", "{")], [fragment(0, arguments='{"b"')], [fragment(0, arguments='{"b":1}')]],
        [("a", "f", '{"b":1}')],
    ),
    "arguments twice": (
        [[fragment(0, "a", "f", '{"b"')], [fragment(0, arguments=":{}}")], [fragment(0, arguments='{"b":{}}')]],
        [("a", "f", '{"b":{}}')],
    ),
    "a call again under the next index": (
        [[fragment(0, "a", "f", "")], [fragment(0, arguments='{"b":1}')], [fragment(1, "a", "f", '{"b":1}')]],
        [("a", "f", '{"b":1}')],
    ),
    "two calls with one id": (
        [[fragment(0, "a", "f", '{"b":1}')], [fragment(1, "a", "f", '{"b":2}')]],
        [("a", "f", '{"b":1}'), ("a", "f", '{"b":2}')],
    ),
    "objects within arguments": (
        [[fragment(0, "a", "f", '{"b":[')], [fragment(0, arguments="{")], [fragment(0, arguments="},{")]],
        [("a", "f", '{"b":[{},{')],
    ),
    "arguments are a number": ([[fragment(0, "a", "f", 3)]], [("a", "f", "")]),
    "one call and no list": ([fragment(0, "a", "f", "1")], [("a", "f", "1")]),
    "no function object": ([[{"index": 0, "id": "a", "name": "f", "arguments": "1"}]], [("a", "f", "1")]),
    "custom tool": ([[{"index": 0, "id": "a", "custom": {"name": "f", "input": "x"}}]], [("a", "f", "x")]),
    "index is text": ([[fragment("0", "a", "f", "1")], [fragment("0", None, None, "2")]], [("a", "f", "12")]),
    "nonsense": (["x", None, 5, [None, 3, {}], [{"function": 3}]], []),
}


@pytest.mark.parametrize(("fragments", "expected"), CASES.values(), ids=CASES)
def test_fragments_become_calls(fragments: list[object], expected: list[tuple[str, str, str]]) -> None:
    assert calls(*fragments) == expected


def test_id_and_name_come_once_and_nothing_new_is_no_delta() -> None:
    it = ToolCalls()
    assert list(it.feed([fragment(0, "a", "f", "")])) == [ToolCallDelta(0, "a", "f")]
    assert list(it.feed([fragment(0, "a", "f", "")])) == []
    assert list(it.feed([fragment(0, "a", "f", "x")])) == [ToolCallDelta(0, "", "", "x")]
