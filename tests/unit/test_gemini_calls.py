"""Calls: whole ones, and those whose arguments come in pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from thinkaloud_server.core.delta import Delta, ToolCallDelta
from thinkaloud_server.providers.gemini.calls import Calls
from thinkaloud_server.providers.gemini.replay import ReplayParts


def heard(*calls: object, signature: str = "s1") -> tuple[list[Delta], list[dict[str, Any]]]:
    """The deltas of these parts of one answer, and the parts to replay."""
    replay = ReplayParts()
    it = Calls(replay)
    out: list[Delta] = []
    for call in calls:
        it.feed(json.dumps(call).encode(), signature, out)
        signature = ""
    it.close(out)
    return out, json.loads(replay.payload() or '{"parts":[]}')["parts"]


def streamed(*fragments: dict[str, Any]) -> Any:
    out, _ = heard({"name": "f", "willContinue": True}, {"partialArgs": list(fragments)})
    return json.loads("".join(delta.arguments for delta in out if isinstance(delta, ToolCallDelta)))


def test_whole_calls_are_numbered_as_they_come() -> None:
    out, parts = heard({"name": "add", "args": {"a": 2}, "id": "x"}, {"name": "add", "args": {"a": 3}})
    assert out == [ToolCallDelta(0, "x", "add", '{"a": 2}'), ToolCallDelta(1, "", "add", '{"a": 3}')]
    assert parts == [
        {"functionCall": {"name": "add", "args": {"a": 2}, "id": "x"}, "thoughtSignature": "s1"},
        {"functionCall": {"name": "add", "args": {"a": 3}}},
    ]


@pytest.mark.parametrize(
    ("fragments", "arguments"),
    [
        ([], {}),
        ([{"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": "$.a", "stringValue": "y"}], {"a": "xy"}),
        ([{"jsonPath": "$.a.b.c", "numberValue": 5.0}], {"a": {"b": {"c": 5}}}),
        ([{"jsonPath": "$.a[1]", "numberValue": 0.5}, {"jsonPath": "$.a[0]", "boolValue": False}], {"a": [False, 0.5]}),
        ([{"jsonPath": "$.a[0][1].b", "stringValue": ""}], {"a": [[None, {"b": ""}]]}),
        (
            [{"jsonPath": "$['a.b']", "nullValue": "NULL_VALUE"}, {"jsonPath": '$["c"]', "boolValue": True}],
            {"a.b": None, "c": True},
        ),
        ([{"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": "$.a.b", "numberValue": 1}], {"a": {"b": 1}}),
        ([{"jsonPath": "$[0]", "numberValue": 1}, {"jsonPath": "", "numberValue": 1}, {"numberValue": 1}], {}),
        ([{"jsonPath": "$.a[99999999999]", "numberValue": 1}], {"a": []}),
        ([{"jsonPath": 7}], {}),
        ([{"jsonPath": "$" + ".a" * 5_000, "numberValue": 1}], {}),
    ],
)
def test_fragments_are_put_at_their_paths(fragments: list[dict[str, Any]], arguments: object) -> None:
    assert streamed(*fragments) == arguments


def test_a_streamed_call_is_begun_at_once_and_told_when_it_is_whole() -> None:
    it = Calls(ReplayParts())
    out: list[Delta] = []
    it.feed(b'{"name":"f","id":"x","willContinue":true}', "", out)
    assert out == [ToolCallDelta(0, "x", "f")]
    it.feed(b'{"partialArgs":[{"jsonPath":"$.a","stringValue":"1","willContinue":true}],"willContinue":true}', "", out)
    assert len(out) == 1
    it.feed(b"{}", "", out)
    assert out[1:] == [ToolCallDelta(0, arguments='{"a":"1"}')]


def test_a_signature_on_a_later_piece_is_the_calls() -> None:
    replay = ReplayParts()
    it = Calls(replay)
    it.feed(b'{"name":"f","willContinue":true}', "", [])
    it.feed(b'{"args":{"a":1}}', "late", [])
    assert json.loads(replay.payload())["parts"] == [
        {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "late"}
    ]


@pytest.mark.parametrize("call", [7, "f", [], {}, {"name": ""}, {"args": {"a": 1}}, {"partialArgs": [{}]}])
def test_what_is_no_call_is_none(call: object) -> None:
    assert heard(call) == ([], [])
