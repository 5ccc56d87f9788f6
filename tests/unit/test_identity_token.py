"""What tokens of issuers are worth."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from fakes.hostile_tokens import HOSTILE
from fakes.issuer import AUDIENCE, FakeIssuer, SigningKey
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.identity.jwks import keys_of
from thinkaloud_server.identity.token import KNOWN_MAX, TOKEN_BYTES_MAX, Issuer, Tokens, VerifyingKey

ALGORITHMS = ("RS256", "ES256")


class HeldKeys:
    """Satisfies identity.token.IssuerKeys."""

    def __init__(self, *keys: SigningKey) -> None:
        self.asked: list[str | None] = []
        self.hold(*keys)

    def hold(self, *keys: SigningKey) -> None:
        self.held = keys_of(json.dumps({"keys": [key.jwk() for key in keys]}).encode(), ALGORITHMS)

    async def find(self, kid: str | None, algorithm: str) -> VerifyingKey | None:
        self.asked.append(kid)
        return self.held.get((kid or "", algorithm))

    def holds(self, key: VerifyingKey) -> bool:
        return key in self.held.values()


class Trial:
    """An issuer that nothing is asked of, and what believes it."""

    def __init__(self, **settings: Any) -> None:
        self.fake = FakeIssuer()
        self.keys = HeldKeys(*self.fake.keys)
        self.now = 0.0
        issuer = Issuer("corp", self.fake.url, AUDIENCE, ALGORITHMS, self.keys, **settings)
        self.tokens = Tokens([issuer], lambda: self.now or time.time())

    async def verify(self, **claims: Any) -> Identity:
        return await self.tokens.verify(self.fake.token(**claims))

    async def refusal(self, token: str) -> str:
        with pytest.raises(ChatError) as caught:
            await self.tokens.verify(token)
        assert token[:8] not in caught.value.message
        return caught.value.reason.value


async def test_a_token_is_its_caller() -> None:
    expires_at = time.time() + 100
    identity = await Trial(leeway_s=10.0).verify(exp=expires_at)
    assert identity == Identity("corp:alice", "jwt:corp:alice", frozenset({"read", "chat"}), expires_at=expires_at + 10)


@pytest.mark.parametrize(
    ("settings", "claims", "tenant"),
    [
        ({"tenant": "acme"}, {}, "acme"),
        ({"tenant_claim": "org"}, {"org": "acme"}, "corp:acme"),
        ({}, {"sub": "corp:x"}, "corp:corp:x"),
        ({}, {"sub": "ann@example.com"}, "corp:ann@example.com"),
    ],
)
async def test_whose_things_it_sees(settings: dict[str, Any], claims: dict[str, Any], tenant: str) -> None:
    assert (await Trial(**settings).verify(**claims)).tenant == tenant


@pytest.mark.parametrize("value", [None, "", 7, ["acme"], "x" * 257, "a\nb", "a\ud800"])
async def test_a_tenant_that_cannot_be_is_no_caller(value: object) -> None:
    trial = Trial(tenant_claim="org")
    assert await trial.refusal(trial.fake.token(org=value)) == "AUTH_INVALID"


@pytest.mark.parametrize(
    ("settings", "claims", "scopes"),
    [
        ({}, {"scope": "read openid chat"}, {"read", "chat"}),
        ({}, {"scope": ["read", 7, "admin"]}, {"read", "admin"}),
        ({}, {"scope": None}, set()),
        ({}, {"scope": {"read": True}}, set()),
        ({}, {"scope": "open Read READ"}, set()),
        ({"scope_claim": "roles"}, {"scope": "read", "roles": ["chat"]}, {"chat"}),
        ({"scope_prefix": "thinkaloud:"}, {"scope": "read thinkaloud:chat xthinkaloud:admin"}, {"chat"}),
        ({"default_scopes": frozenset({"read"})}, {"scope": "openid"}, {"read"}),
        ({"default_scopes": frozenset({"read"})}, {"scope": "chat"}, {"chat"}),
    ],
)
async def test_what_it_may(settings: dict[str, Any], claims: dict[str, Any], scopes: set[str]) -> None:
    assert (await Trial(**settings).verify(**claims)).scopes == scopes


@pytest.mark.parametrize("subject", ["s" * 200, "Jürgen", "a\nb", "#" + "0" * 32, "\ud800"])
async def test_a_subject_that_is_long_or_strange_is_shown_by_its_hash(subject: str) -> None:
    identity = await Trial(tenant="acme").verify(sub=subject)
    assert identity.key_id.startswith("jwt:corp:#")
    assert len(identity.key_id) == len("jwt:corp:#") + 32
    assert subject not in identity.key_id


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
async def test_keys_and_types_that_are_taken(algorithm: str, kind: str | None) -> None:
    trial = Trial()
    key = SigningKey("other", algorithm)
    trial.keys.hold(key)
    assert (await trial.tokens.verify(trial.fake.token({"typ": kind}, key))).tenant == "corp:alice"


@pytest.mark.parametrize(
    "claims",
    [
        lambda now: {"aud": ["elsewhere", AUDIENCE]},
        lambda now: {"exp": now - 29},
        lambda now: {"nbf": now + 29},
        lambda now: {"iat": None},
        lambda now: {"exp": int(now) + 10**9},
    ],
    ids=["one-of-audiences", "within-leeway", "nearly", "without-iat", "far"],
)
async def test_what_is_just_good_enough(claims: Callable[[float], dict[str, Any]]) -> None:
    assert (await Trial().verify(**claims(time.time()))).tenant == "corp:alice"


@pytest.mark.parametrize(("row", "make", "reason"), HOSTILE.values(), ids=HOSTILE)
async def test_what_must_not_be_believed(row: str, make: Callable[[FakeIssuer, str], str], reason: str) -> None:
    trial = Trial()
    token = make(trial.fake, "http://elsewhere.example/keys")
    began = time.perf_counter()
    assert await trial.refusal(token) == reason, row
    assert time.perf_counter() - began < 0.05
    assert len(trial.keys.asked) <= 1


async def test_a_token_of_an_unconfigured_algorithm_asks_for_no_key() -> None:
    trial = Trial()
    for algorithm in ("none", "HS256", "RS512"):
        await trial.refusal(trial.fake.token({"alg": algorithm}))
    assert trial.keys.asked == []


@pytest.mark.parametrize("size", [TOKEN_BYTES_MAX + 1, 1_000_000])
async def test_what_is_too_large_is_not_looked_at(size: int) -> None:
    trial = Trial()
    token = trial.fake.token(padding="x" * size)
    began = time.perf_counter()
    assert await trial.refusal(token) == "AUTH_INVALID"
    assert time.perf_counter() - began < 0.05
    assert trial.keys.asked == []


async def test_a_known_token_is_not_checked_again_until_it_expires() -> None:
    trial = Trial(leeway_s=10.0)
    trial.now = time.time()
    token = trial.fake.token(exp=trial.now + 100)
    first = await trial.tokens.verify(token)
    assert await trial.tokens.verify(token) is first
    assert len(trial.keys.asked) == 1
    trial.now += 109
    assert await trial.tokens.verify(token) is first
    trial.now += 2
    assert [await trial.refusal(token) for _ in range(2)] == ["AUTH_EXPIRED"] * 2


async def test_a_known_token_ends_with_its_key() -> None:
    trial = Trial()
    token = trial.fake.token()
    await trial.tokens.verify(token)
    trial.keys.hold(SigningKey("second"))
    assert await trial.refusal(token) == "AUTH_INVALID"


async def test_of_known_tokens_the_longest_unused_are_forgotten() -> None:
    trial = Trial()
    key = SigningKey("quick", "ES256")
    trial.keys.hold(key)
    first = trial.fake.token(key=key)
    await trial.tokens.verify(first)
    for number in range(KNOWN_MAX):
        if number == KNOWN_MAX // 2:
            await trial.tokens.verify(first)
        await trial.tokens.verify(trial.fake.token(key=key, sub=str(number)))
    asked = len(trial.keys.asked)
    await trial.tokens.verify(first)
    assert len(trial.keys.asked) == asked
    assert len(trial.tokens) == KNOWN_MAX


async def test_each_issuer_speaks_for_its_own_callers() -> None:
    ours, theirs = FakeIssuer(), FakeIssuer()
    theirs.keys = [SigningKey("theirs")]
    ours.server.port, theirs.server.port = 1, 2
    tokens = Tokens(
        [
            Issuer(name, each.url, AUDIENCE, ALGORITHMS, HeldKeys(*each.keys))
            for name, each in (("ours", ours), ("theirs", theirs))
        ],
        time.time,
    )
    assert {(await tokens.verify(each.token())).tenant for each in (ours, theirs)} == {"ours:alice", "theirs:alice"}
    with pytest.raises(ChatError, match="not valid"):
        await tokens.verify(ours.token(key=theirs.keys[0]))
