"""core/framing.py: bytes to frames, however they are cut."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.framing import LineFramer, SseFrame, SseFramer

TRANSCRIPTS = Path(os.environ.get("TRANSCRIPTS_DIR") or Path(__file__).parents[3] / "shared" / "transcripts")
# What str.splitlines takes for line ends and the standard does not.
NO_LINE_ENDS = "\u2028\u2029\u0085\x0b\x0c\x1c\x1d\x1e"

WHOLE = [
    ("one", b"data: {}\n\n", [SseFrame("", b"{}")]),
    ("several", b"data: a\n\ndata: b\n\ndata: c\n\n", [SseFrame("", b"a"), SseFrame("", b"b"), SseFrame("", b"c")]),
    ("event name", b"event: ping\ndata: {}\n\n", [SseFrame("ping", b"{}")]),
    ("name of one event only", b"event: a\ndata: 1\n\ndata: 2\n\n", [SseFrame("a", b"1"), SseFrame("", b"2")]),
    ("name after data", b"data: {}\nevent: x\n\n", [SseFrame("x", b"{}")]),
    ("last name counts", b"event: a\nevent:b\ndata: 1\n\n", [SseFrame("b", b"1")]),
    ("name without data", b"event: a\n\ndata: 1\n\n", [SseFrame("", b"1")]),
    ("id", b"id: 7\ndata: a\n\ndata: b\n\n", [SseFrame("", b"a", "7"), SseFrame("", b"b")]),
    ("id with NUL", b"id: 7\0\ndata: a\n\n", [SseFrame("", b"a")]),
    ("data lines", b"data: a\ndata: b\ndata:\ndata: c\n\n", [SseFrame("", b"a\nb\n\nc")]),
    ("no space after colon", b"data:a\n\n", [SseFrame("", b"a")]),
    ("one space dropped", b"data:  a\n\n", [SseFrame("", b" a")]),
    ("no colon", b"data\n\n", [SseFrame("", b"")]),
    ("empty data", b"data:\n\n", [SseFrame("", b"")]),
    ("empty data with space", b"data: \n\n", [SseFrame("", b"")]),
    ("colon in data", b"data: a:b\n\n", [SseFrame("", b"a:b")]),
    ("comments", b": ping\n\n:\n\ndata: a\n: inside\n\n:\n", [SseFrame("", b"a")]),
    ("unknown fields", b"retry: 10\nfoo: x\nDATA: no\n data: no\ndata: a\n\n", [SseFrame("", b"a")]),
    ("CRLF", b"event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n", [SseFrame("x", b"a"), SseFrame("", b"b")]),
    ("CR", b"event: x\rdata: a\r\rdata: b\r\r", [SseFrame("x", b"a"), SseFrame("", b"b")]),
    ("mixed line ends", b"data: a\r\n\ndata: b\n\r\ndata: c\r\n\r", [SseFrame("", c) for c in (b"a", b"b", b"c")]),
    ("many empty lines", b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n", [SseFrame("", b"a"), SseFrame("", b"b")]),
    ("byte order mark", b"\xef\xbb\xbfdata: a\n\ndata: b\n\n", [SseFrame("", b"a"), SseFrame("", b"b")]),
    ("byte order mark, name", b"\xef\xbb\xbfevent: x\ndata: a\n\n", [SseFrame("x", b"a")]),
    ("byte order mark, later", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [SseFrame("", b"a")]),
    ("byte order mark, second line", b"\n\xef\xbb\xbfdata: a\n\n", []),
    ("U+2028 and others", f"data: {NO_LINE_ENDS}\n\n".encode(), [SseFrame("", NO_LINE_ENDS.encode())]),
    ("wide characters", "event: é\ndata: 思考 ◁\n\n".encode(), [SseFrame("é", "思考 ◁".encode())]),
    ("broken name", b"event: \xff\ndata: a\n\n", [SseFrame("\ufffd", b"a")]),
    ("not terminated", b"data: a\n\ndata: b", [SseFrame("", b"a"), SseFrame("", b"b")]),
    ("not terminated, one line end", b"event: x\ndata: a\n", [SseFrame("x", b"a")]),
    ("not terminated, CR", b"data: a\r", [SseFrame("", b"a")]),
    ("not terminated, byte order mark", b"\xef\xbb\xbfdata: a", [SseFrame("", b"a")]),
    ("not terminated, no data", b"data: a\n\nevent: x", [SseFrame("", b"a")]),
    ("comment at the end", b"data: a\n\n: bye", [SseFrame("", b"a")]),
    ("nothing", b"", []),
]  # fmt: skip

LINES = [
    ("lines", b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
    ("CRLF", b"1\r\n2\r\n", [b"1", b"2"]),
    ("empty lines", b"\n\n1\n \n\r\n2\n\n", [b"1", b"2"]),
    ("not terminated", b"1\n2", [b"1", b"2"]),
    ("white space at the end", b"1\n \t", [b"1"]),
    ("U+2028", '"\u2028"\n'.encode(), ['"\u2028"'.encode()]),
    ("nothing", b"", []),
]


def sse(pieces: Iterable[bytes], frame_bytes_max: int = 1 << 24) -> list[SseFrame]:
    framer = SseFramer(frame_bytes_max=frame_bytes_max)
    frames = [frame for piece in pieces for frame in framer.feed(piece)]
    return frames + framer.end()


def lines(pieces: Iterable[bytes], line_bytes_max: int = 1 << 24) -> list[bytes]:
    framer = LineFramer(line_bytes_max=line_bytes_max)
    found = [line for piece in pieces for line in framer.feed(piece)]
    return found + framer.end()


def by_byte(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:stop] for start, stop in pairwise(bounds)]


@pytest.mark.parametrize(("data", "frames"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE])
def test_events_are_found_in_every_cut(data: bytes, frames: list[SseFrame]) -> None:
    assert sse([data]) == frames
    assert sse(by_byte(data)) == frames
    for place in range(len(data)):
        assert sse([data[:place], b"", data[place:]]) == frames


@pytest.mark.parametrize(("data", "found"), [case[1:] for case in LINES], ids=[case[0] for case in LINES])
def test_lines_are_found_in_every_cut(data: bytes, found: list[bytes]) -> None:
    assert lines([data]) == found
    assert lines(by_byte(data)) == found
    for place in range(len(data)):
        assert lines([data[:place], b"", data[place:]]) == found


def test_an_event_comes_with_the_byte_that_ends_its_empty_line() -> None:
    framer = SseFramer(frame_bytes_max=100)
    assert framer.feed(b"data: a\r\n") == []
    assert framer.feed(b"\r") == [SseFrame("", b"a")]
    assert framer.feed(b"\ndata: b\n\n") == [SseFrame("", b"b")]


def test_end_gives_nothing_twice() -> None:
    framer = SseFramer(frame_bytes_max=100)
    assert framer.feed(b"data: a") == []
    assert framer.end() == [SseFrame("", b"a")]
    assert framer.end() == []
    line_framer = LineFramer(line_bytes_max=100)
    line_framer.feed(b"1")
    assert line_framer.end() == [b"1"]
    assert line_framer.end() == []


def test_a_frame_is_a_plain_named_tuple() -> None:
    (frame,) = sse([b"event: x\nid: 1\ndata: a\n\n"])
    assert type(frame) is SseFrame
    assert (frame.event, frame.data, frame.id) == ("x", b"a", "1")


# A stream of everything that matters to a framer, so that chance finds what nobody thought of.
STREAMS = st.lists(
    st.sampled_from([b"data: ", b"data", b":", b" ", b"event: x", b"id: 1", b"\n", b"\r", b"\r\n", b"\n\n", b"a", b"{}",
                     b"\xef\xbb\xbf", b"data: abc\n\n", "\u2028".encode()]),
    max_size=30,
).map(b"".join)  # fmt: skip


@given(STREAMS, st.lists(st.integers(0, 1 << 16), max_size=8))
def test_cutting_elsewhere_changes_nothing(data: bytes, places: list[int]) -> None:
    whole = sse([data])
    assert sse(by_byte(data)) == whole
    assert sse(cut(data, places)) == whole
    assert lines(cut(data, places)) == lines([data]) == lines(by_byte(data))


@given(STREAMS)
def test_events_are_those_of_the_standard(data: bytes) -> None:
    assert sse([data]) == _reference(data)


def until_the_fault(framer: SseFramer | LineFramer, pieces: Iterable[bytes]) -> list[object]:
    """The frames, and the reason of the ChatError if there was one, which must then come of every later call too."""
    found: list[object] = []
    try:
        for piece in pieces:
            found += framer.feed(piece)
        found += framer.end()
    except ChatError as error:
        found.append(error.reason)
        with pytest.raises(ChatError, match="more than"):
            framer.feed(b"data: x\n\n")
        with pytest.raises(ChatError, match="more than"):
            framer.end()
    return found


@given(STREAMS, st.lists(st.integers(0, 1 << 16), max_size=8), st.integers(1, 40))
def test_the_limit_is_exceeded_in_every_cut_or_in_none(data: bytes, places: list[int], limit: int) -> None:
    whole, by_bytes, pieces = (
        until_the_fault(SseFramer(frame_bytes_max=limit), each) for each in ([data], by_byte(data), cut(data, places))
    )
    assert whole == by_bytes == pieces


@given(STREAMS, st.lists(st.integers(0, 1 << 16), max_size=8), st.integers(1, 40))
def test_a_line_is_too_long_in_every_cut_or_in_none(data: bytes, places: list[int], limit: int) -> None:
    whole, by_bytes, pieces = (
        until_the_fault(LineFramer(line_bytes_max=limit), each) for each in ([data], by_byte(data), cut(data, places))
    )
    assert whole == by_bytes == pieces


@pytest.mark.parametrize("rest", [b"data: " + b"x" * 99, b"data: " + b"x" * 99 + b"\n\ndata: b\n\n"])
def test_events_before_one_that_is_too_long_are_not_lost(rest: bytes) -> None:
    framer = SseFramer(frame_bytes_max=20)
    assert framer.feed(b": ping\n\ndata: a\n\ndata: b\n\n" + rest) == [SseFrame("", b"a"), SseFrame("", b"b")]
    with pytest.raises(ChatError, match="more than 20 bytes"):
        framer.feed(b"data: c\n\n")


@pytest.mark.parametrize("rest", [b"x" * 99, b"x" * 99 + b"\n3\n"])
def test_lines_before_one_that_is_too_long_are_not_lost(rest: bytes) -> None:
    framer = LineFramer(line_bytes_max=20)
    assert framer.feed(b"1\n\n2\n" + rest) == [b"1", b"2"]
    with pytest.raises(ChatError, match="more than 20 bytes"):
        framer.end()


@pytest.mark.parametrize(
    ("data", "limit", "fits"),
    [
        (b"data: 1234\n\n", 11, True),
        (b"data: 1234\n\n", 10, False),
        (b"data: 1234", 10, True),
        (b"data: 12345", 10, False),
        (b"data: 1234\n\ndata: 1234\n\n" * 9, 11, True),
        (b"data: 1234\n\ndata: 12345\n\n", 11, False),
        (b"data: 1\ndata: 2\n\n", 16, True),
        (b"data: 1\ndata: 2\n\n", 15, False),
        (b"data: 1234\r\n\r\n", 11, True),
        (b": comment\n: comment\n", 19, False),
        (b": comment\n\n" * 9, 10, True),
    ],
)
def test_the_limit_is_on_the_lines_of_one_event(data: bytes, limit: int, fits: bool) -> None:
    for pieces in ([data], by_byte(data)):
        if fits:
            sse(pieces, limit)
        else:
            with pytest.raises(ChatError, match=f"more than {limit} bytes") as raised:
                sse(pieces, limit)
            assert raised.value.reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("data", "fits"), [(b"1234567890\n1", True), (b"12345678901\n1", False), (b"1\n12345678901", False)]
)
def test_the_limit_is_on_one_line(data: bytes, fits: bool) -> None:
    for pieces in ([data], by_byte(data)):
        if fits:
            assert len(lines(pieces, 10)) == 2
        else:
            with pytest.raises(ChatError) as raised:
                lines(pieces, 10)
            assert raised.value.reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"x" * 1000] * 10_000, id="10 MB without a line end"),
        pytest.param([b"data: " + b"x" * 4_000_000 + b"\n\n"], id="one long line"),
        pytest.param([b"data: x\n"] * 100_000, id="many data lines"),
        pytest.param([b"data: x\n" * 500_000], id="many data lines at once"),
        pytest.param([b"\n"] * 100_000, id="empty lines"),
        pytest.param([b": ping\n\n" * 500_000], id="comments"),
        pytest.param([b"\r"] * 100_000, id="CR alone"),
    ],
)
def test_time_is_linear(pieces: list[bytes]) -> None:
    # Far above what it takes (0.4 s at worst), far below what quadratic time would be (minutes).
    began = time.process_time()
    sse(pieces)
    lines(pieces)
    assert time.process_time() - began < 10


def bodies() -> list[Path]:
    return sorted(TRANSCRIPTS.glob("*/*.body"))


@pytest.mark.skipif(not TRANSCRIPTS.is_dir(), reason=f"no recorded streams at {TRANSCRIPTS}")
def test_recorded_streams_give_the_same_events_in_every_cut() -> None:
    dice = random.Random(1)
    seen = 0
    for body in bodies():
        data = body.read_bytes()
        if b"data:" not in data[:4096]:
            continue
        seen += 1
        frames = sse([data])
        assert frames == _reference(data), body
        assert sse(cut(data, [dice.randrange(1 << 30) for _ in range(50)])) == frames, body
        sizes = json.loads(body.with_suffix(".meta.json").read_text()).get("chunk_sizes") or []
        ends = [sum(sizes[: place + 1]) for place in range(min(len(sizes), 500))]
        assert sse(cut(data, ends)) == frames, body
        if len(data) < 20_000:
            assert sse(by_byte(data)) == frames, body
    assert seen


def _reference(data: bytes) -> list[SseFrame]:
    """The standard's algorithm, word by word and slowly, with our one difference at the end."""
    text = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    frames: list[SseFrame] = []
    event, identifier, buffer = b"", b"", None
    for line in [*text.split(b"\n"), b""]:
        name, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if not line:
            if buffer is not None:
                frames.append(SseFrame(event.decode("utf-8", "replace"), buffer[:-1], identifier.decode()))
            event, identifier, buffer = b"", b"", None
        elif name == b"data":
            buffer = (buffer or b"") + value + b"\n"
        elif name == b"event":
            event = value
        elif name == b"id":
            identifier = value
    return frames
