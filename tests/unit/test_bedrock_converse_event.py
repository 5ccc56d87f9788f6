"""The events of ConverseStream: what the typed reading refuses, the lenient one reads."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from thinkaloud_server.providers.bedrock_converse import event as module
from thinkaloud_server.providers.bedrock_converse.event import (
    BlockDelta,
    BlockStart,
    BlockStop,
    Chunk,
    MessageStop,
    Metadata,
    read_delta,
    read_event,
)

EVENTS: list[tuple[type[msgspec.Struct], dict[str, Any]]] = [
    (BlockDelta, {"contentBlockIndex": 3, "delta": {"text": "ä"}}),
    (BlockDelta, {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "a", "signature": "b"}}}),
    (BlockDelta, {"delta": {"reasoningContent": {"redactedContent": "eA=="}}}),
    (BlockDelta, {"delta": {"toolUse": {"input": "{}"}}}),
    (BlockStart, {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}),
    (BlockStop, {"contentBlockIndex": 1}),
    (MessageStop, {"stopReason": "end_turn"}),
    (Metadata, {"usage": {"inputTokens": 1}}),
    (Chunk, {"bytes": "eA=="}),
]


@pytest.mark.parametrize(("kind", "fields"), EVENTS)
def test_both_readings_see_the_same(kind: type[msgspec.Struct], fields: dict[str, Any]) -> None:
    data = json.dumps({**fields, "p": "abc"}).encode()
    typed = read_event(data, kind)
    assert typed == module._read_leniently(data, kind)
    assert msgspec.to_builtins(typed).items() >= {name: msgspec.to_builtins(typed)[name] for name in fields}.items()
    assert typed != kind()


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"3", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_no_event(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_delta(data)
    with pytest.raises(ValueError):
        read_event(data, Metadata)


@pytest.mark.parametrize(
    "data",
    [
        b'{"delta":"text"}',
        b'{"delta":{"text":["a"],"reasoningContent":"x"}}',
        b'{"delta":{"toolUse":{"input":{"a":1}},"reasoningContent":{"text":7}}}',
        b'{"contentBlockIndex":null,"delta":null}',
    ],
)
def test_leaves_of_a_wrong_type_are_left_out(data: bytes) -> None:
    event = read_delta(data)
    assert event.contentBlockIndex == 0
    delta = event.delta
    if delta is not None:
        assert delta.text is None
        assert delta.reasoningContent is None or delta.reasoningContent.text is None
        assert delta.toolUse is None or delta.toolUse.input is None
