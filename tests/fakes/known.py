"""An authenticator that knows a few credentials by heart, and can forget one while it is in use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import SCOPES, Identity


def somebody(name: str, *scopes: str) -> Identity:
    """A tenant of its own, who may do everything unless scopes are given."""
    return Identity(tenant=f"{name}'s", key_id=name, scopes=frozenset(scopes or SCOPES))


class KnownOnes:
    """Satisfies rpc.identify.Authenticator. The credential "ann" is Ann's; a token is `path name`."""

    def __init__(self, *names: str) -> None:
        self.known: dict[str, Identity] = {name: somebody(name) for name in names}
        self.used: set[str] = set()
        self.asked: list[str] = []
        self._watched: dict[str, set[Callable[[ChatError], object]]] = defaultdict(set)

    async def identify(self, credential: str) -> Identity:
        self.asked.append(credential)
        name = credential.removeprefix("session-of-")
        if name not in self.known:
            raise ChatError(ErrorReason.AUTH_INVALID, "the credential is not valid")
        return self.known[name]

    async def socket_token(self, identity: Identity, path: str) -> tuple[str, float]:
        return f"{path} {identity.key_id}", 60.0

    async def redeem(self, token: str, path: str) -> tuple[str, Identity]:
        at, _, name = token.partition(" ")
        if at != path or name not in self.known:
            raise ChatError(ErrorReason.WS_TOKEN_INVALID, "the token is not valid here")
        if token in self.used:
            raise ChatError(ErrorReason.WS_TOKEN_USED, "the token was used before")
        self.used.add(token)
        return f"Bearer session-of-{name}", self.known[name]

    @contextmanager
    def watch(self, identity: Identity, ended: Callable[[ChatError], object]) -> Iterator[None]:
        self._watched[identity.key_id].add(ended)
        try:
            yield
        finally:
            self._watched[identity.key_id].discard(ended)

    def revoke(self, name: str) -> None:
        """Know this one no more."""
        del self.known[name]
        for ended in tuple(self._watched[name]):
            ended(ChatError(ErrorReason.AUTH_REVOKED, "the key was revoked"))


def bearer(credential: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {credential}"}
