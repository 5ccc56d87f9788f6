"""What is read of a chunk, also of one that is not as it should be."""

from __future__ import annotations

import json

import pytest

from thinkaloud_server.providers.gemini.chunk import Chunk, read_chunk, read_chunks

TEXT = {"candidates": [{"content": {"parts": [{"text": "a"}]}}]}


def texts(chunk: Chunk | None) -> list[object]:
    assert chunk is not None
    return [
        part.text
        for candidate in chunk.candidates or ()
        for part in (candidate.content and candidate.content.parts) or ()
    ]


@pytest.mark.parametrize(
    "value",
    [
        TEXT,
        [TEXT],
        {"candidates": {"content": {"parts": {"text": "a"}}}},
        {"candidates": [None, {"content": "a", "index": None}]},
        {"candidates": [{"content": {"parts": ["b", {"text": "a"}, 7]}, "index": "0"}]},
        {**TEXT, "usageMetadata": {"promptTokenCount": "7", "totalTokenCount": None}},
        {**TEXT, "usageMetadata": 5},
        {**TEXT, "groundingMetadata": {"x": [1, 2, {"y": 3}]}},
    ],
)
def test_a_text_is_found_in_whatever_frame(value: object) -> None:
    assert texts(read_chunk(json.dumps(value).encode())) == ["a"]


@pytest.mark.parametrize("body", [b"", b"{", b"7", b'"a"', b"[1, 2]", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_chunk(body)


def test_null_is_no_chunk() -> None:
    assert read_chunk(b"null") is None


def test_what_is_json_to_python_only_is_read() -> None:
    assert texts(read_chunk(b'{"candidates":[{"content":{"parts":[{"text":"a\\ud83d"}]},"avgLogprobs":NaN}]}')) == [
        "a\N{REPLACEMENT CHARACTER}"
    ]
    assert texts(read_chunk(b'{"candidates":[{"content":{"parts":[{"text":"a\xff"}]}}]}')) == [
        "a\N{REPLACEMENT CHARACTER}"
    ]


def test_counts_that_are_none_count_nothing() -> None:
    chunk = read_chunk(b'{"usageMetadata":{"promptTokenCount":"7","candidatesTokenCount":2.0,"totalTokenCount":-1}}')
    assert chunk is not None
    assert chunk.usage_metadata is not None
    counts = chunk.usage_metadata
    assert (counts.prompt_token_count, counts.candidates_token_count, counts.total_token_count) == (0, 2, 0)


ARRAY = json.dumps([TEXT, TEXT, TEXT], indent=2)


@pytest.mark.parametrize(
    ("body", "count", "whole"),
    [
        (ARRAY, 3, True),
        (f"\ufeff {ARRAY}\r\n", 3, True),
        (ARRAY[:-1], 3, False),
        (ARRAY[:-3], 2, False),
        (ARRAY[:20], 0, False),
        ("[", 0, False),
        ("[]", 0, True),
        (json.dumps(TEXT), 1, True),
        (json.dumps(TEXT)[:-1], 0, False),
        (ARRAY + "x", 3, False),
        ("[null, 7]", 0, False),
        ("[" * 50_000, 0, False),
    ],
)
def test_of_an_array_the_whole_elements_are_read(body: str, count: int, whole: bool) -> None:
    chunks, is_whole = read_chunks(body.encode())
    assert (len(chunks), is_whole) == (count, whole)
    assert all(texts(chunk) == ["a"] for chunk in chunks)


def test_arguments_keep_their_spelling_in_an_array() -> None:
    body = b'[{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{ "n" : 1.50 }}}]}}]}]'
    (chunk,), _ = read_chunks(body)
    assert chunk.candidates is not None
    assert chunk.candidates[0].content is not None
    assert chunk.candidates[0].content.parts is not None
    assert bytes(chunk.candidates[0].content.parts[0].function_call) == b'{"name":"f","args":{ "n" : 1.50 }}'
