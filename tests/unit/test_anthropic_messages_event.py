"""Reading an event: strictly where it can be, leniently where it must be."""

from __future__ import annotations

import pytest

from thinkaloud_server.providers.anthropic_messages.event import read_event, text_of


def test_what_matters_is_read_and_the_rest_is_skipped() -> None:
    event = read_event(b'{"type":"content_block_delta","index":2,"p":"xx","delta":{"type":"text_delta","text":"a"}}')
    assert event is not None
    assert event.delta is not None
    assert (event.type, event.index, event.delta.type, event.delta.text) == (
        "content_block_delta",
        2,
        "text_delta",
        "a",
    )


@pytest.mark.parametrize(
    ("data", "index", "text"),
    [
        (b'{"type":"t","index":null,"delta":{"text":"a"}}', 0, "a"),
        (b'{"type":"t","index":"1","delta":{"text":"a"}}', 0, "a"),
        (b'{"type":"t","index":1,"usage":NaN,"delta":{"text":"a"}}', 1, "a"),
        (b'{"type":"t","index":1,"delta":{"text":"a\\ud83d"}}', 1, "a\N{REPLACEMENT CHARACTER}"),
        (b'{"type":"t","index":1,"delta":{"text":"a\xff"}}', 1, "a\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_the_standard_refuses_is_put_right(data: bytes, index: int, text: str) -> None:
    event = read_event(data)
    assert event is not None
    assert event.delta is not None
    assert (event.index, event.delta.text) == (index, text)


def test_a_delta_that_is_no_object_is_none() -> None:
    event = read_event(b'{"type":"t","delta":[1]}')
    assert event is not None
    assert event.delta is None


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"7", b"[" * 100_000])
def test_what_is_no_object_raises(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_event(data)


def test_null_is_nothing() -> None:
    assert read_event(b"null") is None


def test_only_a_string_is_text() -> None:
    assert [text_of(value) for value in ("a", None, 7, ["a"], {"text": "a"})] == ["a", "", "", "", ""]
