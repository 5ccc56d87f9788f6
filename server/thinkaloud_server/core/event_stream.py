"""Framing of Amazon's binary event stream: cuts bytes into messages and checks both of their checksums.

    total length (4) | headers length (4) | CRC of those 8 bytes (4) | headers | payload | CRC of all before it (4)

A header is the length of its name (1), the name, the type of its value (1), and the value. Lengths are big-endian; the
CRC is that of zlib. Only headers whose values are text are kept: a message is named by them.

    feed(data) -> frames that these bytes complete        end() -> nothing: half a message says nothing

Cutting the bytes elsewhere changes neither the frames nor whether a limit is found exceeded. A length is judged as soon
as it is there, so that an absurd one is not waited for. What came before a message that cannot be read is returned
first; the next call then raises ChatError(UPSTREAM_PROTOCOL_ERROR), after which a framer is of no more use.

Source: docs.aws.amazon.com/transcribe/latest/dg/event-stream.html and the Smithy specification "Event Stream".
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import NamedTuple
from zlib import crc32

from thinkaloud_server.core.errors import ChatError, ErrorReason

HEADERS_BYTES_MAX = 128 * 1024
_PRELUDE = Struct(">III")
_CRC = Struct(">I")
_LENGTH = Struct(">H")
# The least message has no headers and no payload.
_OVERHEAD = _PRELUDE.size + _CRC.size
# Types of values: those of a fixed size, and the two with a length before them.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_BYTES, _STRING = 6, 7
# The headers of a stream are few and the same again and again.
_KNOWN_MAX = 64


class EventFrame(NamedTuple):
    """One message. `kind` is "event", "exception" or "error", `name` says which; `headers` are those of text."""

    kind: str
    name: str
    payload: bytes
    headers: Mapping[str, str]


_NAMES = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}


class EventStreamFramer:
    """Cuts messages. One of more than `frame_bytes_max` bytes raises ChatError(UPSTREAM_PROTOCOL_ERROR)."""

    def __init__(self, *, frame_bytes_max: int) -> None:
        self._frame_bytes_max = frame_bytes_max
        self._held = bytearray()
        # How many bytes there must be before there is anything to see.
        self._wanted = _PRELUDE.size
        self._fault: ChatError | None = None
        self._known: dict[bytes, tuple[str, str, Mapping[str, str]]] = {}

    def feed(self, data: bytes) -> list[EventFrame]:
        """The messages that these bytes complete."""
        if self._fault is not None:
            raise self._fault
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return []
            data = bytes(self._held)
            self._held.clear()
        frames: list[EventFrame] = []
        at, size = 0, len(data)
        self._wanted = _PRELUDE.size
        try:
            while size - at >= _PRELUDE.size:
                total, headers_size = self._prelude(data, at)
                if size - at < total:
                    self._wanted = total
                    break
                frames.append(self._message(data, at, total, headers_size))
                at += total
        except ChatError as fault:
            if not frames:
                raise
            self._fault = fault
            return frames
        if at < size:
            self._held += data[at:] if at else data
        return frames

    def end(self) -> list[EventFrame]:
        """The bytes ran out. What is left is part of a message, whose checksum cannot be checked."""
        if self._fault is not None:
            raise self._fault
        self._held.clear()
        return []

    def _prelude(self, data: bytes, at: int) -> tuple[int, int]:
        total, headers_size, crc = _PRELUDE.unpack_from(data, at)
        if crc32(data[at : at + 8]) != crc:
            raise _broken("its lengths have a wrong checksum")
        if total > self._frame_bytes_max:
            raise _broken(f"it has more than {self._frame_bytes_max} bytes")
        if headers_size > HEADERS_BYTES_MAX or headers_size + _OVERHEAD > total:
            raise _broken("its lengths contradict each other")
        return total, headers_size

    def _message(self, data: bytes, at: int, total: int, headers_size: int) -> EventFrame:
        end = at + total - _CRC.size
        if crc32(data[at:end]) != _CRC.unpack_from(data, end)[0]:
            raise _broken("its checksum is wrong")
        payload_at = at + _PRELUDE.size + headers_size
        block = data[at + _PRELUDE.size : payload_at]
        known = self._known.get(block)
        if known is None:
            known = _named(_headers(block))
            if len(self._known) < _KNOWN_MAX:
                self._known[block] = known
        kind, name, headers = known
        return EventFrame(kind, name, data[payload_at:end], headers)


def _named(headers: Mapping[str, str]) -> tuple[str, str, Mapping[str, str]]:
    kind = headers.get(":message-type", "event")
    return kind, headers.get(_NAMES.get(kind, ":event-type"), ""), headers


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    at, end = 0, len(block)
    while at < end:
        name_at = at + 1
        type_at = name_at + block[at]
        if type_at >= end:
            raise _broken("its headers are cut off")
        kind = block[type_at]
        value_at = type_at + 1
        if kind in (_BYTES, _STRING):
            if value_at + _LENGTH.size > end:
                raise _broken("its headers are cut off")
            size = _LENGTH.unpack_from(block, value_at)[0]
            value_at += _LENGTH.size
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise _broken("it has a header of an unknown type")
        at = value_at + size
        if at > end:
            raise _broken("its headers are cut off")
        if kind == _STRING:
            name = block[name_at:type_at].decode("utf-8", "replace")
            headers[name] = block[value_at:at].decode("utf-8", "replace")
    return headers


def _broken(why: str) -> ChatError:
    return ChatError(ErrorReason.UPSTREAM_PROTOCOL_ERROR, f"the provider sent a message that cannot be read: {why}")
