"""Frames of an event stream and lines of JSON, and the ids that come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.frame import EventStream, Frames, Lines, event_id
from thinkaloud_server.web.write import Event

TOKEN = Event("token", b'{"token":"a"}', 7, "")
BEAT = Event("heartbeat", b'{"last_sequence":7}', 0, "")


@pytest.mark.parametrize(
    ("frames", "event", "run_id", "written"),
    [
        (EventStream("both", 1), TOKEN, "run_1", b'event: token\nid: run_1:7\ndata: {"token":"a"}\n\n'),
        (EventStream("both", 1), TOKEN, "", b'event: token\ndata: {"token":"a"}\n\n'),
        (EventStream("both", 1), BEAT, "run_1", b': heartbeat\nevent: heartbeat\ndata: {"last_sequence":7}\n\n'),
        (EventStream("event", 1), BEAT, "run_1", b'event: heartbeat\ndata: {"last_sequence":7}\n\n'),
        (EventStream("comment", 1), BEAT, "run_1", b": heartbeat\n\n"),
        (EventStream("comment", 1), TOKEN._replace(sequence=0), "r", b'event: token\ndata: {"token":"a"}\n\n'),
        (Lines(), TOKEN, "run_1", b'{"event":"token","sequence":7,"run_id":"run_1","data":{"token":"a"}}\n'),
        (Lines(), BEAT, "run_1", b'{"event":"heartbeat","sequence":0,"run_id":"run_1","data":{"last_sequence":7}}\n'),
    ],
)
def test_an_event_is_one_frame(frames: Frames, event: Event, run_id: str, written: bytes) -> None:
    assert frames.frame(event, run_id) == written


def test_the_opening_says_when_to_come_back() -> None:
    assert EventStream("both", 1500).opening() == b"retry: 1500\n"
    assert Lines().opening() == b""


def test_another_wish_for_heartbeats_is_refused() -> None:
    with pytest.raises(HttpError, match="comment, event or both"):
        EventStream("none", 1)


@given(st.text(alphabet="abc_0189", min_size=1), st.integers(0, 2**31 - 1))
def test_an_id_comes_back_as_it_went(run_id: str, sequence: int) -> None:
    frame = EventStream("both", 1).frame(TOKEN._replace(sequence=sequence or 1), run_id).decode()
    sent = frame.split("\n")[1].removeprefix("id: ")
    assert event_id(sent) == (run_id, sequence or 1)


@pytest.mark.parametrize(
    "text", ["", "7", ":7", "run_1:", "run_1:-1", "run_1:x", "run_1:²", "run_1:2147483648", "r:" + "1" * 30]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(HttpError) as refused:
        event_id(text)
    assert refused.value.code == "SEQUENCE_INVALID"
