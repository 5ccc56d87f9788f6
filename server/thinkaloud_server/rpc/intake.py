"""Requests as handlers take them, whatever channel brought them: decoded, no larger than they may be, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from google.protobuf.message import Message

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc.encoding import check_request, decode
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.methods import Method


def taken(method: Method, request: Message | bytes, limits: Limits) -> Any:
    """The request as the handler takes it, no larger than a socket would let it be."""
    if isinstance(request, bytes):
        return decode(method.request, request, limits.request_bytes)
    check_request(request.ByteSize(), limits.request_bytes)
    return request


async def requests_of(
    method: Method, pieces: AsyncIterator[Message | bytes], limits: Limits
) -> AsyncGenerator[Any, None]:
    """The requests of a client-streaming method. The next one is asked for when the handler has dealt with the one
    before it, and a client that then says nothing for too long, or never ends, is told so.

    The end is not proof that the client had said everything: grpc ends the requests of a call that was cut in the same
    way. Whoever must know needs a last message that says so.
    """
    now = asyncio.get_running_loop().time
    until = now() + limits.intake_s
    while True:
        patience_s = min(limits.stall_timeout_s, until - now())
        try:
            async with asyncio.timeout(patience_s):
                piece = await anext(pieces)
        except StopAsyncIteration:
            return
        except TimeoutError:
            silent = patience_s == limits.stall_timeout_s
            problem = f"no message came for {patience_s:g} s" if silent else f"it took over {limits.intake_s:g} s"
            raise ChatError(ErrorReason.REQUEST_TIMEOUT, f"{problem}: send it again from the beginning") from None
        yield taken(method, piece, limits)
