"""An issuer of tokens on a real socket: its configuration, its keys, and the endpoints that give tokens.

    async with FakeIssuer() as issuer:
        ... configure `issuer.section()`, call with `issuer.token(sub="alice")` ...
    assert issuer.asked("/keys") == 1

`rotate` gives it a new key, `trouble` is answered in place of everything. `granted` is what the token endpoint answers,
one after another, the last one again and again: claims of a token, or the name of an OAuth error.
"""

from __future__ import annotations

import base64
import functools
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fakes.certified import Pair
from fakes.provider import FakeProvider, Reply, Request

AUDIENCE = "thinkaloud"
DEAD = Reply(raw=b"", ending="reset")

Sign = Callable[[bytes], bytes]


@functools.cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same for the same name: making one takes its time."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@functools.cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class SigningKey:
    kid: str
    algorithm: str = "RS256"

    @property
    def private(self) -> Any:
        return ec_key(self.kid) if self.algorithm.startswith("ES") else rsa_key(self.kid)

    @property
    def pem(self) -> bytes:
        """The public key, as anybody may have it."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        public: bytes = self.private.public_key().public_bytes(serialization.Encoding.PEM, form)
        return public

    def sign(self, data: bytes) -> bytes:
        return jwt.get_algorithm_by_name(self.algorithm).sign(data, self.private)

    def jwk(self, **members: Any) -> dict[str, Any]:
        to_jwk: Any = jwt.get_algorithm_by_name(self.algorithm)
        return {**to_jwk.to_jwk(self.private.public_key(), as_dict=True), "kid": self.kid, "use": "sig", **members}


def jws(header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, sign: Sign) -> str:
    """A token of any header and payload; bytes are taken as they are."""
    parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, payload)]
    signed = b".".join(map(_encoded, parts))
    return (signed + b"." + _encoded(sign(signed))).decode()


class FakeIssuer:
    """The issuer. Its address is another one each time, unless it is entered again."""

    def __init__(self, certificate: Pair | None = None) -> None:
        self.keys = [SigningKey("first")]
        self.trouble: Reply | None = None
        self.jwks: Mapping[str, Any] | None = None
        self.claimed_issuer = ""
        self.granted: list[Mapping[str, Any] | str] = [{}]
        self.device: dict[str, Any] = {"interval": 0}
        self.forms: list[dict[str, str]] = []
        self.scheme, tls = "http", None
        if certificate is not None:
            self.scheme, tls = "https", ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(certificate.certificate, certificate.key)
        self.server = FakeProvider(script=self._answer, tls=tls)

    async def __aenter__(self) -> FakeIssuer:
        await self.server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.port}"

    def section(self, **given: Any) -> dict[str, Any]:
        """[identity.issuers.NAME] for it."""
        return {"issuer": self.url, "audience": AUDIENCE, **given}

    def asked(self, path: str) -> int:
        """How often."""
        return sum(request.path == path for request in self.server.requests)

    def rotate(self, kid: str, algorithm: str = "RS256") -> None:
        """From now on another key."""
        self.keys = [SigningKey(kid, algorithm)]

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Good ones, but for these; None leaves one out."""
        now = time.time()
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "alice", "scope": "read chat", "iat": now, "exp": now + 300}
        return {name: value for name, value in {**good, **claims}.items() if value is not None}

    def token(self, header: Mapping[str, Any] | None = None, key: SigningKey | None = None, **claims: Any) -> str:
        """A good token but for what is said here."""
        key = key or self.keys[-1]
        plain = {"typ": "JWT", "alg": key.algorithm, "kid": key.kid, **(header or {})}
        kept = {name: value for name, value in plain.items() if value is not None}
        return jws(kept, self.claims(**claims), key.sign)

    def _answer(self, request: Request) -> Reply:
        if self.trouble is not None:
            return self.trouble
        match request.method, request.path:
            case "GET", "/.well-known/openid-configuration":
                return said(self._configuration())
            case "GET", "/keys":
                return said(self.jwks if self.jwks is not None else {"keys": [key.jwk() for key in self.keys]})
            case "POST", "/device":
                self.forms.append(dict(parse_qsl(request.body.decode())))
                return said(self._device())
            case "POST", "/token":
                self.forms.append(dict(parse_qsl(request.body.decode())))
                granted = self.granted.pop(0) if len(self.granted) > 1 else self.granted[0]
                return said({"error": granted}, 400) if isinstance(granted, str) else said(self._tokens(granted))
        return said({"error": "not_found"}, 404)

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.claimed_issuer or self.url,
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device",
        }

    def _device(self) -> dict[str, Any]:
        page = f"{self.url}/activate"
        whole = {"verification_uri": page, "verification_uri_complete": f"{page}?user_code=WDJB-MJHT"}
        return {"device_code": "device-code", "user_code": "WDJB-MJHT", "expires_in": 600, **whole, **self.device}

    def _tokens(self, claims: Mapping[str, Any]) -> dict[str, Any]:
        token = self.token(**claims)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": round(self.claims(**claims)["exp"] - time.time()),
            "refresh_token": f"refresh-{len(self.forms)}",
        }


def said(body: Mapping[str, Any], status: int = 200) -> Reply:
    return Reply((json.dumps(body).encode(),), status=status, content_type="application/json", framing="length")


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
