"""Pages of lists that fit into one message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message

from thinkaloud_server.core.errors import ChatError, ErrorReason

Listed = TypeVar("Listed", bound=Message)


async def fitting(fetch: Callable[[int], Awaitable[Listed]], page_size: int, bytes_max: int) -> Listed:
    """The answer of `fetch(page_size)`, or of a smaller page where that one is over the limit of bytes.

    Its own token leads on, so the caller sees a shorter page and loses nothing.
    """
    while True:
        answer = await fetch(page_size)
        size = answer.ByteSize()
        if size <= bytes_max:
            return answer
        if page_size == 1:
            raise ChatError(
                ErrorReason.MESSAGE_TOO_LARGE,
                f"one entry alone has {size} bytes, over the limit of {bytes_max} for a message",
                details={"limit": bytes_max, "actual": size},
            )
        page_size = max(1, min(page_size // 2, page_size * bytes_max // size))
