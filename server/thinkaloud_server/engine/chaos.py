"""Chaos: answers of real providers made worse, beneath everything that has to cope with it.

Theory of operation. A fault is done to aiohttp's response, between the socket and whoever reads: the head is held
back in `SpoiltResponse.spoil`, the body in `_Spoiled`, which stands where the response's own reader stood. So
timeouts, decoders, retries and circuit breakers see what they would see of a bad network, and the provider's
connection is a real one, which is closed like any other. Each provider is asked in earnest, also where its answer is
then replaced.

What is chosen is pure: a fault for a request by its header, else one by chance.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from thinkaloud_server.core.fault import GARBAGE, Fault, error_body
from thinkaloud_server.core.place import Place, frames_of

# Slow bytes are let through this often, and an answer that never ends says its last frame again this often.
TICK_S = 0.05

NextFault = Callable[[], Fault | None]


@dataclass(frozen=True, slots=True)
class Chance:
    """A fault, and how likely it is, from 0 to 1."""

    fault: Fault
    probability: float


def choose(chances: Sequence[Chance], draw: float) -> Fault | None:
    """The fault that a draw from [0, 1) hits; each has its own share, and what they leave is no fault."""
    for chance in chances:
        if draw < chance.probability:
            return chance.fault
        draw -= chance.probability
    return None


class SpoiltResponse(aiohttp.ClientResponse):
    """A response that can be spoilt."""

    _spoiled: _Spoiled | None = None

    @property
    def headers(self) -> Any:
        """Not remembered as aiohttp's are, which looks at them before we do."""
        return self._headers

    async def spoil(self, fault: Fault | None) -> None:
        """Do this to the answer, whose head has just come and was seen by nobody."""
        if fault is None:
            return
        if fault.kind == "latency" or (fault.kind == "stall" and fault.before_head):
            await _wait(fault.seconds)
            return
        if fault.kind == "reset" and fault.before_head:
            raise aiohttp.ServerDisconnectedError
        if fault.kind == "status":
            _replace_head(self, fault)
        self._spoiled = _Spoiled(self, fault)
        self.content = self._spoiled  # type: ignore[assignment]  # all of a reader that is called

    def close(self) -> None:
        super().close()
        if self._spoiled is not None:
            self._spoiled.wake()


async def _wait(seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(seconds)


def _replace_head(response: aiohttp.ClientResponse, fault: Fault) -> None:
    response.status = fault.status
    headers = response.headers.copy()
    headers.clear()
    headers["content-type"] = "application/json"
    if fault.retry_after_s is not None:
        headers["retry-after"] = f"{fault.retry_after_s:g}"
    response._headers = type(response.headers)(headers)


class _Spoiled:
    """Stands where a response's reader stood. What it does not know is the reader's own."""

    def __init__(self, response: aiohttp.ClientResponse, fault: Fault) -> None:
        self._response = response
        self._reader = response.content
        self._fault = fault
        content_type = response.headers.get("content-type", "")
        self._place = Place(
            after_bytes=fault.after_bytes, after_frames=fault.after_frames, frames=frames_of(content_type)
        )
        self._held = error_body(fault) if fault.kind == "status" else b""
        self._done = False
        self._closed = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    async def readany(self) -> bytes:
        while not self._place.reached:
            data = await self._reader.readany()
            if not data:
                # It ended before its fault; one that never ends has nothing more to say.
                return data if self._fault.kind != "never_ending" else await self._silence(None)
            before, self._held = self._place.split(data)
            if before:
                return before
        return await self._beyond()

    def read_nowait(self, n: int = -1) -> bytes:
        """What came before the connection broke; behind a fault nothing came."""
        return b"" if self._place.reached else self._reader.read_nowait(n)

    def wake(self) -> None:
        """The response is closed: whoever waits here must know."""
        self._closed.set()

    async def _beyond(self) -> bytes:
        match self._fault.kind:
            case "reset":
                self._response.close()
                raise aiohttp.ClientOSError(errno.ECONNRESET, "reset, on purpose")
            case "truncated":
                return b""
            case "status":
                body, self._held = self._held, b""
                return body
            case "never_ending":
                return await self._silence(TICK_S) or self._place.last_frame or await self._rest()
            case "slow_bytes":
                return await self._slowly()
            case "stall" if not self._done:
                self._done = True
                await self._silence(self._fault.seconds)
            case "garbage" if not self._done:
                self._done = True
                return GARBAGE
            case _:
                pass
        return await self._rest()

    async def _rest(self) -> bytes:
        """What was held back, then what else comes."""
        if self._held:
            data, self._held = self._held, b""
            return data
        return await self._reader.readany()

    async def _slowly(self) -> bytes:
        self._held = self._held or await self._reader.readany()
        size = max(1, round(self._fault.bytes_per_s * TICK_S))
        data, self._held = self._held[:size], self._held[size:]
        if data:
            await self._silence(len(data) / self._fault.bytes_per_s)
        return data

    async def _silence(self, seconds: float | None) -> bytes:
        """Nothing for so long, or until the response is closed, which is how a reader ends that waits too long."""
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return b""
        raise aiohttp.ClientConnectionError("closed")
