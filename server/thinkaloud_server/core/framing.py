"""Framing: cuts a provider's bytes into server-sent events, or into JSON lines. Knows nothing of what they hold.

Both framers work on bytes until a whole frame is there, so that neither a UTF-8 sequence nor U+2028 inside JSON
is ever cut. Comments make no frame: that bytes came at all is the caller's sign of life.

    feed(data) -> frames that these bytes complete        end() -> the frame that the bytes ran out in

Cutting the bytes elsewhere changes neither the frames nor whether the limit is found exceeded: frames that were whole
before one that is too long are returned first, and the next call raises the ChatError. Time is linear in the bytes.
After a ChatError a framer is of no more use.
"""

from __future__ import annotations

from typing import NamedTuple

from thinkaloud_server.core.errors import ChatError, ErrorReason

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LF = 10
_CR = 13


class SseFrame(NamedTuple):
    """One event: its type ("" is the default type), its data lines joined by LF, and its own id."""

    event: str
    data: bytes
    id: str = ""


# The generated __new__ of a NamedTuple costs as much as finding the frame does.
_new_frame = tuple.__new__


class SseFramer:
    """Cuts server-sent events (WHATWG HTML, section 9.2.6), with one difference: see `end`.

    Lines end in LF, CRLF or CR. An event is everything up to an empty line; one without a data line is dropped,
    as the standard says; one whose data is empty is not. `frame_bytes_max` limits an event's lines together, line
    ends included: one that is longer raises ChatError(UPSTREAM_PROTOCOL_ERROR).
    """

    def __init__(self, *, frame_bytes_max: int) -> None:
        # Below 0 once the limit was exceeded, so that the way of the common chunk needs no check of its own.
        self._frame_bytes_max = frame_bytes_max
        self._fault: ChatError | None = None
        self._begun = False
        self._head = b""
        self._after_cr = False
        # The event that is being read: the start of its next line, its data lines, and its size so far.
        self._line = bytearray()
        self._data: list[bytes] = []
        self._event = ""
        self._id = ""
        self._size = 0

    def feed(self, data: bytes) -> list[SseFrame]:
        """The events that these bytes complete."""
        if not self._begun:
            data = self._begin(data)
        if not data:
            return []
        if _CR in data or self._after_cr:
            data = self._with_line_feeds(data)
        # The way of nearly every chunk: one whole event of one data line.
        if not self._size and data[:6] == b"data: ":
            line_end = data.find(b"\n")
            if line_end == len(data) - 2 and data[-1] == _LF and line_end < self._frame_bytes_max:
                return [_new_frame(SseFrame, ("", data[6:line_end], ""))]
        return self._feed_lines(data)

    def end(self) -> list[SseFrame]:
        """The last event, when the bytes ran out before its empty line.

        The standard would drop it. Several providers end without an empty line, so it is returned when it has
        data; that data may have been cut anywhere, and is then for the decoder to refuse.
        """
        if self._fault is not None:
            raise self._fault
        if not self._begun:
            self._line += self._head
        if self._line:
            line = bytes(self._line)
            self._line.clear()
            self._read_line(line)
        return [self._finished()] if self._data else []

    def _feed_lines(self, data: bytes) -> list[SseFrame]:
        lines = data.split(b"\n")
        tail = lines.pop()
        if not lines:
            self._line += tail
            self._size += len(tail)
            if self._size > self._frame_bytes_max:
                raise self._fault or _too_long(self._frame_bytes_max)
            return []
        whole_size = self._size
        if self._line:
            whole_size -= len(self._line)
            lines[0] = bytes(self._line + lines[0])
            self._line.clear()
        if self._size + len(data) > self._frame_bytes_max:
            lines, tail = self._within_limit(whole_size, lines, tail)
        frames: list[SseFrame] = []
        data_lines = self._data
        for line in lines:
            if line[:6] == b"data: ":
                data_lines.append(line[6:])
            elif line[:7] == b"event: ":
                self._event = line[7:].decode("utf-8", "replace")
            elif line:
                self._read_line(line)
            elif data_lines:
                frames.append(self._finished())
                data_lines = self._data
            else:
                self._event = self._id = ""
        if not tail and not lines[-1]:
            self._size = 0
        else:
            self._line += tail
            self._size = _unfinished_size(whole_size, lines) + len(tail)
        return frames

    def _begin(self, data: bytes) -> bytes:
        """The first bytes without a byte order mark, which may come in pieces."""
        data = self._head + data
        if len(data) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(data):
            self._head = data
            return b""
        self._begun = True
        return data.removeprefix(_BYTE_ORDER_MARK)

    def _read_line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")

    def _finished(self) -> SseFrame:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        frame = _new_frame(SseFrame, (self._event, data, self._id))
        self._data = []
        self._event = self._id = ""
        return frame

    def _within_limit(self, size: int, lines: list[bytes], tail: bytes) -> tuple[list[bytes], bytes]:
        """The lines and their tail, or, where an event is too long, the lines of the events before it."""
        if self._fault is not None:
            raise self._fault
        whole = 0
        for number, line in enumerate([*lines, tail]):
            size += len(line) + (number < len(lines))
            if not line and number < len(lines):
                whole, size = number + 1, 0
            if size > self._frame_bytes_max:
                self._fault, self._frame_bytes_max = _too_long(self._frame_bytes_max), -1
                if not whole:
                    raise self._fault
                return lines[:whole], b""
        return lines, tail

    def _with_line_feeds(self, data: bytes) -> bytes:
        """The same lines, ended by LF. A CR ends its line at once; an LF that follows it, even later, is part of it."""
        if self._after_cr and data[0] == _LF:
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


class LineFramer:
    """Cuts JSON lines (NDJSON). Lines end in LF; white space around them, and empty ones, are dropped.

    A line of more than `line_bytes_max` bytes raises ChatError(UPSTREAM_PROTOCOL_ERROR).
    """

    def __init__(self, *, line_bytes_max: int) -> None:
        # Below 0 once the limit was exceeded.
        self._line_bytes_max = line_bytes_max
        self._fault: ChatError | None = None
        self._line = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete."""
        lines = data.split(b"\n")
        tail = lines.pop()
        too_long = len(self._line) + len(data) > self._line_bytes_max
        if lines and self._line:
            lines[0] = bytes(self._line + lines[0])
            self._line.clear()
        self._line += tail
        if too_long:
            return self._within_limit(lines)
        return [stripped for line in lines if (stripped := line.strip())]

    def end(self) -> list[bytes]:
        """The last line, when the bytes ran out before its line end; it may have been cut anywhere."""
        if self._fault is not None:
            raise self._fault
        line = bytes(self._line).strip()
        self._line.clear()
        return [line] if line else []

    def _within_limit(self, lines: list[bytes]) -> list[bytes]:
        """What `feed` returns, up to a line that is too long."""
        if self._fault is not None:
            raise self._fault
        frames: list[bytes] = []
        for number, line in enumerate([*lines, bytes(self._line)]):
            if len(line) > self._line_bytes_max:
                self._fault, self._line_bytes_max = _too_long(self._line_bytes_max), -1
                self._line.clear()
                break
            if number < len(lines) and (stripped := line.strip()):
                frames.append(stripped)
        if self._fault is not None and not frames:
            raise self._fault
        return frames


def _unfinished_size(size: int, lines: list[bytes]) -> int:
    """The bytes of the whole lines since the last empty one, or, without one, those and `size` before them."""
    tail_size = 0
    for line in reversed(lines):
        if not line:
            return tail_size
        tail_size += len(line) + 1
    return size + tail_size


def _too_long(bytes_max: int) -> ChatError:
    return ChatError(ErrorReason.UPSTREAM_PROTOCOL_ERROR, f"the provider sent a frame of more than {bytes_max} bytes")
