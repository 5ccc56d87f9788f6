"""Tokens of issuers: JWTs (RFC 7519), checked as RFC 8725 says.

What a token may be is said by the configuration and never by the token: its header picks one of the configured
algorithms, and by its `kid` one of the keys that were fetched, which must fit that algorithm. Where a header says that
keys are (`jku`, `x5u`, `x5c`, `jwk`) nobody looks. A token is known by its hash until it expires, so that a call costs
microseconds; one that was not good is checked anew each time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import SCOPES, Identity
from thinkaloud_server.identity.watch import expired

# Algorithm -> the type of its keys, and their curve. None is symmetric: whoever can check such a signature can make it.
ALGORITHMS: Mapping[str, tuple[str, str]] = {
    **{f"{family}{bits}": ("RSA", "") for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
TOKEN_BYTES_MAX = 16 * 1024
KNOWN_MAX = 4096
# What an issuer signs for other purposes (logout, proofs) is no credential: RFC 8725, 3.11.
_TYPES = ("jwt", "at+jwt")
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_TENANT_CHARS_MAX = 256
_SUBJECT_CHARS_MAX = 128


class VerifyingKey(Protocol):
    """A public key of an issuer, for one algorithm."""

    def verifies(self, signed: bytes, signature: bytes) -> bool: ...


class IssuerKeys(Protocol):
    """The keys of one issuer."""

    async def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        """The key of this id that fits this algorithm; without an id the only one that does.

        Raises ChatError(UPSTREAM_ERROR) while no key of the issuer could be fetched.
        """

    def holds(self, key: VerifyingKey) -> bool:
        """Whether it is still one of them."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs tokens, and what is made of them.

    `tenant` is that of all its callers; without one each value of `tenant_claim` is a tenant of its own, `NAME:VALUE`,
    which no key's can be. Scopes are the words of `scope_claim` after `scope_prefix`; a token whose claim has none of
    ours has `default_scopes`.
    """

    name: str
    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    keys: IssuerKeys
    tenant: str = ""
    tenant_claim: str = "sub"
    scope_claim: str = "scope"
    scope_prefix: str = ""
    default_scopes: frozenset[str] = frozenset()
    leeway_s: float = 30.0


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was good."""

    identity: Identity
    issuer: Issuer
    key: VerifyingKey


class Tokens:
    """Satisfies authority.TokenVerifier."""

    def __init__(self, issuers: Iterable[Issuer], now: Callable[[], float]) -> None:
        self._issuers = {each.issuer: each for each in issuers}
        self._now = now
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def __len__(self) -> int:
        """How many it knows."""
        return len(self._known)

    async def verify(self, token: str) -> Identity:
        if len(token) > TOKEN_BYTES_MAX:
            raise _invalid()
        # Never the text itself: what is in memory may end in a dump of it.
        name = hashlib.sha256(token.encode()).digest()
        known = self._known.get(name)
        if known is None or not known.issuer.keys.holds(known.key):
            known = await self._verified(token)
            self._known[name] = known
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        if known.identity.expires_at <= self._now():
            del self._known[name]
            raise expired()
        return known.identity

    async def _verified(self, token: str) -> _Known:
        if _FORM.match(token) is None:
            raise _invalid()
        signed, _, signature = token.rpartition(".")
        header, claims = (_members(_bytes(part)) for part in signed.split("."))
        found = claims.get("iss")
        issuer = self._issuers.get(found) if isinstance(found, str) else None
        if issuer is None:
            raise _invalid()
        algorithm, kid = _picked(header, issuer)
        key = await issuer.keys.find(kid, algorithm)
        if key is None or not key.verifies(signed.encode(), _bytes(signature)):
            raise _invalid()
        return _Known(_identity(claims, issuer, self._now()), issuer, key)


def _picked(header: Mapping[str, Any], issuer: Issuer) -> tuple[str, str | None]:
    """Which of the configured algorithms, and which key."""
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        raise _invalid()
    if not (kid is None or isinstance(kid, str)) or not isinstance(kind, str):
        raise _invalid()
    # `crit` names what a reader must understand or refuse: we understand none.
    if "crit" in header or "b64" in header or kind.lower().removeprefix("application/") not in _TYPES:
        raise _invalid()
    return algorithm, kid


def _identity(claims: Mapping[str, Any], issuer: Issuer, now: float) -> Identity:
    """Whom these claims, which the issuer signed, speak for."""
    subject, audience = claims.get("sub"), claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not isinstance(subject, str) or not subject or issuer.audience not in audiences:
        raise _invalid()
    until = _time(claims, "exp")
    if until is None:
        raise _invalid()
    for claim in ("nbf", "iat"):
        since = _time(claims, claim)
        if since is not None and since > now + issuer.leeway_s:
            raise ChatError(ErrorReason.AUTH_NOT_YET_VALID, "the token is not valid yet: is a clock wrong?")
    return Identity(
        tenant=issuer.tenant or f"{issuer.name}:{_tenant(claims.get(issuer.tenant_claim))}",
        key_id=f"jwt:{issuer.name}:{_shown(subject)}",
        scopes=_scopes(claims.get(issuer.scope_claim), issuer),
        expires_at=until + issuer.leeway_s,
    )


def _time(claims: Mapping[str, Any], name: str) -> float | None:
    """Seconds since the epoch; None where the claim is left out."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid()
    try:
        seconds = float(value)
    except OverflowError:
        raise _invalid() from None
    if not math.isfinite(seconds):
        raise _invalid()
    return seconds


def _tenant(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _TENANT_CHARS_MAX or not value.isprintable():
        raise _invalid()
    return value


def _shown(subject: str) -> str:
    """As it stands in logs: itself, or its hash where it is long or strange. `#` begins hashes alone."""
    if len(subject) <= _SUBJECT_CHARS_MAX and subject.isascii() and subject.isprintable() and subject[0] != "#":
        return subject
    return "#" + hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _scopes(claimed: object, issuer: Issuer) -> frozenset[str]:
    words = claimed.split() if isinstance(claimed, str) else claimed if isinstance(claimed, list) else []
    prefix = issuer.scope_prefix
    named = {word[len(prefix) :] for word in words if isinstance(word, str) and word.startswith(prefix)}
    return frozenset(named.intersection(SCOPES)) or issuer.default_scopes


def _bytes(text: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise _invalid() from None
    # One text for one token: another whose last bits nobody reads would be another name of it.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text.encode():
        raise _invalid()
    return data


def _members(data: bytes) -> dict[str, Any]:
    """A JSON object that says nothing twice (readers differ in which of the two counts)."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _invalid() from None
    if not isinstance(found, dict):
        raise _invalid()
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("said twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _invalid() -> ChatError:
    return ChatError(ErrorReason.AUTH_INVALID, "the credential is not valid")
