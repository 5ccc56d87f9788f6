"""Pages of lists that fit into one message, and their tokens as callers get them."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc import field

Listed = TypeVar("Listed", bound=Message)
_SIGNATURE_BYTES = 16


class PageTokens:
    """Signs the store's tokens for the list that they belong to: its tenant, its name and what it was asked for.

    With a token alone no other tenant's rows could be read either, since every query names the tenant; but nobody is
    to try positions in a list, or to go on in another one than they began.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def given(self, token: str, *of: str) -> str:
        """The store's token of this list, for the caller."""
        return f"{token}.{self._signature(token, of)}" if token else ""

    def taken(self, text: str, *of: str) -> str:
        """The store's token of what a caller handed back. Raises ChatError(INVALID_PAGE_TOKEN)."""
        if not text:
            return ""
        token, _, signature = field.page_token(text).rpartition(".")
        if not hmac.compare_digest(signature, self._signature(token, of)):
            raise field.invalid_page_token()
        return token

    def _signature(self, token: str, of: tuple[str, ...]) -> str:
        digest = hmac.digest(self._key, json.dumps([token, *of]).encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode().rstrip("=")


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
