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
_END_MARK = re.compile(rb"[\r\n]data:\s*\[DONE\]")


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

    def error(self, *, marked: bool = False) -> bytes:
        """What the last such line says, or b""; with the end mark seen, the last one before it.

        What was read together with the mark stands here too, and would not if it had come later.
        """
        mark = _END_MARK.search(self._tail) if marked else None
        end = mark.start() + 1 if mark else len(self._tail)
        lines = _ERROR_LINE.findall(self._tail[max(0, end - _BYTES) : end])
        return bytes(lines[-1]) if lines else b""
