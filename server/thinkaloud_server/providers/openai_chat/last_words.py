"""The end of a broken stream, for the one error that is no event: a line `error: {…}`.

llama.cpp wrote it for years, and servers built on it still do. By the rules of server-sent events it is a field that
nobody knows, and it is dropped without a trace; so the last bytes are kept and looked at when a stream ends too soon.
"""

from __future__ import annotations

import re

_BYTES = 2048
# Forgetting is a copy, so it is done now and then, not with each chunk.
_BYTES_HELD_MAX = 32 * _BYTES
_ERROR_LINE = re.compile(rb"[\r\n]error: ?([^\r\n]+)")


class LastWords:
    """Keeps the last 2 KiB of a stream, whatever its cuts."""

    def __init__(self) -> None:
        # As if a line had ended before: the stream may begin with its last words.
        self._tail = bytearray(b"\n")

    def hear(self, data: bytes) -> None:
        tail = self._tail
        tail += data
        if len(tail) > _BYTES_HELD_MAX:
            del tail[:-_BYTES]

    def error(self) -> bytes:
        """What the last such line says, or b""."""
        lines = _ERROR_LINE.findall(self._tail[-_BYTES:])
        return bytes(lines[-1]) if lines else b""
