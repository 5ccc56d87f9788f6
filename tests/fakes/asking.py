"""How tests ask a provider through the real HTTP client."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.engine.ports import AttemptTrace
from thinkaloud_server.engine.upstream import Answer, Timeouts, Upstream, UpstreamFault
from thinkaloud_server.providers.dialect import HttpRequest

SECRET = "sk-canary-0123456789"


class SystemClock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def post(url: str, body: bytes = b"{}", **headers: str) -> HttpRequest:
    pairs = (("authorization", f"Bearer {SECRET}"), *headers.items())
    return HttpRequest("POST", url, pairs, body)


Use = Callable[[Answer], Awaitable[None]]


async def ask(
    upstream: Upstream,
    request: HttpRequest | str,
    *,
    use: Use | None = None,
    trace: AttemptTrace | None = None,
    **timeouts: float,
) -> bytes:
    """The whole body of the answer."""
    async with upstream.send(
        post(request) if isinstance(request, str) else request,
        timeouts=Timeouts(**timeouts),
        request_id="req-1",
        trace=trace or AttemptTrace(),
    ) as answer:
        if use is not None:
            await use(answer)
        return await read_on(answer)


async def read_on(answer: Answer) -> bytes:
    pieces = []
    while data := await answer.read():
        pieces.append(data)
    return b"".join(pieces)


async def failure_of(awaitable: Awaitable[object]) -> Failure:
    with pytest.raises(UpstreamFault) as caught:
        await awaitable
    assert SECRET not in str(caught.value) + caught.value.failure.message
    return caught.value.failure


@contextmanager
def full_listener() -> Iterator[int]:
    """A port that neither accepts nor refuses: its queue of connections is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()
