"""Reading a chunk: strictly, and leniently where strictness would throw an answer away."""

from __future__ import annotations

import pytest

from thinkaloud_server.providers.openai_chat.chunk import read_answer, read_chunk, text_of


def test_the_parts_that_matter_are_read_and_the_rest_is_skipped() -> None:
    chunk = read_chunk(
        b'{"id":"1","model":"m","obfuscation":"x","choices":[{"index":0,"logprobs":{"content":[]},"delta":'
        b'{"role":"assistant","content":"a","channel":"analysis"},"finish_reason":null}],"p":"abcd"}'
    )
    assert chunk is not None
    assert (chunk.id, chunk.model) == ("1", "m")
    assert chunk.choices is not None
    assert chunk.choices[0].delta is not None
    assert chunk.choices[0].delta.content == "a"


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices":[{"index":"0","delta":{"content":"a"}}]}',
        b'{"choices":[{"index":null,"delta":{"content":"a"}}]}',
        b'{"choices":[{"index":0.5,"delta":{"content":"a"}}]}',
        b'{"choices":{"index":0,"delta":{"content":"a"}}}',
        b'{"choices":[{"delta":"a"}]}',
        b'{"choices":["x",{"delta":{"content":"a"}}]}',
        b'[{"choices":[{"delta":{"content":"a"}}]}]',
        b'{"choices":[{"delta":{"content":"a"},"logprob":NaN}]}',
        b'{"choices":[{"delta":{"content":"a"},"logprob":-Infinity}]}',
        b'\xef\xbb\xbf {"choices":[{"delta":{"content":"a"}}]} '.removeprefix(b"\xef\xbb\xbf"),
    ],
)
def test_wrong_types_are_put_right(data: bytes) -> None:
    chunk = read_chunk(data)
    assert chunk is not None
    assert chunk.choices
    choice = chunk.choices[0]
    assert choice.index == 0
    assert choice.delta is not None
    assert choice.delta.content == "a"


def test_a_delta_that_is_no_object_is_none() -> None:
    chunk = read_chunk(b'{"choices":[{"index":0,"delta":[],"finish_reason":"stop"}]}')
    assert chunk is not None
    assert chunk.choices is not None
    assert (chunk.choices[0].delta, chunk.choices[0].finish_reason) == (None, "stop")


def test_broken_utf8_and_half_characters_are_replaced() -> None:
    for data in (b'{"id":"a\xff"}', b'{"id":"a\\ud83e"}'):
        chunk = read_chunk(data)
        assert chunk is not None
        assert chunk.id == "a\N{REPLACEMENT CHARACTER}"
        chunk.id.encode()


@pytest.mark.parametrize("data", [b"", b"{", b"x", b'"text"', b"5", b"[1,2]", b"[" * 100_000, b"[DONE]"])
def test_what_is_no_object_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_chunk(data)


def test_null_is_no_chunk() -> None:
    assert read_chunk(b"null") is None


@pytest.mark.parametrize("extra", ["", ',"logprob":NaN'], ids=["strict", "lenient"])
def test_a_whole_answer_has_its_message_as_delta(extra: str) -> None:
    answer = read_answer(
        b'{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"%s}]}' % extra.encode()
    )
    assert answer is not None
    assert answer.choices is not None
    assert answer.choices[0].delta is not None
    assert answer.choices[0].delta.content == "a"


def test_the_message_of_a_chunk_is_not_read() -> None:
    chunk = read_chunk(b'{"choices":[{"index":0,"message":{"content":"a"}}]}')
    assert chunk is not None
    assert chunk.choices is not None
    assert chunk.choices[0].delta is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a"),
        (["a", {"type": "text", "text": "b"}], "ab"),
        ({"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}, "a"),
        ({"content": "a"}, "a"),
        ({"summary": "a"}, "a"),
        ({"data": "secret"}, ""),
        (None, ""),
        (5, ""),
    ],
)
def test_the_text_of_a_leaf(value: object, expected: str) -> None:
    assert text_of(value) == expected
