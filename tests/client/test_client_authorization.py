"""Credentials that renew themselves, by themselves and before a whole server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.chat_wire import chat_reply
from fakes.clock import FakeClock
from fakes.issuer import FakeIssuer
from fakes.provider import FakeProvider, Gate
from fakes.whole import ASKING, whole_server
from thinkaloud import AuthError, Client, ClientCredentials, Complete, SyncClient, UnavailableError
from thinkaloud.authorization import EARLY_S, UNSAID_S, Authorization, Renewing
from thinkaloud.endpoint import endpoint
from thinkaloud.errors import ThinkaloudError
from thinkaloud.oauth import Granted

EXPIRED = AuthError("it has expired", code="AUTH_EXPIRED")


class Source:
    """Gives numbered tokens."""

    def __init__(self, lives_s: float = 300.0) -> None:
        self.asked = 0
        self.lives_s = lives_s
        self.failure: ThinkaloudError | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> Granted:
        self.asked += 1
        assert self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        return Granted(f"token-{self.asked}", expires_in_s=self.lives_s)


def test_a_token_is_used_until_shortly_before_its_end() -> None:
    source, clock = Source(), FakeClock()
    renewing = Renewing(source, clock.monotonic)
    assert renewing.current() == ""
    assert renewing.renew("") == renewing.current() == "token-1"
    clock.advance(300 - EARLY_S - 1)
    assert renewing.current() == "token-1"
    clock.advance(1)
    assert renewing.current() == ""
    assert renewing.renew("") == "token-2"


@pytest.mark.parametrize(("lives_s", "used_s"), [(10, 8), (0, UNSAID_S - EARLY_S)])
def test_a_short_life_and_an_unsaid_one(lives_s: float, used_s: float) -> None:
    clock = FakeClock()
    renewing = Renewing(Source(lives_s), clock.monotonic)
    renewing.renew("")
    clock.advance(used_s - 0.1)
    assert renewing.current()
    clock.advance(0.2)
    assert not renewing.current()


def test_of_many_threads_one_asks() -> None:
    source = Source()
    source.gate.clear()
    renewing = Renewing(source)
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(renewing.renew, "") for _ in range(20)]
        source.gate.set()
        assert {each.result() for each in waiting} == {"token-1"}
    assert source.asked == 1


def test_what_failed_is_asked_again_by_the_next() -> None:
    source = Source()
    source.failure = UnavailableError("down", code="UNAVAILABLE")
    renewing = Renewing(source)
    with pytest.raises(UnavailableError):
        renewing.renew("")
    source.failure = None
    assert renewing.renew("") == "token-2"


def test_a_key_stays_what_it_is() -> None:
    fixed = Authorization((("authorization", "Bearer tk_x"),), None)
    assert fixed.ready() == (("authorization", "Bearer tk_x"),)
    assert not fixed.outlived(EXPIRED)


def test_a_token_that_the_server_refuses_as_expired_is_not_sent_again() -> None:
    authorization = Authorization((), Renewing(Source()))
    assert authorization.ready() is None
    first = authorization.fetch()
    assert authorization.ready() == first
    assert not authorization.outlived(AuthError("no", code="AUTH_INVALID"))
    assert authorization.outlived(EXPIRED)
    assert authorization.ready() is None
    assert authorization.fetch() == authorization.ready() == (("authorization", "Bearer token-2"),)


def test_credentials_are_held_to_what_keys_are() -> None:
    credentials = Renewing(Source())
    with pytest.raises(ValueError, match="keep one of them"):
        endpoint("localhost", api_key="tk_x", credentials=credentials)
    with pytest.raises(ValueError, match="would travel unencrypted"):
        endpoint("chat.example", credentials=credentials)
    found = endpoint("https://chat.example", credentials=credentials, environment={"THINKALOUD_API_KEY": "tk_x"})
    assert (found.metadata, found.credentials) == ((), credentials)
    with pytest.raises(ValueError, match="token_url: expected an https URL"):
        ClientCredentials("http://login.example/token", "me", "secret")
    with pytest.raises(ValueError, match=r"ca_file: .*: No such file"):
        ClientCredentials("https://login.example/token", "me", "secret", ca_file="/nowhere/ca.pem")
    with pytest.raises(ValueError, match="holds no certificate"):
        ClientCredentials("https://login.example/token", "me", "secret", ca_file=__file__)


# Before a server that believes an issuer.


@dataclass(frozen=True, slots=True)
class House:
    address: str
    issuer: FakeIssuer
    gate: Gate

    def options(self, **given: Any) -> dict[str, Any]:
        """A client's."""
        return {"credentials": ClientCredentials(f"{self.issuer.url}/token", "me", "secret", **given)}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    gate = Gate()
    async with FakeIssuer() as issuer, FakeProvider(chat_reply("so it is", hold=gate, hold_at=2)) as provider:
        identity = {**ASKING, "issuers": {"corp": issuer.section(leeway_s=0)}}
        providers = {"fake": {"base_url": provider.base_url, "models": ["m"]}}
        async with whole_server(tmp_path, providers, identity=identity) as whole:
            yield House(whole.address, issuer, gate)


async def test_a_program_calls_for_itself_and_many_calls_ask_for_one_token(house: House) -> None:
    async with Client(house.address, **house.options(scope="read chat", audience="thinkaloud")) as client:
        found = await asyncio.gather(*(client.identity() for _ in range(20)))
        assert {each.tenant for each in found} == {"corp:alice"}
        assert (await client.chat("What is 6*7?", model="demo/plain")).response
    assert house.issuer.forms == [{"grant_type": "client_credentials", "scope": "read chat", "audience": "thinkaloud"}]
    assert house.issuer.server.requests[0].headers["authorization"].startswith("Basic ")


async def test_a_secret_may_go_in_the_form(house: House) -> None:
    async with Client(house.address, **house.options(secret_in_form=True)) as client:
        await client.identity()
    assert house.issuer.forms == [{"grant_type": "client_credentials", "client_id": "me", "client_secret": "secret"}]


async def test_the_sync_client_does_the_same(house: House) -> None:
    house.issuer.granted = [{"exp": time.time() - 1}, {}]

    def calls() -> str:
        with SyncClient(house.address, **house.options()) as client:
            return client.identity().tenant + client.chat("What is 6*7?", model="demo/plain").model

    assert (await asyncio.to_thread(calls)).startswith("corp:alice")
    assert len(house.issuer.forms) == 2


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_token_that_has_expired_is_renewed_once(house: House, streaming: bool) -> None:
    async def call(client: Client) -> None:
        if streaming:
            await client.chat("What is 6*7?", model="demo/plain")
        else:
            await client.identity()

    house.issuer.granted = [{"exp": time.time() - 1}, {}]
    async with Client(house.address, **house.options()) as client:
        await call(client)
    assert len(house.issuer.forms) == 2
    house.issuer.granted = [{"exp": time.time() - 1}]
    async with Client(house.address, **house.options()) as client:
        with pytest.raises(AuthError, match="AUTH_EXPIRED"):
            await call(client)
    assert len(house.issuer.forms) == 4


@pytest.mark.parametrize("sync", [False, True])
async def test_a_stream_outlives_the_token_that_it_was_begun_with(house: House, sync: bool) -> None:
    house.issuer.granted = [{"exp": time.time() + 1.2}, {}]

    def watched() -> list[Any]:
        with SyncClient(house.address, **house.options()) as client, client.stream("hi", model="fake/m") as stream:
            return list(stream)

    async def awaited() -> list[Any]:
        async with Client(house.address, **house.options()) as client, client.stream("hi", model="fake/m") as stream:
            return [event async for event in stream]

    watching = asyncio.ensure_future(asyncio.to_thread(watched) if sync else awaited())
    await house.gate.reached.wait()
    await house.issuer.server.wait_for(lambda _: len(house.issuer.forms) == 2)
    house.gate.open()
    events = await watching
    assert isinstance(events[-1], Complete)
    assert events[-1].response == "so it is"
    sequences = [event.sequence for event in events]
    assert sequences == sorted(set(sequences))
    assert len(house.issuer.forms) == 2


async def test_an_issuer_that_refuses_is_not_asked_again(house: House) -> None:
    house.issuer.granted = ["invalid_client"]
    async with Client(house.address, **house.options()) as client:
        with pytest.raises(AuthError, match="invalid_client"):
            await client.chat("hi")
    assert len(house.issuer.forms) == 1
