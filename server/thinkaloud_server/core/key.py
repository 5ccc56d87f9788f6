"""An API key as it is kept: whose it is and what it may, and never the key itself."""

from __future__ import annotations

from dataclasses import dataclass

from thinkaloud_server.core.identity import Identity


@dataclass(frozen=True, slots=True)
class Key:
    """`hash` is that of the key's text with the pepper, and `pepper` tells which pepper that was, and nothing of it.

    `identity.key_id` is what the key begins with, and may be shown. Times are in seconds since the epoch, 0 for never.
    """

    identity: Identity
    name: str
    hash: bytes
    pepper: str
    created_at: float
    revoked_at: float = 0.0
    last_used_at: float = 0.0

    @property
    def key_id(self) -> str:
        return self.identity.key_id
