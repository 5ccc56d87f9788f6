"""Places in a stream of bytes: the same wherever the stream is cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkaloud_server.core.place import Frames, Place, frame_end, frames_of

MESSAGE = struct.pack(">II", 20, 0) + b"\0" * 4 + b"body" + b"\0" * 4
STREAMS: dict[Frames, tuple[bytes, ...]] = {
    "events": (b"data: 1\n\n", b": ping\r\n\r\n", b"event: x\rdata: 2\r\r", b"data: 3\n\n"),
    "lines": (b'{"a":1}\n', b"\n", b'{"b":2}\r\n', b"{}\n"),
    "messages": (MESSAGE, MESSAGE, MESSAGE, MESSAGE),
}


def split(place: Place, pieces: list[bytes]) -> tuple[bytes, bytes]:
    halves = [place.split(piece) for piece in pieces]
    return b"".join(before for before, _ in halves), b"".join(behind for _, behind in halves)


@given(st.sampled_from(list(STREAMS)), st.integers(0, 5), st.lists(st.integers(1, 9), max_size=40), st.booleans())
def test_a_place_is_where_it_is_however_the_bytes_are_cut(
    frames: Frames, count: int, sizes: list[int], by_bytes: bool
) -> None:
    stream = b"".join(STREAMS[frames])
    pieces, start = [], 0
    for size in sizes:
        pieces.append(stream[start : start + size])
        start += size
    pieces.append(stream[start:])
    if by_bytes:
        place, at = Place(after_bytes=count * 7, after_frames=None, frames=frames), min(count * 7, len(stream))
    else:
        place = Place(after_bytes=None, after_frames=count, frames=frames)
        at = len(b"".join(STREAMS[frames][:count]))
    assert split(place, pieces) == (stream[:at], stream[at:])
    assert place.reached == (count * 7 <= len(stream) if by_bytes else count <= 4)


def test_the_last_frame_before_a_place_is_remembered() -> None:
    place = Place(after_bytes=None, after_frames=3, frames="events")
    place.split(b"data: 1\n\ndata: 2\n\nda")
    place.split(b"ta: 3\n\ndata: 4\n\n")
    assert place.last_frame == b"data: 3\n\n"


@pytest.mark.parametrize("data", [b"", b"\0\0\0", MESSAGE[:-1], b"\0\0\0\1" * 8])
def test_a_message_that_is_not_whole_or_has_no_possible_length_does_not_end(data: bytes) -> None:
    assert frame_end(data, "messages") == 0


@pytest.mark.parametrize(
    ("content_type", "frames"),
    [
        ("text/event-stream; charset=utf-8", "events"),
        ("", "events"),
        ("application/x-ndjson", "lines"),
        ("application/json", "lines"),
        ("application/vnd.amazon.eventstream", "messages"),
    ],
)
def test_the_content_type_says_what_frames_are(content_type: str, frames: str) -> None:
    assert frames_of(content_type) == frames
