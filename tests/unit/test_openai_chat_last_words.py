"""The one error that is no event."""

from __future__ import annotations

import pytest

from cuts import at_random, byte_by_byte
from thinkaloud_server.providers.openai_chat.last_words import LastWords


def heard(*pieces: bytes) -> bytes:
    words = LastWords()
    for piece in pieces:
        words.hear(piece)
    return words.error()


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b'data: {}\n\nerror: {"a":1}\n\n', b'{"a":1}'),
        (b'error:{"a":1}', b'{"a":1}'),
        (b'data: {}\r\n\r\nerror: {"a":1}\r\n\r\n', b'{"a":1}'),
        (b'data: {"text":"error: no"}\n\n', b""),
        (b"data: x\nmyerror: y\n", b""),
        (b"error: 1\n\nerror: 2\n\n", b"2"),
        (b"error: 1\n\n" + b": ping\n\n" * 1000, b""),
        (b": ping\n\n" * 100_000 + b"error: 1\n\n", b"1"),
        (b"", b""),
    ],
    ids=["lf", "first and cut", "crlf", "in a text", "another field", "the last", "long ago", "after much", "nothing"],
)
def test_the_last_error_line_is_found(stream: bytes, expected: bytes) -> None:
    assert heard(stream) == expected
    assert heard(*at_random(stream, 1)) == expected
    if len(stream) < 20_000:
        assert heard(*byte_by_byte(stream)) == expected


def test_only_the_end_is_kept() -> None:
    words = LastWords()
    for _ in range(1000):
        words.hear(b"x" * 1000)
    assert len(words._tail) <= 65_536


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"error: 1\n\ndata: [DONE]\n\nerror: 2\n\n", b"1"),
        (b"data: [DONE]\n\nerror: 2\n\n", b""),
        (b"error: 1\r\rdata:[DONE]\r\rerror: 2", b"1"),
        (b"error: 1\n\n" + b": ping\n\n" * 1000 + b"data: [DONE]\n\nerror: 2\n\n", b""),
        (b"error: 1\n\n", b"1"),
    ],
    ids=["before", "behind", "with cr", "long before", "no mark"],
)
def test_what_stands_behind_the_end_mark_was_never_said(stream: bytes, expected: bytes) -> None:
    words = LastWords()
    words.hear(stream)
    assert words.error(marked=True) == expected
