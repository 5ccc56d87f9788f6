"""Limits on WebSockets and connections of the whole server: told of, refused, closed, given back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from fakes.rpc import until
from fakes.sockets import CHAT, client_of, names
from fakes.whole import Whole, whole_server

ASK: dict[str, Any] = {"text": "hi", "model": "demo/plain"}


def warnings(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["data"]["code"] for frame in frames if frame["event"] == "warning"]


async def test_turns_near_the_limit_warn_those_above_are_refused_and_going_on_closes(tmp_path: Path) -> None:
    # One request is the socket itself.
    async with (
        whole_server(tmp_path, limits={"requests_per_minute_address": 6}) as whole,
        client_of(f"ws://{whole.http}{CHAT}") as client,
    ):
        turns = [await client.turn(**ASK) for _ in range(5)]
        assert [warnings(frames) for frames in turns] == [[], *[["RATE_LIMIT_NEAR"]] * 4]
        assert {names(frames)[-1] for frames in turns} == {"complete"}
        assert names(turns[1])[:2] == ["start", "warning"]
        (refused,) = await client.turn(**ASK)
        assert (refused["event"], refused["data"]["code"]) == ("error", "RATE_LIMITED")
        assert 0 < refused["data"]["details"]["retry_after_s"] <= 60
        await client.say(type="ping")
        assert (await client.hear())["event"] == "pong"
        await client.say(**ASK)
        frames, code, reason = await client.closed()
        assert [(frame["event"], frame["data"]["code"]) for frame in frames] == [
            ("error", "RATE_LIMITED"),
            ("warning", "CLOSING"),
        ]
        assert (code, reason) == (4429, "RATE_LIMITED")


async def test_a_hundred_messages_at_once_are_warned_of_and_then_the_end(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as whole, client_of(f"ws://{whole.http}{CHAT}") as client:
        for _ in range(100):
            await client.say(type="ping")
        frames, code, reason = await client.closed()
        assert warnings(frames) == ["RATE_LIMIT_NEAR", "CLOSING"]
        assert 40 <= sum(frame["event"] == "pong" for frame in frames) < 100
        assert (code, reason) == (4429, "RATE_LIMITED")
        await whole_answers(whole)


async def test_one_socket_too_many_is_refused_before_it_is_one_and_let_in_when_another_has_left(tmp_path: Path) -> None:
    async with whole_server(tmp_path, limits={"sockets_per_key": 3}) as whole:
        url = f"ws://{whole.http}{CHAT}"
        sockets = [await connect(url, proxy=None) for _ in range(3)]
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, proxy=None)
        answer = caught.value.response
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert b"TOO_MANY_CONNECTIONS" in (answer.body or b"")
        await sockets[0].close()
        await until_let_in(url)
        for socket in sockets:
            await socket.close()


async def until_let_in(url: str) -> None:
    """The server hears of an end in its own time."""
    async with asyncio.timeout(5):
        while True:
            try:
                async with client_of(url) as client:
                    assert names(await client.turn(**ASK))[-1] == "complete"
                    return
            except InvalidStatus:
                await asyncio.sleep(0.01)


async def whole_answers(whole: Whole) -> None:
    async with httpx.AsyncClient(base_url=f"http://{whole.http}") as client:
        assert (await client.get("/api/v1/health")).status_code == 200


async def test_connections_of_one_address_have_a_limit_and_give_their_place_back(tmp_path: Path) -> None:
    async with whole_server(tmp_path, limits={"connections_per_address": 3}) as whole:
        host, _, port = whole.http.rpartition(":")
        for _ in range(3):
            # Two that say nothing, and one that becomes a WebSocket: each has its place until it is gone.
            idle = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
            socket = await connect(f"ws://{whole.http}{CHAT}", proxy=None)
            reader, writer = await asyncio.open_connection(host, int(port))
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 429 ")
            assert b"TOO_MANY_CONNECTIONS" in answer
            assert b"\r\nretry-after: 1\r\n" in answer
            writer.close()
            await socket.close()
            for _, each in idle:
                each.close()
                await each.wait_closed()
            await until(lambda: whole.throttle.connections == 0)
        await whole_answers(whole)


async def test_a_trusted_proxy_may_hold_as_many_connections_as_it_likes(tmp_path: Path) -> None:
    limits, server = {"connections_per_address": 1}, {"trusted_proxies": ["127.0.0.1"]}
    async with whole_server(tmp_path, limits=limits, server=server) as whole:
        host, _, port = whole.http.rpartition(":")
        held = [await asyncio.open_connection(host, int(port)) for _ in range(5)]
        await whole_answers(whole)
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
