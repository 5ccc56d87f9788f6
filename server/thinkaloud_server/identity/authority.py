"""What credentials are worth: API keys, the sessions of WebSockets, and tokens of issuers.

Keys are looked up in memory, so that a call costs a hash and no wait. A key that is not there and one with a wrong
character are answered alike after the same work.

But for one look: a key whose id nobody knows may have been made a moment ago, so the file is looked at, for all callers
together a few times a second. That can be measured, and tells that an id is not in use. It is no secret: ids stand in
lists and logs, are 60 random bits of their own, and open nothing. A wrong key with a known id is never looked for, so
nothing is told of what must not be guessed; and a guess counts as a failure of its address (rpc/throttle.py).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.key import Key
from thinkaloud_server.identity.key import KEY_BYTES_MAX, PREFIX, derived, hashed, is_formed, key_id_of
from thinkaloud_server.identity.signed import (
    SESSION_PREFIX,
    Claim,
    Signer,
    SocketClaim,
    session_claim,
    session_token,
    socket_claim,
)
from thinkaloud_server.identity.watch import Ended, Watches, expired, revoked

SOCKET_TOKEN_S = 60.0
# No socket is held longer than this without asking anew: a session is nowhere kept, and only its key can be revoked.
SESSION_S = 12 * 3600.0
_NO_HASH = bytes(32)


class Keys(Protocol):
    """The keys that there are, in memory, and the tokens that were used."""

    def find(self, key_id: str) -> Key | None: ...

    async def look(self) -> None:
        """Take notice of what was made or revoked just now, unless that was done a moment ago."""

    def used(self, key_id: str) -> None:
        """Note that a key was used; kept now and then."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Say when keys were made or revoked."""

    async def spend(self, nonce: str, expires_at: float) -> bool:
        """True for the first to spend it, on any replica that shares the file."""


class TokenVerifier(Protocol):
    """Knows the tokens of configured issuers."""

    async def verify(self, token: str) -> Identity:
        """Whom the token speaks for. Its `key_id` must not begin like a key's, and its `expires_at` be when calls
        with it are refused.

        Raises ChatError: AUTH_INVALID, AUTH_EXPIRED, AUTH_NOT_YET_VALID; UPSTREAM_ERROR where it cannot be known now.
        """


class Authority:
    """Satisfies rpc.identify.Authenticator."""

    def __init__(
        self,
        *,
        keys: Keys,
        pepper: bytes,
        verifier: TokenVerifier | None,
        now: Callable[[], float],
        new_nonce: Callable[[], str],
    ) -> None:
        self._keys = keys
        self._secret = derived(pepper, "key")
        self._sockets = Signer(derived(pepper, "socket token"))
        self._sessions = Signer(derived(pepper, "session"))
        self._verifier = verifier
        self._now = now
        self._new_nonce = new_nonce
        self._watches = Watches(now)
        keys.subscribe(lambda: self._watches.end(self._gone))

    async def identify(self, credential: str) -> Identity:
        """The caller who sent this credential."""
        if credential.startswith(PREFIX):
            if is_formed(credential) and self._keys.find(key_id_of(credential)) is None:
                await self._keys.look()
            return self._of_key(credential)
        if credential.startswith(SESSION_PREFIX):
            return self._of_session(credential)
        if self._verifier is None:
            raise _invalid()
        identity = await self._verifier.verify(credential)
        if identity.key_id.startswith(PREFIX):
            raise _invalid()
        return identity

    async def socket_token(self, identity: Identity, path: str) -> tuple[str, float]:
        """A token that opens a WebSocket at this path, once, within a minute."""
        expires_at = self._until(identity, SOCKET_TOKEN_S)
        said = SocketClaim(_claim_of(identity), path, expires_at, self._new_nonce())
        return self._sockets.sign(said), expires_at

    async def redeem(self, token: str, path: str) -> tuple[str, Identity]:
        """The `authorization` for the calls of the socket that this token opens, and who calls."""
        said = socket_claim(self._sockets, token)
        if said is None or not hmac.compare_digest(said.path.encode(), path.encode()):
            raise ChatError(ErrorReason.WS_TOKEN_INVALID, "the token does not open this WebSocket: ask for another")
        if said.expires_at <= self._now():
            raise ChatError(ErrorReason.WS_TOKEN_INVALID, "the token has expired: ask for another")
        self._identity_of(said.claim)
        if not await self._keys.spend(said.nonce, said.expires_at):
            raise ChatError(ErrorReason.WS_TOKEN_USED, "the token was used before: ask for another")
        identity = self._identity_of(said.claim)
        identity = replace(identity, expires_at=self._until(identity, SESSION_S))
        return f"Bearer {session_token(self._sessions, _claim_of(identity))}", identity

    def watch(self, identity: Identity, ended: Ended) -> AbstractContextManager[None]:
        """While this is entered, `ended` is called, once, when the caller's credential is revoked or expires."""
        return self._watches.watch(identity, ended)

    def _of_key(self, text: str) -> Identity:
        if len(text) > KEY_BYTES_MAX:
            raise _invalid()
        key = self._keys.find(key_id_of(text))
        if not hmac.compare_digest(hashed(self._secret, text), _NO_HASH if key is None else key.hash) or key is None:
            raise _invalid()
        self._check_live(key)
        self._keys.used(key.key_id)
        return key.identity

    def _of_session(self, credential: str) -> Identity:
        claim = session_claim(self._sessions, credential)
        if claim is None:
            raise _invalid()
        return self._identity_of(claim)

    def _identity_of(self, claim: Claim) -> Identity:
        """Whom it speaks for, while that is still so."""
        if claim.expires_at and claim.expires_at <= self._now():
            raise expired()
        if claim.identity is not None:
            return claim.identity
        key = self._keys.find(claim.key_id)
        if key is None:
            raise revoked()
        self._check_live(key)
        return replace(key.identity, expires_at=claim.expires_at)

    def _check_live(self, key: Key) -> None:
        if key.revoked_at:
            raise revoked()
        if key.identity.expires_at and key.identity.expires_at <= self._now():
            raise expired()

    def _gone(self, key_id: str) -> bool:
        if not key_id.startswith(PREFIX):
            return False
        key = self._keys.find(key_id)
        return key is None or key.revoked_at > 0

    def _until(self, identity: Identity, most_s: float) -> float:
        latest = self._now() + most_s
        return min(latest, identity.expires_at) if identity.expires_at else latest


def _claim_of(identity: Identity) -> Claim:
    if identity.key_id.startswith(PREFIX):
        return Claim(identity.key_id, identity.expires_at)
    return Claim(identity.key_id, identity.expires_at, identity)


def _invalid() -> ChatError:
    return ChatError(ErrorReason.AUTH_INVALID, "the credential is not valid")
