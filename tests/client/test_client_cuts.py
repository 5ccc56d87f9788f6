"""Connections that die anywhere, on real sockets: the caller sees the script's text, whole and once."""

from __future__ import annotations

import asyncio
import random
import time
from itertools import count

import pytest

from fakes.chat_server import ChatServer, answer
from fakes.client_driver import Driver, until
from fakes.cutting_proxy import Cut, CuttingProxy
from thinkaloud import Client, Complete, Error, Event, Reasoning, Token

ANSWER = " ".join(f"word{number}" for number in range(60))
THOUGHT = " ".join(f"thought{number}" for number in range(60))
SCRIPT = answer(ANSWER, THOUGHT)


def assert_whole(events: list[Event]) -> None:
    assert [event.sequence for event in events] == list(range(1, len(SCRIPT.pieces) + 3))
    assert "".join(event.token for event in events if isinstance(event, Token)) == ANSWER
    assert "".join(event.token for event in events if isinstance(event, Reasoning)) == THOUGHT
    (end,) = (event for event in events if isinstance(event, Complete | Error))
    assert isinstance(end, Complete)
    assert (end.response, end.reasoning) == (ANSWER, THOUGHT)


def random_cuts(seed: int, *, hard: bool = False) -> list[Cut]:
    """Six connections that die: in the handshake, in the request, in the answer; dropped (`hard`: by RST) or by FIN."""
    chance = random.Random(seed)
    return [
        Cut(
            chance.randrange(1, 400 if chance.random() < 0.3 else 6000),
            chance.choice(["to_client", "to_client", "to_server"]),
            reset=(reset := chance.random() < 0.5),
            hard=hard and reset,
        )
        for _ in range(6)
    ]


@pytest.mark.parametrize("seed", range(12))
async def test_connections_that_die_at_random_bytes_lose_and_repeat_nothing(driver: Driver, seed: int) -> None:
    async with ChatServer(SCRIPT) as server, CuttingProxy(server.address, random_cuts(seed)) as proxy:
        assert_whole(await driver.events(proxy.address, include_reasoning=True))
        assert len(server.runs) == 1
        await until(lambda: server.open_calls == 0)


@pytest.mark.parametrize("seed", [1, 7, 15, 18, 39])
async def test_connections_that_are_reset_lose_and_repeat_nothing(driver: Driver, seed: int) -> None:
    """At times gRPC notices an RST only when it pings."""
    cuts = random_cuts(seed, hard=True)
    async with ChatServer(SCRIPT) as server, CuttingProxy(server.address, cuts) as proxy:
        began = time.monotonic()
        assert_whole(await driver.events(proxy.address, include_reasoning=True))
        assert len(server.runs) == 1
        assert time.monotonic() - began < 18.0


@pytest.mark.parametrize("after_bytes", [1, 9, 30, 60, 100, 150, 200, 250, 300, 400])
async def test_a_connection_that_dies_before_start_is_the_same_run_again(driver: Driver, after_bytes: int) -> None:
    cuts = [Cut(after_bytes, "to_client"), Cut(after_bytes, "to_server")]
    async with ChatServer(SCRIPT) as server, CuttingProxy(server.address, cuts) as proxy:
        assert_whole(await driver.events(proxy.address, include_reasoning=True))
        assert len(server.runs) == 1


async def test_connections_that_die_while_words_come_lose_and_repeat_nothing(driver: Driver) -> None:
    async with ChatServer(answer(ANSWER, THOUGHT, pace_s=0.005)) as server, CuttingProxy(server.address) as proxy:
        asking = asyncio.create_task(driver.events(proxy.address, include_reasoning=True))
        chance = random.Random(7)
        for _ in range(6):
            await asyncio.sleep(chance.uniform(0.02, 0.12))
            proxy.cut()
        assert_whole(await asking)
        assert len(server.runs) == 1
        assert proxy.connections > 2


async def test_many_streams_of_one_client_survive_the_cut_of_their_connection() -> None:
    async with (
        ChatServer(answer(ANSWER, THOUGHT, pace_s=0.003)) as server,
        CuttingProxy(server.address, (Cut(size) for size in count(9000, 7000))) as proxy,
        Client(proxy.address) as client,
    ):
        results = await asyncio.gather(*(client.chat("x", include_reasoning=True) for _ in range(8)))
        assert [(result.response, result.reasoning) for result in results] == [(ANSWER, THOUGHT)] * 8
        assert len(server.runs) == 8
        assert proxy.cuts_made > 0


async def test_a_dead_path_is_noticed_and_left(driver: Driver) -> None:
    """No RST, no FIN, nothing: the heartbeats that do not come are what tells."""
    script = answer(ANSWER, THOUGHT, pace_s=0.01)
    async with ChatServer(script, heartbeat_s=0.1) as server, CuttingProxy(server.address) as proxy:
        client = {"silence_timeout_s": 0.4}
        asking = asyncio.create_task(driver.events(proxy.address, include_reasoning=True, client=client))
        await until(lambda: bool(server.runs) and len(server.run.log) > 10)
        proxy.hold()
        await until(lambda: server.run.ended)
        await asyncio.sleep(0.5)
        proxy.release()
        assert_whole(await asking)
        assert server.requests["WatchRun"]


async def test_a_server_that_refuses_connections_for_a_while_is_waited_for(driver: Driver) -> None:
    async with ChatServer(SCRIPT) as server, CuttingProxy(server.address) as proxy:
        proxy.refusing = True
        asking = asyncio.create_task(driver.events(proxy.address, include_reasoning=True))
        await until(lambda: proxy.connections > 1)
        proxy.refusing = False
        assert_whole(await asking)
