"""Places in the bytes of an answer: after so many bytes, or after so many frames, however the bytes are cut."""

from __future__ import annotations

import re
from typing import Literal

Frames = Literal["events", "lines", "messages"]

_BLANK_LINE = re.compile(rb"\r?\n\r?\n|\r\r")
_LINES = ("ndjson", "jsonl", "json-lines", "application/json")


def frames_of(content_type: str) -> Frames:
    """What the frames of a body of this type are."""
    kind = content_type.lower()
    if "amazon.eventstream" in kind:
        return "messages"
    return "lines" if any(word in kind for word in _LINES) else "events"


class Place:
    """Finds one place in a stream of bytes. `split` each piece until it has been `reached`."""

    def __init__(self, *, after_bytes: int | None, after_frames: int | None, frames: Frames) -> None:
        self.reached = not after_bytes and not after_frames
        self.last_frame = b""
        self._bytes_left = after_bytes
        self._frames_left = after_frames or 0
        self._frames = frames
        self._open = bytearray()

    def split(self, data: bytes) -> tuple[bytes, bytes]:
        """What of these bytes comes before the place, and what behind it."""
        if self.reached:
            return b"", data
        if self._bytes_left is not None:
            before, behind = data[: self._bytes_left], data[self._bytes_left :]
            self._bytes_left -= len(before)
            self.reached = not self._bytes_left
            return before, behind
        begun = len(self._open)
        self._open += data
        used = 0
        while end := frame_end(self._open, self._frames):
            self.last_frame = bytes(self._open[:end])
            del self._open[:end]
            used += end
            self._frames_left -= 1
            if not self._frames_left:
                self.reached = True
                at = max(used - begun, 0)
                return data[:at], data[at:]
        return data, b""


def frame_end(data: bytes | bytearray, frames: Frames) -> int:
    """Where the first whole frame ends; 0 when there is none yet."""
    match frames:
        case "events":
            found = _BLANK_LINE.search(data)
            return found.end() if found else 0
        case "lines":
            return data.find(b"\n") + 1
        case "messages":
            # https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html: the first four bytes are its length.
            length = int.from_bytes(data[:4], "big")
            return length if len(data) >= 4 and 16 <= length <= len(data) else 0
