"""Short tokens that say by themselves whom they speak for: any replica that has the pepper can read them.

A socket token opens one WebSocket, once; what opens it is exchanged for a session credential, with which the calls of
that socket are made. Neither outlives what it was made from, and a key's are worth nothing once the key is revoked.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TypeVar

import msgspec

from thinkaloud_server.core.identity import Identity

SESSION_PREFIX = "ts_"
# A session carries an identity, which may list models.
TOKEN_BYTES_MAX = 8 * 1024


class Claim(msgspec.Struct, array_like=True, frozen=True):
    """Whom a token speaks for: a key of ours, which is looked up, or an identity that only its issuer knows.

    `expires_at` is when the credential that it was made with ends, 0 for never.
    """

    key_id: str
    expires_at: float
    identity: Identity | None = None


class SocketClaim(msgspec.Struct, array_like=True, frozen=True):
    """What a socket token says; `nonce` is spent when it is used."""

    claim: Claim
    path: str
    expires_at: float
    nonce: str


class Signer:
    """Signs for one purpose, with the secret that was derived for it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, said: msgspec.Struct) -> str:
        """The token that says this."""
        text = _encoded(msgspec.json.encode(said))
        return f"{text}.{self._signature(text)}"

    def read(self, token: str) -> bytes | None:
        """What a token says, as JSON; None for one that was not signed here for this."""
        text, _, signature = token.rpartition(".")
        if len(token) > TOKEN_BYTES_MAX or not token.isascii():
            return None
        # The text of the signature is compared, of which other texts than its own would decode alike.
        if not hmac.compare_digest(self._signature(text), signature):
            return None
        try:
            return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return None

    def _signature(self, text: str) -> str:
        return _encoded(hmac.digest(self._secret, text.encode(), "sha256"))


Said = TypeVar("Said", Claim, SocketClaim)

_claims = msgspec.json.Decoder(Claim)
_socket_claims = msgspec.json.Decoder(SocketClaim)


def session_token(signer: Signer, claim: Claim) -> str:
    """The credential for the calls of one socket."""
    return SESSION_PREFIX + signer.sign(claim)


def session_claim(signer: Signer, credential: str) -> Claim | None:
    """Whom a session credential speaks for; None for a bad one."""
    return _read(signer, credential.removeprefix(SESSION_PREFIX), _claims)


def socket_claim(signer: Signer, token: str) -> SocketClaim | None:
    """What a socket token says; None for a bad one."""
    return _read(signer, token, _socket_claims)


def _read(signer: Signer, token: str, decoder: msgspec.json.Decoder[Said]) -> Said | None:
    said = signer.read(token)
    try:
        return None if said is None else decoder.decode(said)
    except msgspec.MsgspecError:
        return None  # by a release whose tokens say other things


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
