"""Limits as callers over HTTP are told of them, and by whose address they are counted."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from websockets.exceptions import InvalidStatus

from fakes.sockets import CHAT, client_of, names
from fakes.stubs import stubs
from fakes.toy import LIMITS, toy_server, toy_service
from fakes.web import http_server
from fakes.whole import ASKING, made_key, whole_server
from thinkaloud.v1 import system_service_pb2
from thinkaloud_server.app.gateway import telling_whom
from thinkaloud_server.web.app import web_app

INFO = "/api/v1/system/info"
ASK = {"text": "hi", "model": "demo/plain"}


@asynccontextmanager
async def limited(folder: Path, trusted: list[str], **limits: int) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    async with (
        whole_server(folder, limits=limits, server={"trusted_proxies": trusted}) as whole,
        httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30) as client,
    ):
        yield client, whole.address


def told(answer: httpx.Response) -> list[int]:
    return [int(answer.headers[f"x-ratelimit-{name}"]) for name in ("limit", "remaining")]


async def test_every_answer_tells_what_is_left_and_a_refusal_until_when(tmp_path: Path) -> None:
    stream, lines = "/api/v1/chat/stream-sse", {"accept": "application/x-ndjson"}
    async with limited(tmp_path, [], requests_per_minute_address=5) as (client, _):
        answers = [
            await client.get(INFO),
            await client.get("/api/v1/runs/run_00000000000000000000000000000000"),
            await client.post(stream, json=ASK),
            await client.post(stream, json=ASK, headers=lines),
            await client.post("/api/v1/chat/message", json=ASK),
            await client.post(stream, json=ASK),
            await client.post(stream, json=ASK, headers=lines),
            await client.get(INFO),
        ]
    assert [each.status_code for each in answers] == [200, 404, 200, 200, 200, 429, 429, 429]
    assert [told(each) for each in answers] == [[5, left] for left in (4, 3, 2, 1, 0, 0, 0, 0)]
    assert {0 < int(each.headers["x-ratelimit-reset"]) <= 60 for each in answers} == {True}
    for refused in answers[5:]:
        assert refused.headers["retry-after"] == refused.headers["x-ratelimit-reset"]
        assert refused.json()["error"]["code"] == "RATE_LIMITED"
        assert 0 < refused.json()["error"]["details"]["retry_after_s"] <= 60


async def test_without_a_limit_nothing_is_said_of_one(tmp_path: Path) -> None:
    async with limited(tmp_path, []) as (client, _):
        answer = await client.get(INFO)
    assert [name for name in answer.headers if "ratelimit" in name] == []


async def test_of_a_service_that_nobody_knows_the_limits_are_told_and_nothing_of_the_inside() -> None:
    async with (
        toy_server() as (_, channel),
        http_server(web_app(channel, services=[toy_service()])) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        for asked in (
            client.get("/toy/echo?text=a"),
            client.get("/toy/echo?text=plain+failure"),
            client.get("/toy/count?to=2"),
            client.get("/toy/count?to=0"),
            client.get("/toy/count?fail=before"),
        ):
            answer = await asked
            assert [(name, answer.headers.get(name)) for name, _ in LIMITS] == [*LIMITS]
            assert "x-of-the-inside" not in answer.headers


FORGED = ("203.0.113.{0}", "203.0.113.{0}, 198.51.100.{0}", "[2001:db8:{0}::1]:5", "nonsense{0}")


@pytest.mark.parametrize("forged", FORGED)
async def test_a_forged_address_dodges_no_limit(tmp_path: Path, forged: str) -> None:
    async with limited(tmp_path, ["10.0.0.0/8"], requests_per_minute_address=3) as (client, _):
        forgeries = [
            {
                "x-forwarded-for": forged.format(number),
                "forwarded": f"for=203.0.113.{number}",
                "x-real-ip": f"203.0.113.{number}",
            }
            for number in range(9)
        ]
        ends = Counter([(await client.get(INFO, headers=each)).status_code for each in forgeries])
    assert ends == {200: 3, 429: 6}


async def test_behind_a_trusted_proxy_each_client_has_its_own_limit_and_forges_none(tmp_path: Path) -> None:
    async with limited(tmp_path, ["127.0.0.1"], requests_per_minute_address=3) as (client, _):
        for address in ("203.0.113.1", "2001:db8::1"):
            forgeries = [f"198.51.100.{number}, {address}" for number in range(6)]
            ends = [(await client.get(INFO, headers={"x-forwarded-for": each})).status_code for each in forgeries]
            assert Counter(ends) == {200: 3, 429: 3}
        assert (await client.get(INFO, headers={"x-forwarded-for": "2001:db8::ffff"})).status_code == 429
        assert (await client.get(INFO, headers={"x-forwarded-for": "203.0.113.2"})).status_code == 200


async def test_a_gateway_says_for_whom_it_calls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "thinkaloud.access")
    async with (
        limited(tmp_path, ["127.0.0.1"], requests_per_minute_address=3) as (_, address),
        grpc.aio.insecure_channel(address) as channel,
        http_server(telling_whom(web_app(channel))) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        # The gateway's own client is a trusted proxy here as well: it may say who was before it.
        headers: list[dict[str, str]] = [{"x-forwarded-for": "203.0.113.7"}] * 4 + [{}]
        ends = [(await client.get(INFO, headers=each)).status_code for each in headers]
    assert ends == [200, 200, 200, 429, 200]
    records: list[Any] = [record for record in caplog.records if record.getMessage() == "rpc_completed"]
    assert [record.address for record in records] == ["203.0.113.7"] * 4 + ["127.0.0.1"]
    assert {record.peer.partition(":")[0] for record in records} == {"ipv4"}


async def test_a_thousand_wrong_keys_in_a_burst_and_a_good_one_elsewhere_is_unaffected(tmp_path: Path) -> None:
    at_once, limit = 20, 30
    key = made_key(tmp_path, "hers", "read")
    async with whole_server(
        tmp_path,
        identity=ASKING,
        limits={"auth_failures_per_minute": limit},
        server={"trusted_proxies": ["127.0.0.1"]},
    ) as whole:
        good, here, there = {"authorization": f"Bearer {key}"}, "203.0.113.1", "203.0.113.2"
        async with httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30) as client:
            wrong = iter([{"authorization": f"Bearer {key}{n}", "x-forwarded-for": here} for n in range(1000)])

            async def guess() -> list[httpx.Response]:
                return [await client.get(INFO, headers=each) for each in wrong]

            answers = [each for some in await asyncio.gather(*(guess() for _ in range(at_once))) for each in some]
            ends = Counter(each.json()["error"]["code"] for each in answers)
            # Those that were under way together have all been looked at.
            assert limit <= ends["AUTH_INVALID"] < limit + at_once
            assert ends["AUTH_RATE_LIMITED"] == 1000 - ends["AUTH_INVALID"]
            refused = next(each for each in answers if each.status_code == 429)
            assert 0 < int(refused.headers["retry-after"]) <= 60
            ends_of = {
                place: (await client.get(INFO, headers={**good, "x-forwarded-for": place})).status_code
                for place in (here, there)
            }
            assert ends_of == {here: 429, there: 200}


async def test_a_key_has_its_limit_over_every_face_together(tmp_path: Path) -> None:
    key, other = (("authorization", f"Bearer {made_key(tmp_path, 'hers', 'read', 'chat')}") for _ in range(2))
    async with (
        whole_server(tmp_path, identity=ASKING, limits={"requests_per_minute": 6}) as whole,
        httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30, headers=[key]) as client,
        stubs(whole.address) as caller,
    ):
        assert told(await client.get(INFO)) == [6, 5]
        assert told(await client.post("/api/v1/chat/message", json=ASK)) == [6, 4]
        assert told(await client.post("/api/v1/chat/stream-sse", json=ASK)) == [6, 3]
        await caller.system.GetInfo(system_service_pb2.GetInfoRequest(), metadata=(key,))
        async with client_of(f"ws://{whole.http}{CHAT}", additional_headers=dict([key])) as socket:
            frames = await socket.turn(**ASK)
            assert [each["data"]["code"] for each in frames if each["event"] == "warning"] == ["RATE_LIMIT_NEAR"]
            assert told(await client.get(INFO)) == [6, 0]
            (refused,) = await socket.turn(**ASK)
            assert refused["data"]["code"] == "RATE_LIMITED"
        assert (await client.get(INFO)).status_code == 429
        assert (await client.get(INFO, headers=[other])).status_code == 200


async def test_sockets_of_one_key_have_a_limit_before_they_are_open(tmp_path: Path) -> None:
    keys = [made_key(tmp_path, "hers", "read", "chat") for _ in range(2)]
    headers = [{"authorization": f"Bearer {key}"} for key in keys]
    limits = {"sockets_per_key": 2}
    async with whole_server(tmp_path, identity=ASKING, limits=limits) as whole, AsyncExitStack() as stack:
        url = f"ws://{whole.http}{CHAT}"
        for _ in range(2):
            await stack.enter_async_context(client_of(url, additional_headers=headers[0]))
        with pytest.raises(InvalidStatus) as caught:
            await stack.enter_async_context(client_of(url, additional_headers=headers[0]))
        assert caught.value.response.status_code == 429
        assert b"TOO_MANY_CONNECTIONS" in (caught.value.response.body or b"")
        socket = await stack.enter_async_context(client_of(url, additional_headers=headers[1]))
        assert names(await socket.turn(**ASK))[-1] == "complete"
