"""A transport that writes once a turn of the loop what was written to it in many pieces.

uvloop asks the system at each write, which costs more than anything else that an event does on its way out. What was
gathered goes out before the loop waits for anything: nobody waits longer for it by more than what is ready to run.
"""

from __future__ import annotations

import asyncio
from typing import Any

# Beyond this it is written at once, so that the transport can say when it is too much.
GATHERED_BYTES_MAX = 64 * 1024


class Gathering:
    """In the place of an asyncio.Transport: all but writing and ending is the transport's own."""

    __slots__ = ("__dict__", "_bytes", "_loop", "_pieces", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._bytes = 0

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__[name] = getattr(self._transport, name)
        return found

    def write(self, data: bytes) -> None:
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes > GATHERED_BYTES_MAX:
            self._flush()

    def get_write_buffer_size(self) -> int:
        return self._bytes + self._transport.get_write_buffer_size()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._pieces, self._bytes = [], 0
        self._transport.abort()

    def _flush(self) -> None:
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces = []
            self._bytes = 0
            self._transport.write(data)
