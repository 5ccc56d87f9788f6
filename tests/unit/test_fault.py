"""Faults as they are written: what is read, what is refused and why."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.fault import KINDS, TEXT_CHARS_MAX, Fault, error_body, parse


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("latency", Fault("latency", seconds=2.0)),
        (" latency ; seconds = 0.25 ", Fault("latency", seconds=0.25)),
        ("stall", Fault("stall")),
        ("stall;after_frames=3;seconds=1", Fault("stall", seconds=1.0, after_frames=3)),
        ("reset", Fault("reset")),
        ("reset;after_bytes=200", Fault("reset", after_bytes=200)),
        ("reset;after_tokens=2;", Fault("reset", after_frames=2)),
        ("garbage", Fault("garbage", after_frames=0)),
        ("garbage;after_bytes=7", Fault("garbage", after_bytes=7)),
        ("truncated", Fault("truncated", after_frames=2)),
        ("truncated;attempts=1", Fault("truncated", after_frames=2, attempts=1)),
        ("status", Fault("status", status=503)),
        ("status;status=429;retry_after_s=7.5", Fault("status", status=429, retry_after_s=7.5)),
        ('status;status=400;body={"a": "b;c=d"}', Fault("status", status=400, body='{"a": "b;c=d"}')),
        ("slow_bytes;bytes_per_s=50", Fault("slow_bytes", bytes_per_s=50.0)),
        ("never_ending", Fault("never_ending", after_frames=3)),
    ],
)
def test_a_fault_is_read_and_written_back(text: str, fault: Fault) -> None:
    assert parse(text) == fault
    assert parse(str(fault)) == fault


def test_every_kind_has_a_meaning_without_parameters() -> None:
    assert [parse(kind).kind for kind in KINDS] == list(KINDS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "unknown fault ''"),
        ("explode", "expected one of latency, stall, reset, garbage, truncated, status, slow_bytes, never_ending"),
        ("reset;after_bytes", "expected NAME=VALUE"),
        ("reset;seconds=1", "reset has no parameter 'seconds'"),
        ("reset;after_bytes=-1", "after_bytes must be a whole number"),
        ("reset;after_bytes=1.5", "after_bytes must be a whole number"),
        ("reset;after_bytes=1;after_bytes=2", "after_bytes twice"),
        ("reset;after_bytes=1;after_frames=2", "one place"),
        ("latency;seconds=nan", "seconds must be a number"),
        ("latency;seconds=1e9", "seconds must be a number"),
        ("status;status=200", "status must be a whole number of 400 to 599"),
        ("slow_bytes;bytes_per_s=0", "bytes_per_s must be a number"),
        ("reset;attempts=0", "attempts must be"),
        ("status;body=" + "x" * TEXT_CHARS_MAX, "at most"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_would_be_right(text: str, why: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert why in str(caught.value)


def test_attempts_spare_the_later_ones() -> None:
    fault = parse("reset;attempts=2")
    assert [fault.at(number) for number in range(4)] == [fault, fault, None, None]
    assert parse("reset").at(99) == Fault("reset")


def test_a_refusal_says_what_it_was_given_to_say_else_that_it_is_on_purpose() -> None:
    assert error_body(parse("status;status=500;body=")) == b""
    assert error_body(parse("status;status=500;body=é")) == "é".encode()
    assert b"on purpose" in error_body(parse("status;status=500"))
