"""Who calls: whose things they see, what they may do, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from thinkaloud_server.core.errors import ChatError, ErrorReason

# "open" is asked of nobody; each of the others is a scope that a key has or has not.
Scope = Literal["open", "read", "chat", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "chat", "admin")


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much one key may use; None is the server's own limit, 0 is no limit."""

    requests_per_minute: int | None = None
    runs: int | None = None
    streams: int | None = None
    sockets: int | None = None
    tokens_per_day: int | None = None
    cost_usd_per_day: float | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller whose credential was good. Everything stored belongs to its `tenant`; limits count by `key_id`.

    `key_id` is the key's public id, or says who signed a token and for whom; "" where nobody is asked for one.
    `models` are patterns as "openai/*" of those that may be asked; () is all. `expires_at` is in seconds since the
    epoch, 0 for never.
    """

    tenant: str
    key_id: str
    scopes: frozenset[str]
    models: tuple[str, ...] = ()
    allowance: Allowance = Allowance()
    expires_at: float = 0.0

    def check_scope(self, scope: Scope) -> None:
        """Raises ChatError(SCOPE_DENIED)."""
        if scope != "open" and scope not in self.scopes:
            has = ", ".join(sorted(self.scopes)) or "none"
            raise ChatError(ErrorReason.SCOPE_DENIED, f"this needs the scope {scope!r}; the caller has {has}")

    def allows(self, model: str) -> bool:
        """Whether it may ask this model, named as provider/name."""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)

    def check_model(self, model: str) -> None:
        """Raises ChatError(MODEL_NOT_ALLOWED) for a model that no pattern takes, whether there is such a one or not."""
        if not self.allows(model):
            asked, allowed = model or "any model of this server", ", ".join(self.models)
            raise ChatError(ErrorReason.MODEL_NOT_ALLOWED, f"this key may not use {asked}; it may use {allowed}")


# Who calls an open method: what it tells anybody, it tells them.
NOBODY = Identity(tenant="", key_id="", scopes=frozenset())
# Where nobody is asked who they are.
ANYBODY = Identity(tenant="default", key_id="", scopes=frozenset(SCOPES))
