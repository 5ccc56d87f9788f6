"""Keys of an issuer: when they are fetched, and what is made of what it answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest

from fakes.clock import FakeClock
from fakes.issuer import DEAD, FakeIssuer, SigningKey, rsa_key, said
from fakes.provider import Gate, Reply
from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.identity.jwks import (
    ANSWER_BYTES_MAX,
    DISCOVERY,
    FIRST_REFETCH_S,
    KEYS_MAX,
    REFETCH_S,
    REFRESH_S,
    Jwk,
    Jwks,
    keys_of,
)
from thinkaloud_server.identity.token import ALGORITHMS

EVERY = tuple(ALGORITHMS)


class Trial:
    """An issuer, and its keys as they are known here."""

    def __init__(self, issuer: FakeIssuer, client: httpx.AsyncClient, *, discovers: bool = True) -> None:
        self.issuer = issuer
        self.clock = FakeClock()
        self.problems: list[str] = []
        self.jwks = Jwks(
            issuer=issuer.url,
            url="" if discovers else f"{issuer.url}/keys",
            algorithms=("RS256", "ES256"),
            client=client,
            monotonic=self.clock.monotonic,
            failed=self.problems.append,
        )

    async def key(self, kid: str | None = "first", algorithm: str = "RS256") -> Jwk | None:
        return await self.jwks.find(kid, algorithm)

    async def unavailable(self) -> str:
        with pytest.raises(ChatError) as caught:
            await self.key()
        return caught.value.reason.value


@pytest.fixture
async def trial() -> AsyncIterator[Trial]:
    async with FakeIssuer() as issuer, httpx.AsyncClient() as client:
        trial = Trial(issuer, client)
        yield trial
        await trial.jwks.close()


async def test_a_key_is_fetched_once_and_kept(trial: Trial) -> None:
    for _ in range(3):
        found = await trial.key()
        assert found is not None
        assert found.verifies(b"said", trial.issuer.keys[0].sign(b"said"))
        assert not found.verifies(b"said", SigningKey("evil").sign(b"said"))
        assert not found.verifies(b"said", b"")
    assert trial.issuer.asked(DISCOVERY) == trial.issuer.asked("/keys") == 1


async def test_an_address_that_is_said_is_asked_at_once() -> None:
    async with FakeIssuer() as issuer, httpx.AsyncClient() as client:
        trial = Trial(issuer, client, discovers=False)
        assert await trial.key()
        assert issuer.asked(DISCOVERY) == 0


async def test_a_new_key_is_known_at_its_first_use_but_nobody_makes_us_ask_more_than_once_a_minute(
    trial: Trial,
) -> None:
    await trial.key()
    trial.issuer.rotate("second")
    trial.clock.advance(REFETCH_S - 1)
    for number in range(50):
        assert await trial.key(f"unknown-{number}") is None
    assert await trial.key("second") is None
    assert trial.issuer.asked("/keys") == 1
    trial.clock.advance(1)
    assert await trial.key("second") is not None
    assert await trial.key("first") is None
    assert trial.issuer.asked("/keys") == 2


async def test_all_who_wait_wait_for_one_fetch_that_outlives_who_began_it(trial: Trial) -> None:
    gate = Gate()
    jwks = {"keys": [trial.issuer.keys[0].jwk()]}
    trial.issuer.server.answer(
        said({"issuer": trial.issuer.url, "jwks_uri": f"{trial.issuer.url}/keys"}),
        replace(said(jwks), hold=gate),
    )
    waiting = [asyncio.ensure_future(trial.key()) for _ in range(20)]
    await gate.reached.wait()
    waiting[0].cancel()
    gate.open()
    found = await asyncio.gather(*waiting[1:])
    assert all(found)
    assert trial.issuer.asked("/keys") == 1


async def test_a_key_that_the_issuer_took_back_is_forgotten_and_nobody_waits_for_that(trial: Trial) -> None:
    before = await trial.key()
    assert before is not None
    assert trial.jwks.holds(before)
    trial.issuer.rotate("second")
    trial.clock.advance(REFRESH_S)
    assert await trial.key() is before
    await trial.issuer.server.wait_requests(4)
    async with asyncio.timeout(5):
        while trial.jwks.holds(before):  # noqa: ASYNC110 - a fetch tells nobody when it is done
            await asyncio.sleep(0)
    assert await trial.key() is None


async def test_a_key_that_is_still_there_after_a_fetch_is_the_same(trial: Trial) -> None:
    before = await trial.key()
    assert before is not None
    trial.clock.advance(REFETCH_S)
    await trial.key("unknown")
    assert await trial.key() is not before
    assert trial.jwks.holds(before)


async def test_while_the_issuer_is_down_its_keys_go_on_being_good(trial: Trial) -> None:
    before = await trial.key()
    for trouble in (DEAD, Reply(status=500), said({"keys": []}), Reply((b"<html>",))):
        trial.issuer.trouble = trouble
        trial.clock.advance(REFRESH_S)
        assert await trial.key("unknown") is None
        assert await trial.key() is before
    assert len(trial.problems) == 4


async def test_an_issuer_that_was_never_up_is_asked_again_soon(trial: Trial) -> None:
    trial.issuer.trouble = DEAD
    assert [await trial.unavailable() for _ in range(3)] == ["UPSTREAM_ERROR"] * 3
    assert len(trial.problems) == 1
    trial.issuer.trouble = None
    trial.clock.advance(FIRST_REFETCH_S)
    assert await trial.key()


@pytest.mark.parametrize(
    ("trouble", "problem"),
    [
        (Reply(status=302, headers=(("location", "http://127.0.0.1:9/"),)), "status 302"),
        (Reply(status=503), "status 503"),
        (said({"issuer": "https://elsewhere.example"}), "another issuer's"),
        (Reply((b"[" * 100_000,)), "not JSON"),
        (Reply((b"[]",)), "not a JSON object"),
        (Reply((b"{}" + b" " * ANSWER_BYTES_MAX,)), f"more than {ANSWER_BYTES_MAX} bytes"),
        (Reply((b"x" * 65_536,) * 100), f"more than {ANSWER_BYTES_MAX} bytes"),
    ],
    ids=["moved", "ill", "another", "deep", "list", "large", "endless"],
)
async def test_what_is_no_configuration_is_said(trial: Trial, trouble: Reply, problem: str) -> None:
    trial.issuer.trouble = trouble
    assert await trial.unavailable() == "UPSTREAM_ERROR"
    assert problem in trial.problems[0]


@pytest.mark.parametrize("url", ["http://elsewhere.example/keys", "file:///etc/passwd", 7, None])
async def test_keys_are_fetched_from_nowhere_that_others_may_change(trial: Trial, url: object) -> None:
    trial.issuer.trouble = said({"issuer": trial.issuer.url, "jwks_uri": url})
    await trial.unavailable()
    assert "no jwks_uri with https" in trial.problems[0]


async def test_closing_ends_a_fetch() -> None:
    async with FakeIssuer() as issuer, httpx.AsyncClient() as client:
        trial = Trial(issuer, client)
        issuer.trouble = Reply(ending="hang")
        waiting = asyncio.ensure_future(trial.key())
        await issuer.server.wait_requests(1)
        await trial.jwks.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting


def read(*listed: Any, algorithms: tuple[str, ...] = EVERY) -> set[tuple[str, str]]:
    return set(keys_of(json.dumps({"keys": listed}).encode(), algorithms))


to_jwk: Any = jwt.algorithms.RSAAlgorithm.to_jwk
RSA = SigningKey("r").jwk()
EC = SigningKey("e", "ES256").jwk()
PRIVATE = {**to_jwk(SigningKey("r").private, as_dict=True), "kid": "r"}
RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


@pytest.mark.parametrize(
    ("listed", "algorithms"),
    [
        (RSA, RSA_ALGORITHMS),
        ({**RSA, "alg": "RS256"}, {"RS256"}),
        ({**RSA, "key_ops": ["verify"]}, RSA_ALGORITHMS),
        (EC, {"ES256"}),
        ({**EC, "crv": "P-384"}, set()),
        ({**RSA, "use": "enc"}, set()),
        ({**RSA, "key_ops": ["encrypt"]}, set()),
        ({**RSA, "alg": "HS256"}, set()),
        ({**RSA, "kid": 7}, set()),
        ({**RSA, "n": "!"}, set()),
        (PRIVATE, set()),
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "o"}, set()),
        ({"kty": "RSA"}, set()),
        ("text", set()),
    ],
)
def test_a_key_is_good_for_what_it_fits(listed: Any, algorithms: set[str]) -> None:
    other = SigningKey("other", "ES256").jwk()
    assert {algorithm for kid, algorithm in read(listed, other) if kid != "other"} == algorithms


def test_a_short_key_is_none() -> None:
    short = {**to_jwk(rsa_key("short", 1024).public_key(), as_dict=True), "kid": "short"}
    assert read(short, EC) == {("e", "ES256")}


def test_of_endless_keys_the_first_count() -> None:
    listed = [{**EC, "kid": str(number)} for number in range(KEYS_MAX + 5)]
    assert len(read(*listed)) == KEYS_MAX


@pytest.mark.parametrize("data", [b"", b"{}", b'{"keys": {}}', b'{"keys": []}', b'{"keys": [{"kty": "oct"}]}'])
def test_what_holds_no_keys_is_no_answer(data: bytes) -> None:
    with pytest.raises(ValueError):
        keys_of(data, EVERY)


async def test_a_token_without_kid_has_the_only_key_that_fits(trial: Trial) -> None:
    await trial.key()
    assert await trial.key(None)
    trial.issuer.keys.append(SigningKey("second"))
    trial.clock.advance(REFETCH_S)
    await trial.key("second")
    assert await trial.key(None) is None
