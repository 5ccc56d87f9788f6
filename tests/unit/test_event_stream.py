"""The framer of Amazon's event stream: messages whole wherever they are cut, and nothing believed unchecked."""

from __future__ import annotations

from functools import partial
from random import Random
from struct import pack
from zlib import crc32

import pytest

from cuts import at_random, byte_by_byte
from event_stream import event, message
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event_stream import HEADERS_BYTES_MAX, EventFrame, EventStreamFramer

LIMIT = 1 << 20


def framed(*pieces: bytes, limit: int = LIMIT) -> list[EventFrame]:
    framer = EventStreamFramer(frame_bytes_max=limit)
    frames = [frame for piece in pieces for frame in framer.feed(piece)]
    assert framer.end() == []
    return frames


EVENT = event("contentBlockDelta", {"delta": {"text": "é"}})
# The first message of the specification's own test vectors: no headers, no payload.
EMPTY = bytes.fromhex("000000100000000005c248eb7d98c8ff")
# And the one with a header and a payload: "content-type" of "application/json", "{'foo':'bar'}".
ONE_HEADER = bytes.fromhex(
    "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
    "7b27666f6f273a27626172277d8d9c08b1"
)
STREAM = b"".join([EVENT, EMPTY, ONE_HEADER, event("throttlingException", {"message": "slow"}, "exception"), EVENT])

TABLE = [
    (EMPTY, ("event", "", b"", {})),
    (ONE_HEADER, ("event", "", b"{'foo':'bar'}", {"content-type": "application/json"})),
    (message({":event-type": "a"}, b"x"), ("event", "a", b"x", {":event-type": "a"})),
    (
        message({":message-type": "error", ":error-code": "E", ":error-message": "why"}),
        ("error", "E", b"", {":message-type": "error", ":error-code": "E", ":error-message": "why"}),
    ),
    (
        message({"flag": True, "not": False, "n": -7, "b": b"\x00\xff", ":event-type": "ü"}, b"\x00"),
        ("event", "ü", b"\x00", {":event-type": "ü"}),
    ),
    (message({":message-type": "another", ":event-type": "e"}), ("another", "e", b"", None)),
]


@pytest.mark.parametrize(("data", "expected"), TABLE)
def test_a_message_is_named_by_its_headers(data: bytes, expected: tuple[str, str, bytes, object]) -> None:
    (frame,) = framed(data)
    assert frame[:3] == expected[:3]
    if expected[3] is not None:
        assert frame.headers == expected[3]


def test_every_type_of_header_is_stepped_over() -> None:
    block = b""
    for kind, value in [(2, b"a"), (3, b"ab"), (5, b"a" * 8), (8, b"a" * 8), (9, b"a" * 16), (7, b"\x00\x01e")]:
        name = b":event-type" if kind == 7 else b"h%d" % kind
        block += pack(">B", len(name)) + name + pack(">B", kind) + value
    (frame,) = framed(_with_block(block))
    assert (frame.name, dict(frame.headers)) == ("e", {":event-type": "e"})


def test_messages_come_whole_wherever_they_are_cut() -> None:
    whole = framed(STREAM)
    assert [frame.kind for frame in whole] == ["event", "event", "event", "exception", "event"]
    assert framed(*byte_by_byte(STREAM)) == whole
    for seed in range(300):
        assert framed(*at_random(STREAM, seed)) == whole, f"random cuts, seed {seed}"
    for place in range(len(STREAM)):
        assert framed(STREAM[:place], b"", STREAM[place:]) == whole, f"cut at {place}"


def test_half_a_message_is_none() -> None:
    for size in range(len(EVENT)):
        assert framed(EVENT[:size]) == []


def test_each_flipped_bit_is_found() -> None:
    """A bit of a length may make the message longer than what there is, but never gives a message."""
    for place in range(len(ONE_HEADER)):
        for bit in range(8):
            broken = bytearray(ONE_HEADER)
            broken[place] ^= 1 << bit
            with pytest.raises(ChatError) as caught:
                framed(bytes(broken))
            assert caught.value.reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


def test_noise_is_refused_with_its_first_twelve_bytes() -> None:
    random = Random(7)
    for _ in range(200):
        with pytest.raises(ChatError, match="checksum"):
            framed(random.randbytes(12))


def _prelude(total: int, headers: int) -> bytes:
    lengths = pack(">II", total, headers)
    return lengths + pack(">I", crc32(lengths))


def _with_block(block: bytes) -> bytes:
    head = _prelude(16 + len(block), len(block)) + block
    return head + pack(">I", crc32(head))


@pytest.mark.parametrize(
    ("total", "headers", "why"),
    [
        (0, 0, "contradict"),
        (15, 0, "contradict"),
        (16, 1, "contradict"),
        (20, 2**32 - 1, "contradict"),
        (LIMIT, HEADERS_BYTES_MAX + 1, "contradict"),
        (LIMIT + 1, 0, "more than"),
        (2**32 - 1, 0, "more than"),
    ],
)
def test_an_absurd_length_is_not_waited_for(total: int, headers: int, why: str) -> None:
    with pytest.raises(ChatError, match=why):
        framed(_prelude(total, headers))
    with pytest.raises(ChatError, match=why):
        framed(EVENT, *byte_by_byte(_prelude(total, headers)))


@pytest.mark.parametrize(
    "block",
    [
        b"\x05abc",
        b"\x03abc",
        b"\x03abc\x07",
        b"\x03abc\x07\x00",
        b"\x03abc\x07\x00\x05four",
        b"\x03abc\x04\x00\x00\x00",
        b"\x03abc\x0a",
        b"\xff",
    ],
)
def test_headers_that_lie_about_their_lengths_are_refused(block: bytes) -> None:
    with pytest.raises(ChatError, match=r"cut off|unknown type"):
        framed(_with_block(block))


def test_what_came_before_a_broken_message_is_not_lost() -> None:
    broken = bytearray(EVENT)
    broken[-1] ^= 1
    framer = EventStreamFramer(frame_bytes_max=LIMIT)
    assert len(framer.feed(EVENT + EMPTY + bytes(broken) + EVENT)) == 2
    for call in (partial(framer.feed, EVENT), framer.end):
        with pytest.raises(ChatError, match="checksum"):
            call()


def test_the_largest_message_passes_and_a_larger_one_does_not() -> None:
    data = message({}, b"x" * 84)
    assert len(data) == 100
    assert len(framed(data, limit=100)) == 1
    with pytest.raises(ChatError, match="more than 99 bytes"):
        framed(data, limit=99)


def test_many_different_headers_are_not_all_remembered() -> None:
    framer = EventStreamFramer(frame_bytes_max=LIMIT)
    for number in range(500):
        (frame,) = framer.feed(message({":event-type": str(number)}))
        assert frame.name == str(number)
    assert len(framer._known) <= 64


def test_a_large_message_in_small_pieces_takes_time_in_proportion() -> None:
    """Held bytes are copied once, when the message is whole: 2 MB in pieces of 100 bytes."""
    data = message({":event-type": "e"}, b"x" * 2_000_000)
    framer = EventStreamFramer(frame_bytes_max=4_000_000)
    frames = [frame for at in range(0, len(data), 100) for frame in framer.feed(data[at : at + 100])]
    assert [len(frame.payload) for frame in frames] == [2_000_000]
