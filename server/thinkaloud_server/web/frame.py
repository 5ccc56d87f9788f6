"""One event as one frame: of an event stream (SSE), or as a line of JSON (NDJSON). A frame is one write."""

from __future__ import annotations

from typing import Protocol

from thinkaloud_server.web import media, words
from thinkaloud_server.web.error import invalid
from thinkaloud_server.web.write import Event, line_of

# Where a heartbeat is written. A comment is what parsers without names for events skip, and EventSource hides it from
# its page; the event shows the page that the stream lives, and `last_sequence`. Together they are 20 bytes more in 15
# seconds, and serve readers of both kinds: so both is the default.
COMMENT, EVENT, BOTH = "comment", "event", "both"
_COMMENT = b": heartbeat\n"
_ID_MAX = 2**31 - 1


class Frames(Protocol):
    """How events become bytes."""

    kind: str

    def opening(self) -> bytes:
        """What goes before the first frame, in its write."""

    def frame(self, event: Event, run_id: str) -> bytes:
        """One event of this run; b"" for one that is not shown."""


class EventStream:
    """`event:`, `id: run:sequence` where the event has a number, `data:`. JSON has no line ends, so nothing that a
    model says can end a frame or begin one."""

    kind = media.EVENT_STREAM

    def __init__(self, heartbeat: str, retry_ms: int) -> None:
        if heartbeat not in (COMMENT, EVENT, BOTH):
            raise invalid(words.HEARTBEAT, f"must be {COMMENT}, {EVENT} or {BOTH}")
        self._heartbeat = heartbeat
        self._retry_ms = retry_ms

    def opening(self) -> bytes:
        return b"retry: %d\n" % self._retry_ms

    def frame(self, event: Event, run_id: str) -> bytes:
        case, data, sequence, _ = event
        if sequence and run_id:
            return f"event: {case}\nid: {run_id}:{sequence}\n".encode() + b"data: %b\n\n" % data
        if case != words.HEARTBEAT or self._heartbeat == EVENT:
            return b"event: %b\ndata: %b\n\n" % (case.encode(), data)
        if self._heartbeat == COMMENT:
            return _COMMENT + b"\n"
        return _COMMENT + b"event: %b\ndata: %b\n\n" % (case.encode(), data)


class Lines:
    """The same object as on a WebSocket, one a line."""

    kind = media.LINES

    def opening(self) -> bytes:
        return b""

    def frame(self, event: Event, run_id: str) -> bytes:
        return line_of(event._replace(run_id=run_id)) + b"\n"


def event_id(text: str) -> tuple[str, int]:
    """The run and the sequence of a Last-Event-ID. Raises HttpError(SEQUENCE_INVALID)."""
    run_id, _, number = text.strip().rpartition(":")
    if not run_id or not (number.isascii() and number.isdecimal()) or len(number) > 10 or int(number) > _ID_MAX:
        raise invalid("last-event-id", "must be an id of this stream: run:sequence", "SEQUENCE_INVALID")
    return run_id, int(number)
