"""WebSockets of callers who are not who they say: tokens, first messages, origins, and the end of what opened them.

Each is tried at three doors to the same keys: of the server itself, of a gateway before it, and of another replica.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from websockets.exceptions import InvalidStatus

from fakes.abused import MODEL, check_told
from fakes.rpc import until
from fakes.sockets import CHAT, client_of, names
from fakes.tenants import House, by, header, other_last, refusal, tenants
from fakes.web import http_server
from fakes.whole import ASKING, made_key, whole_server
from thinkaloud.v1 import run_service_pb2 as run_pb
from thinkaloud_server.identity.key import derived, key_id_of
from thinkaloud_server.identity.signed import Claim, Signer, SocketClaim, session_token
from thinkaloud_server.web.app import WebSettings, web_app

ASK: dict[str, Any] = {"text": "go", "model": MODEL}
AT_DEMO: dict[str, Any] = {"text": "go", "model": "demo/plain"}
RUN = "/api/v1/runs/run_{}/stream"
DOORS = ("server", "gateway", "replica")
at_each_door = pytest.mark.parametrize("door", DOORS)


@pytest.fixture
async def house(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    caplog.set_level(logging.INFO)
    async with tenants(tmp_path, caplog) as found:
        yield found


@asynccontextmanager
async def doors(house: House, **settings: Any) -> AsyncIterator[Mapping[str, str]]:
    """Where each of them is; `settings` are of the gateway."""
    async with (
        grpc.aio.insecure_channel(house.whole.address, [("grpc.use_local_subchannel_pool", 1)]) as channel,
        http_server(web_app(channel, WebSettings(**settings))) as gateway,
        whole_server(house.data_dir, store={"url": "memory://"}, identity=ASKING) as replica,
    ):
        at = (f"ws://{house.whole.http}", gateway.replace("http", "ws", 1), f"ws://{replica.http}")
        yield dict(zip(DOORS, at, strict=True))


async def denied(url: str, **headers: str) -> tuple[int, str]:
    """How a handshake was answered, by its status and its code."""
    with pytest.raises(InvalidStatus) as refused:
        async with client_of(url, additional_headers=headers):
            pass
    answer = refused.value.response
    body = bytes(answer.body or b"").decode()
    code = json.loads(body)["error"]["code"]
    check_told(body, code)
    assert (answer.headers.get("www-authenticate") == "Bearer") is (answer.status_code == 401)
    return answer.status_code, code


def signed(house: House, *, expires_in_s: float, key: str = "", path: str = CHAT, purpose: str = "socket token") -> str:
    """A token that the server could have made."""
    signer = Signer(derived((house.data_dir / "pepper").read_text().strip().encode(), purpose))
    claim = Claim(key_id_of(key or house.hers), 0.0)
    text = signer.sign(SocketClaim(claim, path, time.time() + expires_in_s, "nonce"))
    house.told.append(text)
    return text


# AU14: tokens that are not good.


@at_each_door
async def test_a_token_that_is_not_good_opens_nothing_and_the_good_one_does_after_it(door: str, house: House) -> None:
    token = await house.token(house.hers)
    head, _, signature = token.rpartition(".")
    secret = derived((house.data_dir / "pepper").read_text().strip().encode(), "session")
    bad = {
        "altered": other_last(token),
        "altered in what it says": f"{other_last(head)}.{signature}",
        "without a signature": head,
        "of an empty signature": f"{head}.",
        "expired": signed(house, expires_in_s=-1.0),
        "for a run": await house.token(house.hers, RUN.format("0" * 32)),
        "for another": signed(house, expires_in_s=60, path="/api/v1/chat/stream/"),
        "of another purpose": signed(house, expires_in_s=60, purpose="session"),
        "a session": session_token(Signer(secret), Claim(key_id_of(house.hers), 0.0)),
        "a key": house.hers,
        "nonsense": "x.y",
        "long": "x" * 8000,
        "bytes": "%00%ff",
    }
    async with doors(house) as at:
        for name, text in bad.items():
            status, code = await denied(f"{at[door]}{CHAT}?token={text}")
            expected = {"bytes": (400, "MALFORMED_REQUEST"), "too long": (431, "HEADERS_TOO_LARGE")}
            assert (status, code) == expected.get(name, (401, "WS_TOKEN_INVALID")), name
        assert await denied(f"{at[door]}{CHAT}?token={token}&token={token}") == (401, "WS_TOKEN_INVALID")
        run = await house.token(house.hers, RUN.format("0" * 32))
        assert await denied(f"{at[door]}{RUN.format('1' * 32)}?token={run}") == (401, "WS_TOKEN_INVALID")
        assert await denied(f"{at[door]}{RUN.format('1' * 32)}?token={token}") == (401, "WS_TOKEN_INVALID")
        async with client_of(f"{at[door]}{CHAT}?token={token}") as client:
            assert names(await client.turn(**AT_DEMO))[-1] == "complete"


async def test_a_token_is_no_credential_for_calls(house: House) -> None:
    token = await house.token(house.hers)
    answer = await house.http.get("/api/v1/runs", headers=header(token))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AUTH_INVALID")
    call = house.caller.runs.ListRuns(run_pb.ListRunsRequest(), metadata=by(token))
    assert (await refusal(call)).reason == "AUTH_INVALID"
    async with client_of(house.ws) as client:
        await client.say(type="auth", credential=token)
        assert (await client.closed())[1:] == (4401, "AUTH_INVALID")


# AU15: tokens that were used.


@pytest.mark.parametrize("second", DOORS)
@pytest.mark.parametrize("first", DOORS)
async def test_a_token_that_was_used_at_one_door_opens_none(first: str, second: str, house: House) -> None:
    token = await house.token(house.hers)
    async with doors(house) as at:
        async with client_of(f"{at[first]}{CHAT}?token={token}") as client:
            assert await denied(f"{at[second]}{CHAT}?token={token}") == (401, "WS_TOKEN_USED")
            for _ in range(2):
                assert names(await client.turn(**AT_DEMO))[-1] == "complete"
        assert await denied(f"{at[second]}{CHAT}?token={token}") == (401, "WS_TOKEN_USED")


async def test_of_many_that_use_a_token_at_once_one_gets_in(house: House) -> None:
    token = await house.token(house.hers)

    async def enter(url: str) -> str:
        try:
            async with client_of(f"{url}{CHAT}?token={token}") as client:
                return names(await client.turn(**AT_DEMO))[-1]
        except InvalidStatus as refused:
            told = json.loads(bytes(refused.response.body or b""))
            return str(told["error"]["code"])

    async with doors(house) as at:
        ends = await asyncio.gather(*(enter(at[door]) for door in DOORS for _ in range(8)))
    assert sorted(ends) == ["WS_TOKEN_USED"] * 23 + ["complete"]


# WS01: pages of other sites.


@at_each_door
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example", "HTTPS://EVIL"])
async def test_a_page_of_another_site_opens_no_socket_whatever_it_brings(door: str, origin: str, house: House) -> None:
    token = await house.token(house.hers)
    async with doors(house) as at:
        for headers in ({}, header(house.hers), {"cookie": f"session={house.hers}"}):
            refused = await denied(f"{at[door]}{CHAT}?token={token}", origin=origin, **headers)
            assert refused == (403, "ORIGIN_NOT_ALLOWED")
        async with client_of(f"{at[door]}{CHAT}?token={token}") as client:
            assert names(await client.turn(**AT_DEMO))[-1] == "complete", "the token was not spent by the refusals"


async def test_a_cookie_is_no_credential(house: House) -> None:
    """What a browser sends by itself lets nobody in, from whatever page."""
    for origin in ({}, {"origin": f"http://{house.whole.http}"}):
        cookie = {"cookie": f"session={house.hers}; authorization=Bearer {house.hers}", **origin}
        async with client_of(house.ws, additional_headers=cookie) as client:
            await client.say(**ASK)
            assert (await client.closed())[1:] == (4401, "AUTH_REQUIRED")
        answer = await house.http.get("/api/v1/runs", headers=cookie)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AUTH_REQUIRED")


# WS02: sockets of nobody.


@pytest.mark.parametrize("said", [[], ["ping"] * 3], ids=["nothing", "pings"])
async def test_a_socket_of_nobody_is_closed_after_its_time(said: list[str], house: House) -> None:
    async with doors(house, auth_timeout_s=0.3) as at, client_of(f"{at['gateway']}{CHAT}") as client:
        for kind in said:
            await client.say(type=kind)
        frames, close, reason = await client.closed()
        assert (names(frames), close, reason) == ([*("pong" for _ in said), "warning"], 4401, "AUTH_REQUIRED")


def test_that_time_is_ten_seconds() -> None:
    assert WebSettings().auth_timeout_s == 10.0


@at_each_door
@pytest.mark.parametrize(
    "message",
    [ASK, {"type": "stop"}, {"type": "resume", "run_id": "run_" + "0" * 32}, {"type": "odd"}],
    ids=["turn", "stop", "resume", "odd"],
)
async def test_a_socket_of_nobody_is_told_nothing(door: str, message: dict[str, Any], house: House) -> None:
    before = len(house.provider.requests)
    async with doors(house) as at, client_of(f"{at[door]}{CHAT}") as client:
        await client.say(**message)
        frames, close, reason = await client.closed()
        assert (names(frames), close, reason) == (["error", "warning"], 4401, "AUTH_REQUIRED")
        check_told(json.dumps(frames), reason)
    assert len(house.provider.requests) == before


# WS08: sockets that outlive what opened them.


@at_each_door
async def test_a_socket_ends_with_its_key_whichever_way_that_was_said(door: str, house: House) -> None:
    expires_at = time.time() + 4.0
    key = made_key(house.data_dir, "acme", "read", "chat", expires_at=expires_at)
    await house.noticed(key)
    async with doors(house) as at:
        url = at[door] + CHAT
        async with (
            client_of(url, additional_headers=header(key)) as by_header,
            client_of(f"{url}?token={await house.token(key)}") as by_token,
            client_of(url) as by_message,
        ):
            await by_message.say(type="auth", credential=key)
            assert (await by_message.hear())["data"]["expires_at"]
            clients = (by_header, by_token, by_message)
            for client in clients:
                assert names(await client.turn(**AT_DEMO))[-1] == "complete"
            for client in clients:
                frames, close, reason = await client.closed()
                assert time.time() >= expires_at
                assert (names(frames), close, reason) == (["error", "warning"], 4401, "AUTH_EXPIRED")
                check_told(json.dumps(frames), reason)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in a turn"])
async def test_a_newer_credential_before_that_keeps_it_open(busy: bool, house: House) -> None:
    expires_at = time.time() + 3.0
    key = made_key(house.data_dir, "acme", "read", "chat", expires_at=expires_at)
    await house.noticed(key)
    async with client_of(house.ws, additional_headers=header(key)) as client:
        if busy:
            await client.say(text="go on", model="demo/slow", detach=0)
            assert (await client.hear())["event"] == "start"
        await client.say(type="auth", credential=house.hers)
        while (told := await client.hear())["event"] != "authenticated":
            assert busy
        assert told["data"]["key_id"] == key_id_of(house.hers)
        await until(lambda: time.time() > expires_at + 0.5)
        if busy:
            # The turn was begun with the key that has ended, so it ends; the socket does not.
            assert (await client.rest())[-1]["data"]["code"] == "AUTH_EXPIRED"
        assert names(await client.turn(**ASK))[-1] == "complete"
