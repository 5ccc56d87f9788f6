"""Whose a WebSocket is: said by a header, by a token in its address or by its first message, and how that ends."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from fakes.engine import FakeEngine, Hold, complete
from fakes.known import KnownOnes, bearer
from fakes.rpc import until
from fakes.sockets import CHAT, client_of, faced, names
from thinkaloud_server.core.event import Token
from thinkaloud_server.web.settings import WebSettings

RUN = "/api/v1/runs/{}/stream"


async def denied(url: str, **headers: str) -> tuple[int, str, Any]:
    """How a handshake was answered: its status, its code and its headers."""
    with pytest.raises(InvalidStatus) as refused:
        async with client_of(url, additional_headers=headers):
            pass
    response = refused.value.response
    body = (response.body or b"").decode()
    return response.status_code, body.partition('"code":"')[2].partition('"')[0], response.headers


async def test_a_header_says_whose_socket_it_is() -> None:
    known = KnownOnes("ann")
    async with (
        faced(authenticator=known) as (served, sockets),
        client_of(sockets.url(), additional_headers=bearer("ann")) as client,
    ):
        assert names(await client.turn(text="hi"))[-1] == "complete"
        assert {turn.identity.tenant for turn in served.engine.turns} == {"ann's"}


async def test_a_token_opens_one_socket_once() -> None:
    known = KnownOnes("ann")
    async with faced(authenticator=known) as (served, sockets):
        token, _ = await known.socket_token(known.known["ann"], CHAT)
        url = f"{sockets.url()}?token={token.replace(' ', '%20')}"
        async with client_of(url) as client:
            for _ in range(2):
                assert names(await client.turn(text="hi"))[-1] == "complete"
        assert [turn.identity.tenant for turn in served.engine.turns] == ["ann's"] * 2
        assert (await denied(url))[:2] == (401, "WS_TOKEN_USED")


@pytest.mark.parametrize("token", ["nonsense", f"{CHAT} bob", "/api/v1/elsewhere ann"])
async def test_a_token_that_is_not_good_is_refused_before_there_is_a_socket(token: str) -> None:
    async with faced(authenticator=KnownOnes("ann")) as (_, sockets):
        status, code, headers = await denied(f"{sockets.url()}?token={token.replace(' ', '%20')}")
        assert (status, code) == (401, "WS_TOKEN_INVALID")
        assert headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("query", "headers", "code"),
    [
        ("", bearer("eve"), "AUTH_INVALID"),
        ("?token=a&token=b", {}, "WS_TOKEN_INVALID"),
        ("?api_key=ann", {}, "AUTH_REQUIRED"),
        ("?access_token=ann", bearer("ann"), "AUTH_REQUIRED"),
    ],
)
async def test_what_is_no_good_credential_is_refused_before_there_is_a_socket(
    query: str, headers: dict[str, str], code: str
) -> None:
    async with faced(authenticator=KnownOnes("ann")) as (_, sockets):
        assert (await denied(sockets.url() + query, **headers))[:2] == (401, code)


async def test_the_first_message_says_whose_socket_it_is() -> None:
    async with faced(authenticator=KnownOnes("ann")) as (served, sockets), client_of(sockets.url()) as client:
        await client.say(type="ping")
        assert (await client.hear())["event"] == "pong"
        await client.say(type="auth", credential="ann")
        told = await client.hear()
        assert (told["event"], told["data"]["tenant"], told["data"]["key_id"]) == ("authenticated", "ann's", "ann")
        assert names(await client.turn(text="hi"))[-1] == "complete"
        assert [turn.identity.tenant for turn in served.engine.turns] == ["ann's"]


@pytest.mark.parametrize(
    ("message", "code"),
    [({"text": "hi"}, "AUTH_REQUIRED"), ({"type": "auth", "credential": "eve"}, "AUTH_INVALID")],
)
async def test_a_stranger_is_not_served(message: dict[str, Any], code: str) -> None:
    async with faced(authenticator=KnownOnes("ann")) as (served, sockets), client_of(sockets.url()) as client:
        await client.say(**message)
        frames, close, reason = await client.closed()
        assert (names(frames), close, reason) == (["error", "warning"], 4401, code)
        assert served.engine.turns == []


async def test_a_stranger_is_not_waited_for() -> None:
    settings = WebSettings(auth_timeout_s=0.1)
    async with (
        faced(authenticator=KnownOnes("ann"), settings=settings) as (_, sockets),
        client_of(sockets.url()) as client,
    ):
        frames, close, reason = await client.closed()
        assert (names(frames), close, reason) == (["warning"], 4401, "AUTH_REQUIRED")


async def test_what_an_address_names_is_shown_once_it_is_known_to_whom() -> None:
    engine = FakeEngine()
    async with faced(engine, authenticator=KnownOnes("ann")) as (_, sockets):
        async with client_of(sockets.url(), additional_headers=bearer("ann")) as client:
            run_id = (await client.turn(text="hi"))[0]["run_id"]
        async with client_of(sockets.url(RUN.format(run_id))) as client:
            await client.say(type="auth", credential="ann")
            assert names(await client.rest()) == ["authenticated", "start", "token", "complete"]


async def test_a_newer_credential_takes_the_place_of_the_one_before() -> None:
    known = KnownOnes("ann", "bob")
    async with (
        faced(authenticator=known) as (served, sockets),
        client_of(sockets.url(), additional_headers=bearer("ann")) as client,
    ):
        await client.say(type="auth", credential="eve")
        assert (await client.hear())["data"]["code"] == "AUTH_INVALID"
        await client.turn(text="hi")
        await client.say(type="auth", credential="bob")
        assert (await client.hear())["event"] == "authenticated"
        await client.turn(text="hi")
        assert [turn.identity.tenant for turn in served.engine.turns] == ["ann's", "bob's"]
        await until(lambda: served.server.load.calls == 1)


async def test_a_socket_is_held_as_long_as_it_is_open() -> None:
    async with faced(authenticator=KnownOnes("ann")) as (served, sockets):
        async with client_of(sockets.url(), additional_headers=bearer("ann")):
            await until(lambda: served.server.load.calls == 1)
        await until(lambda: served.server.load.calls == 0)


async def test_a_turn_goes_on_while_a_newer_credential_is_sent() -> None:
    hold = Hold()
    engine = FakeEngine((Token("391"), hold, complete()))
    async with (
        faced(engine, authenticator=KnownOnes("ann")) as (_, sockets),
        client_of(sockets.url(), additional_headers=bearer("ann")) as client,
    ):
        await client.say(text="hi")
        assert [(await client.hear())["event"] for _ in range(2)] == ["start", "token"]
        await client.say(type="auth", credential="ann")
        assert (await client.hear())["event"] == "authenticated"
        hold.release.set()
        assert names(await client.rest()) == ["complete"]


async def test_a_server_that_leaves_is_not_kept_by_the_sockets_it_holds() -> None:
    async with (
        faced(authenticator=KnownOnes("ann")) as (served, sockets),
        client_of(sockets.url(), additional_headers=bearer("ann")) as client,
    ):
        await until(lambda: served.server.load.calls == 1)
        served.server.drain()
        await until(lambda: served.server.load.calls == 0)
        assert client.socket.close_code is None


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in a turn"])
async def test_a_socket_ends_with_the_key_that_opened_it(busy: bool) -> None:
    known = KnownOnes("ann")
    async with (
        faced(FakeEngine((Token("391"), Hold())), authenticator=known) as (_, sockets),
        client_of(sockets.url(), additional_headers=bearer("ann")) as client,
    ):
        if busy:
            await client.say(text="hi")
            assert [(await client.hear())["event"] for _ in range(2)] == ["start", "token"]
        known.revoke("ann")
        frames, close, reason = await client.closed()
        assert (names(frames), close, reason) == (["error", "warning"], 4401, "AUTH_REVOKED")
