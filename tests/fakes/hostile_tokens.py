"""Tokens that must not be believed, by the row of the catalogue of abuse that they are of."""

from __future__ import annotations

import hmac
import json
import string
import time
from collections.abc import Callable
from typing import Any

from fakes.issuer import FakeIssuer, SigningKey, jws

EVIL = SigningKey("evil")


def _none(spelling: str) -> Callable[[FakeIssuer, str], str]:
    return lambda issuer, _: jws({"alg": spelling, "kid": "first"}, issuer.claims(), lambda _: b"")


def _unsigned(issuer: FakeIssuer, _: str) -> str:
    """As libraries write it: the signature is left out, dot and all but it."""
    return jws({"alg": "none"}, issuer.claims(), lambda _: b"x").rpartition(".")[0] + "."


def _confused(algorithm: str) -> Callable[[FakeIssuer, str], str]:
    """Signed with what everybody knows: the public key as the secret of an HMAC."""

    def made(issuer: FakeIssuer, _: str) -> str:
        key = issuer.keys[-1]
        header = {"typ": "JWT", "alg": algorithm, "kid": key.kid}
        return jws(header, issuer.claims(), lambda data: hmac.digest(key.pem, data, f"sha{algorithm[2:]}"))

    return made


def _pointing(**header: object) -> Callable[[FakeIssuer, str], str]:
    """Signed by somebody else, whose key the header brings or says where to find."""

    def made(issuer: FakeIssuer, elsewhere: str) -> str:
        named = {name: elsewhere if value == "URL" else value for name, value in header.items()}
        return issuer.token({"kid": None, **named}, EVIL)

    return made


def _named(kid: object) -> Callable[[FakeIssuer, str], str]:
    return lambda issuer, _: issuer.token({"kid": kid}, EVIL)


def _claiming(**claims: Any) -> Callable[[FakeIssuer, str], str]:
    return lambda issuer, _: issuer.token(**claims)


def _headed(**header: object) -> Callable[[FakeIssuer, str], str]:
    return lambda issuer, _: issuer.token(header)


def _raw(change: Callable[[bytes], bytes], part: str = "payload") -> Callable[[FakeIssuer, str], str]:
    """Rightly signed, over JSON that `change` has spoilt."""

    def made(issuer: FakeIssuer, _: str) -> str:
        key = issuer.keys[-1]
        header = json.dumps({"alg": key.algorithm, "kid": key.kid}).encode()
        payload = json.dumps(issuer.claims()).encode()
        if part == "header":
            return jws(change(header), payload, key.sign)
        return jws(header, change(payload), key.sign)

    return made


def _with(more: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:-1] + b", " + more + b"}"


def _other_last(issuer: FakeIssuer, _: str) -> str:
    token = issuer.token()
    return token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]


def _other_bits(issuer: FakeIssuer, _: str) -> str:
    """The last character of an RSA signature of 2048 bits has four bits more than there are to say."""
    token = issuer.token()
    letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    return token[:-1] + letters[letters.index(token[-1]) + 1]


# What the server's default leeway of 30 s does not make good any more, and what the row says.
TIMES: dict[str, tuple[str, Callable[[FakeIssuer, str], str], str]] = {
    "expired": ("AU07", lambda issuer, _: issuer.token(exp=time.time() - 61), "AUTH_EXPIRED"),
    "not-yet": ("AU07", lambda issuer, _: issuer.token(nbf=time.time() + 120), "AUTH_NOT_YET_VALID"),
    "made-tomorrow": ("AU07", lambda issuer, _: issuer.token(iat=time.time() + 86_400), "AUTH_NOT_YET_VALID"),
}
_INVALID: dict[str, tuple[str, Callable[[FakeIssuer, str], str]]] = {
    **{f"alg-{spelling}": ("AU08", _none(spelling)) for spelling in ("none", "None", "NONE", "nOnE", "none ", "")},
    "alg-left-out": ("AU08", _headed(alg=None)),
    "alg-a-list": ("AU08", _headed(alg=["RS256"])),
    "unsigned": ("AU08", _unsigned),
    **{f"public-key-as-secret-{each}": ("AU09", _confused(each)) for each in ("HS256", "HS384", "HS512")},
    "algorithm-not-configured": ("AU09", _headed(alg="RS512")),
    "algorithm-of-another-type": ("AU09", _headed(alg="ES256")),
    "jku": ("AU10", _pointing(jku="URL")),
    "jku-and-its-kid": ("AU10", _pointing(jku="URL", kid="evil")),
    "jku-and-a-known-kid": ("AU10", _pointing(jku="URL", kid="first")),
    "x5u": ("AU10", _pointing(x5u="URL", kid="evil")),
    "x5c": ("AU10", _pointing(x5c=["MIIB"], kid="evil")),
    "jwk": ("AU10", _pointing(jwk=EVIL.jwk(), kid="evil")),
    "jwk-and-a-known-kid": ("AU10", _pointing(jwk=EVIL.jwk(kid="first"), kid="first")),
    "kid-a-path": ("AU11", _named("../../dev/null")),
    "kid-sql": ("AU11", _named("x' UNION SELECT 'secret'; --")),
    "kid-long": ("AU11", _named("k" * 10_000)),
    "kid-a-number": ("AU11", _named(7)),
    "kid-empty": ("AU11", _named("")),
    "kid-of-another": ("AU11", _named("first")),
    "wrong-aud": ("AU12", _claiming(aud="elsewhere")),
    "aud-a-part": ("AU12", _claiming(aud="think")),
    "aud-others": ("AU12", _claiming(aud=["elsewhere", "thinkaloud2"])),
    "aud-missing": ("AU12", _claiming(aud=None)),
    "wrong-iss": ("AU12", _claiming(iss="https://elsewhere.example")),
    "iss-with-a-slash": ("AU12", lambda issuer, _: issuer.token(iss=issuer.url + "/")),
    "iss-missing": ("AU12", _claiming(iss=None)),
    "iss-a-list": ("AU12", lambda issuer, _: issuer.token(iss=[issuer.url])),
    "sub-missing": ("AU12", _claiming(sub=None)),
    "sub-empty": ("AU12", _claiming(sub="")),
    "sub-a-number": ("AU12", _claiming(sub=7)),
    "exp-missing": ("AU12", _claiming(exp=None)),
    "exp-text": ("AU12", _claiming(exp="9999999999")),
    "exp-true": ("AU12", _claiming(exp=True)),
    "exp-a-huge-number": ("AU12", _raw(lambda data: data.replace(b'"exp": ', b'"exp": 1e999, "was": '))),
    "exp-nan": ("AU12", _raw(lambda data: data.replace(b'"exp": ', b'"exp": NaN, "was": '))),
    "nbf-text": ("AU12", _claiming(nbf="0")),
    "signature-changed": ("AU12", _other_last),
    "typ-of-something-else": ("AU12", _headed(typ="logout+jwt")),
    "crit": ("AU12", _headed(crit=["exp"])),
    "b64": ("AU12", _headed(b64=False)),
    "claim-twice": ("AU13", _raw(_with(b'"sub": "admin"'))),
    "claim-twice-deep": ("AU13", _raw(_with(b'"act": {"sub": "a", "sub": "b"}'))),
    "header-twice": ("AU13", _raw(_with(b'"alg": "RS256"'), "header")),
    "deep": ("AU13", _raw(_with(b'"deep": ' + b"[" * 5_000 + b"]" * 5_000))),
    "deep-header": ("AU13", _raw(_with(b'"deep": ' + b"[" * 5_000 + b"]" * 5_000), "header")),
    "no-constant": ("AU13", _raw(_with(b'"x": NaN'))),
    "not-an-object": ("AU13", _raw(lambda data: b"[" + data + b"]")),
    "not-utf8": ("AU13", _raw(_with(b'"x": "\xff"'))),
    "digits": ("AU13", _raw(_with(b'"x": ' + b"9" * 5_000))),
    "empty-parts": ("AU13", lambda _issuer, _: ".."),
    "bits-that-nobody-reads": ("AU13", _other_bits),
    "more-parts": ("AU13", lambda issuer, _: issuer.token() + ".x"),
    "padding": ("AU13", lambda issuer, _: issuer.token() + "="),
}
HOSTILE = {**{name: (*case, "AUTH_INVALID") for name, case in _INVALID.items()}, **TIMES}
