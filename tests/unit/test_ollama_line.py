"""One line of Ollama: what the typed reading refuses, the lenient one reads."""

from __future__ import annotations

import json

import pytest

from thinkaloud_server.providers.ollama import line as module
from thinkaloud_server.providers.ollama.line import Function, Line, arguments_of, read_line


def test_both_readings_see_the_same() -> None:
    data = json.dumps(
        {
            "model": "m",
            "message": {
                "content": "Hi",
                "thinking": "Hm",
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": [1, "ä"]}}}],
            },
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 3,
            "eval_count": 4,
            "response": "r",
            "thinking": "t",
            "error": {"message": "x"},
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()
    typed, lenient = read_line(data), module._read_leniently(data)
    for name in Line.__struct_fields__:
        if name != "message":
            assert getattr(typed, name) == getattr(lenient, name), name
    assert typed.message is not None
    assert lenient.message is not None
    assert (typed.message.content, typed.message.thinking) == ("Hi", "Hm")
    assert (lenient.message.content, lenient.message.thinking) == ("Hi", "Hm")
    calls = [(typed.message.tool_calls or [])[0], (lenient.message.tool_calls or [])[0]]
    assert [call.id for call in calls] == ["c", "c"]
    assert [arguments_of(call.function or Function()) for call in calls] == ['{"a":[1,"ä"]}'] * 2


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b'"x"', b"3", b"{", b'{"a":', b"[" * 100_000])
def test_what_is_no_object_is_no_line(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_line(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"message":"text"}',
        b'{"message":{"content":["a"],"tool_calls":{}},"done":"yes"}',
        b'{"message":{"tool_calls":[null,{"function":"f"},{"function":{"arguments":null}}]}}',
        b'{"model":7,"done_reason":{},"response":1,"thinking":false}',
    ],
)
def test_leaves_of_a_wrong_type_are_left_out(data: bytes) -> None:
    line = read_line(data)
    assert line.model is None
    assert not line.done
    assert not (line.message and line.message.content)
    for call in (line.message and line.message.tool_calls) or ():
        assert call.function is None or arguments_of(call.function) == ""


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (b"{}", "{}"),
        (b'{"a":123456789012345678901234567890}', '{"a":123456789012345678901234567890}'),
        (b'"{\\"a\\": 1}"', '{"a": 1}'),
        (b"null", ""),
        (b'{"a":"\xff"}', '{"a":"\N{REPLACEMENT CHARACTER}"}'),
    ],
)
def test_arguments_stay_as_they_came(written: bytes, text: str) -> None:
    line = read_line(b'{"message":{"tool_calls":[{"function":{"name":"f","arguments":' + written + b"}}]}}")
    assert line.message is not None
    assert line.message.tool_calls is not None
    function = line.message.tool_calls[0].function
    assert function is not None
    assert arguments_of(function) == text


def test_a_line_that_a_proxy_made_an_event_of_is_read() -> None:
    assert read_line(b'data: {"done": true, "done_reason": "stop"}').done_reason == "stop"
    with pytest.raises(ValueError):
        read_line(b"data: data: {}")
