"""What is read of an event, also of one that is not as it should be."""

from __future__ import annotations

import json

import pytest

from thinkaloud_server.providers.cohere_v2.event import (
    Call,
    Content,
    Event,
    Function,
    calls_of,
    contents_of,
    index_of,
    read_event,
    read_object,
)


def event(message: object, **more: object) -> Event:
    it = read_event(json.dumps({"type": "t", "delta": {"message": message}, **more}).encode())
    assert it is not None
    assert it.delta is not None
    assert it.delta.message is not None
    return it


@pytest.mark.parametrize(
    "content", [{"text": "a"}, {"type": "text", "text": "a", "x": [1]}, "a", [{"text": "a"}], [7, {"text": "a"}]]
)
def test_a_text_is_found_in_whatever_frame(content: object) -> None:
    for index in (0, None, "0", 2**40):
        it = event({"content": content, "tool_calls": 7}, index=index)
        assert it.index in (0, None)
        assert it.delta is not None
        assert it.delta.message is not None
        assert contents_of(it.delta.message) == [Content("a", None)]


@pytest.mark.parametrize(
    "calls",
    [
        {"id": "1", "function": {"name": "f", "arguments": "{}"}},
        [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
        [None, {"function": 7}, {"id": "1", "function": {"name": "f", "arguments": "{}"}}],
    ],
)
def test_a_call_is_found_in_whatever_frame(calls: object) -> None:
    it = event({"tool_calls": calls, "content": 7})
    assert it.delta is not None
    assert it.delta.message is not None
    assert calls_of(it.delta.message) == [Call("1", Function("f", "{}"))]
    assert contents_of(it.delta.message) == []


def test_the_empty_lists_of_a_beginning_hold_nothing() -> None:
    it = event({"role": "assistant", "content": [], "tool_calls": [], "tool_plan": "", "citations": []})
    assert it.delta is not None
    assert it.delta.message is not None
    assert contents_of(it.delta.message) == []
    assert calls_of(it.delta.message) == []


@pytest.mark.parametrize("body", [b"", b"{", b"7", b"[]", b"[" * 100_000, b'{"delta":' * 100_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_event(body)
    with pytest.raises(ValueError, match=r".+"):
        read_object(body)


def test_null_is_no_event() -> None:
    assert read_event(b"null") is None


def test_what_is_json_to_python_only_is_read() -> None:
    for half in (b"\\ud83d", b"\xff"):
        it = read_event(b'{"x":NaN,"delta":{"message":{"content":{"text":"a' + half + b'"}}}}')
        assert it is not None
        assert it.delta is not None
        assert it.delta.message is not None
        assert contents_of(it.delta.message) == [Content("a\N{REPLACEMENT CHARACTER}")]


@pytest.mark.parametrize(
    ("index", "number"), [(0, 0), (3, 3), (None, 0), ("2", 0), (-1, 0), (2**20, 0), (2**70, 0), (True, 0), (1.5, 0)]
)
def test_an_index_is_one_that_a_list_could_have(index: object, number: int) -> None:
    event = read_event(json.dumps({"type": "tool-call-start", "index": index}).encode())
    assert event is not None
    assert index_of(event) == number
