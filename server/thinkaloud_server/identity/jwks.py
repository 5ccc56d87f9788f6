"""The public keys of an issuer (JWKS, RFC 7517): fetched when they are needed, kept, and fetched anew.

Theory of operation. Nobody waits for a key that is known. One that is not known may be new: the keys are fetched anew,
but at most once a minute whatever tokens name, and all who wait then wait for one fetch, which goes on when one of
them leaves. Old keys are fetched anew in the background, so that those the issuer took back are forgotten; while it
does not answer, or not with keys, those that were go on being good: an issuer that is down must not lock everybody out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.url import is_safe
from thinkaloud_server.identity.token import ALGORITHMS, VerifyingKey

REFETCH_S = 60.0
# While there is no key at all nobody can call: then a minute is long.
FIRST_REFETCH_S = 5.0
REFRESH_S = 600.0
FETCH_S = 5.0
ANSWER_BYTES_MAX = 256 * 1024
KEYS_MAX = 100
RSA_BITS_MIN = 2048
DISCOVERY = "/.well-known/openid-configuration"

Keys = Mapping[tuple[str, str], "Jwk"]


@dataclass(frozen=True, slots=True)
class Jwk:
    """Satisfies token.VerifyingKey. Two that were fetched at different times are equal when they are the same key."""

    kid: str
    algorithm: str
    text: str
    key: jwt.PyJWK = field(compare=False, repr=False)

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        return self.key.Algorithm.verify(signed, self.key.key, signature)


class Jwks:
    """Satisfies token.IssuerKeys. Used from one event loop; `close()` it at the end, and the client after it.

    `url` is where the keys are; "" where the issuer says so itself. `failed` is told why a fetch came to nothing.
    """

    def __init__(
        self,
        *,
        issuer: str,
        url: str,
        algorithms: Iterable[str],
        client: httpx.AsyncClient,
        monotonic: Callable[[], float],
        failed: Callable[[str], object],
    ) -> None:
        self._issuer = issuer
        self._url = url
        self._algorithms = tuple(algorithms)
        self._client = client
        self._monotonic = monotonic
        self._failed = failed
        self._keys: Keys = {}
        self._began_at = self._fetched_at = -REFRESH_S
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> Jwk | None:
        found = self._look(kid, algorithm)
        if found is not None:
            if self._monotonic() - self._fetched_at >= REFRESH_S and self._may_fetch:
                self._fetch()
            return found
        if self._fetching is not None or self._may_fetch:
            await asyncio.shield(self._fetch())
            found = self._look(kid, algorithm)
        if not self._keys:
            raise ChatError(ErrorReason.UPSTREAM_ERROR, "the keys of the token's issuer cannot be had: try again later")
        return found

    def holds(self, key: VerifyingKey) -> bool:
        return isinstance(key, Jwk) and self._keys.get((key.kid, key.algorithm)) == key

    async def close(self) -> None:
        """End a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetching

    @property
    def _may_fetch(self) -> bool:
        return self._monotonic() - self._began_at >= (REFETCH_S if self._keys else FIRST_REFETCH_S)

    def _look(self, kid: str | None, algorithm: str) -> Jwk | None:
        if kid is not None:
            return self._keys.get((kid, algorithm))
        fitting = [key for key in self._keys.values() if key.algorithm == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    def _fetch(self) -> asyncio.Task[None]:
        """The fetch that is under way, or a new one."""
        if self._fetching is None:
            self._began_at = self._monotonic()
            self._fetching = asyncio.create_task(self._fetched())
        return self._fetching

    async def _fetched(self) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                url = self._url or await self._discovered()
                self._keys = keys_of(await self._get(url), self._algorithms)
            self._fetched_at = self._monotonic()
        except TimeoutError:
            self._failed(f"no answer within {FETCH_S:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            self._failed(str(error) or type(error).__name__)
        finally:
            self._fetching = None

    async def _discovered(self) -> str:
        """OpenID Connect Discovery 1.0, 4.3: what is found there must be said by the issuer itself."""
        found = _object(await self._get(self._issuer.rstrip("/") + DISCOVERY))
        if found.get("issuer") != self._issuer:
            raise ValueError("the issuer's configuration is another issuer's")
        url = found.get("jwks_uri")
        if not isinstance(url, str) or not is_safe(url):
            raise ValueError("the issuer's configuration names no jwks_uri with https")
        return url

    async def _get(self, url: str) -> bytes:
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        data = bytearray()
        async with self._client.stream("GET", url, headers=headers, follow_redirects=False) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ValueError(f"{url} answers with status {answer.status_code}")
            # As it comes: what was compressed all the same could be any number of times larger.
            async for piece in answer.aiter_raw():
                data += piece
                if len(data) > ANSWER_BYTES_MAX:
                    raise ValueError(f"{url} answers with more than {ANSWER_BYTES_MAX} bytes")
        return bytes(data)


def keys_of(data: bytes, algorithms: Iterable[str]) -> Keys:
    """The keys that fit these algorithms, by id and algorithm. Raises ValueError where there are none."""
    listed = _object(data).get("keys")
    if not isinstance(listed, list):
        raise ValueError("the answer holds no keys")  # noqa: TRY004 - what came, not what was passed
    found: dict[tuple[str, str], Jwk] = {}
    for each in listed[:KEYS_MAX]:
        for algorithm in algorithms:
            key = _key(each, algorithm)
            if key is not None:
                found.setdefault((key.kid, algorithm), key)
    if not found:
        raise ValueError("the answer holds no key that fits the configured algorithms")
    return found


def _key(listed: object, algorithm: str) -> Jwk | None:
    """This key for this algorithm; None where it is for something else."""
    if not isinstance(listed, dict):
        return None
    kid, uses = listed.get("kid", ""), listed.get("key_ops", ["verify"])
    fits = (listed.get("kty"), listed.get("crv", "")) == ALGORITHMS[algorithm]
    signs = listed.get("use", "sig") == "sig" and isinstance(uses, list) and "verify" in uses
    if not fits or not signs or listed.get("alg", algorithm) != algorithm or "d" in listed or not isinstance(kid, str):
        return None
    try:
        key = jwt.PyJWK(listed, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    if ALGORITHMS[algorithm][0] == "RSA" and key.key.key_size < RSA_BITS_MIN:
        return None
    return Jwk(kid, algorithm, json.dumps(listed, sort_keys=True), key)


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("the answer is not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("the answer is not a JSON object")  # noqa: TRY004 - what came, not what was passed
    return found
