"""One answer of the fake provider on its way out: paced, cut, and spoilt as it was asked for."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from thinkaloud_server.core.fault import GARBAGE, Fault, error_body
from thinkaloud_server.core.place import Place, frames_of
from thinkaloud_server.engine.chaos import TICK_S
from thinkaloud_server.providers.encoders import Pause

# Random cuts are of this many bytes: often within a frame, sometimes within a character.
CUT_BYTES_MAX = 64

NextSize = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Reply:
    """What is to be sent: each of `pieces` is a frame, and is one token of the pace."""

    pieces: Iterable[bytes | Pause]
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manner:
    """How every answer is sent. `pace` is tokens a second, 0 as fast as the client reads; `cut` gives sizes."""

    pace: float = 0.0
    cut: NextSize | None = None


def cutting(text: str, chance: random.Random) -> NextSize:
    """Sizes of pieces: always the same, or "random". Raises ValueError."""
    if text == "random":
        return lambda: chance.randint(1, CUT_BYTES_MAX)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) == int(text)):
        raise ValueError('expected a number of bytes, or "random"')
    return lambda: int(text)


def recut(pieces: Iterable[bytes | Pause], size_of: NextSize) -> Iterator[bytes | Pause]:
    """The same bytes in other pieces, without regard for frames; before a pause everything is let go."""
    held = b""
    size = size_of()
    for piece in pieces:
        if isinstance(piece, Pause):
            if held:
                yield held
            held = b""
            yield piece
            continue
        held += piece
        while len(held) >= size:
            yield held[:size]
            held, size = held[size:], size_of()
    if held:
        yield held


async def send(request: web.Request, reply: Reply, fault: Fault | None, manner: Manner) -> web.StreamResponse:
    """Send it. A fault that breaks the connection leaves a response that nobody reads."""
    if fault is not None and fault.before_head and fault.kind in ("latency", "stall"):
        await _silence(fault.seconds)
    if fault is not None and fault.kind == "status":
        headers = {} if fault.retry_after_s is None else {"retry-after": f"{fault.retry_after_s:g}"}
        reply = Reply((error_body(fault),), "application/json", fault.status, headers)
    response = web.StreamResponse(status=reply.status, headers={**reply.headers, "content-type": reply.content_type})
    if fault is not None and fault.kind == "reset" and fault.before_head:
        return await _reset(request, response)
    await response.prepare(request)
    out = _Out(request, response, fault, reply.content_type)
    pieces = iter(_paced(reply.pieces, manner))
    for piece in pieces if manner.cut is None else recut(pieces, manner.cut):
        if isinstance(piece, Pause):
            await asyncio.sleep(piece.seconds)
        elif not await out.write(piece):
            break
        else:
            await asyncio.sleep(0)
    return await out.end()


def _paced(pieces: Iterable[bytes | Pause], manner: Manner) -> Iterator[bytes | Pause]:
    for piece in pieces:
        if manner.pace and not isinstance(piece, Pause):
            yield Pause(1 / manner.pace)
        yield piece


class _Out:
    """The body of one answer, up to its fault and beyond."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, fault: Fault | None, content_type: str
    ) -> None:
        self._request = request
        self._response = response
        self._fault = fault
        self._place: Place | None = None
        if fault is not None and not fault.before_head:
            frames = frames_of(content_type)
            self._place = Place(after_bytes=fault.after_bytes, after_frames=fault.after_frames, frames=frames)
        self._broken = False

    async def write(self, data: bytes) -> bool:
        """False when nothing more is to come."""
        if self._fault is not None and self._fault.kind == "slow_bytes":
            await self._slowly(data, self._fault.bytes_per_s)
            return True
        if self._place is None:
            await self._response.write(data)
            return True
        before, behind = self._place.split(data)
        if before:
            await self._response.write(before)
        if not self._place.reached:
            return True
        if not await self._happen():
            return False
        self._place = None
        if behind:
            await self._response.write(behind)
        return True

    async def end(self) -> web.StreamResponse:
        if self._fault is not None and self._fault.kind == "never_ending":
            await _silence(None)
        if not self._broken:
            await self._response.write_eof()
        return self._response

    async def _happen(self) -> bool:
        """The fault, at its place; whether the answer goes on after it."""
        assert self._fault is not None
        assert self._place is not None
        match self._fault.kind:
            case "stall":
                await _silence(self._fault.seconds)
            case "garbage":
                await self._response.write(GARBAGE)
            case "reset":
                self._broken = True
                await _reset(self._request, self._response)
                return False
            case "truncated":
                return False
            case "never_ending":
                while True:
                    await self._response.write(self._place.last_frame or b"\n")
                    await asyncio.sleep(TICK_S)
            case _:
                pass
        return True

    async def _slowly(self, data: bytes, bytes_per_s: float) -> None:
        size = max(1, round(bytes_per_s * TICK_S))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            await asyncio.sleep(len(piece) / bytes_per_s)
            await self._response.write(piece)


async def _silence(seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(seconds)


async def _reset(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """RST rather than FIN: whoever reads is told that the connection broke."""
    transport = request.transport
    if transport is not None:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    return response
