"""WebSockets in front of the whole server: nothing lost, nothing twice, and a stop that reaches the provider."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from fakes.chat_wire import chat_reply
from fakes.cutting_proxy import Cut, CuttingProxy
from fakes.provider import FakeProvider, Reply
from fakes.sockets import CHAT, Sockets, client_of, socket_face
from fakes.whole import whole_server

REASONING = "let me think about seventeen times twenty three " * 6
TEXT = "the answer is three hundred and ninety one and here is why " * 12
CUTS = 50
ASK: dict[str, Any] = {"text": "go", "model": "fake/m", "include_reasoning": True, "detach": 60}


@asynccontextmanager
async def whole(data_dir: Path, *replies: Reply) -> AsyncIterator[tuple[FakeProvider, Sockets]]:
    async with (
        FakeProvider(*replies) as provider,
        whole_server(data_dir, {"fake": {"base_url": provider.base_url, "models": ["m"]}}) as server,
        grpc.aio.insecure_channel(server.address) as channel,
        socket_face(channel) as sockets,
    ):
        yield provider, sockets


def check_whole(frames: list[dict[str, Any]]) -> None:
    """Exactly the script, each event once and in order, one terminal event."""
    numbered = [frame for frame in frames if frame["sequence"]]
    assert [frame["sequence"] for frame in numbered] == list(range(1, len(numbered) + 1))
    assert [frame["event"] for frame in numbered].count("complete") == 1
    assert numbered[-1]["event"] == "complete"
    assert len({frame["run_id"] for frame in numbered}) == 1
    for event, script in (("reasoning", REASONING), ("token", TEXT)):
        assert "".join(frame["data"]["token"] for frame in numbered if frame["event"] == event) == script


async def followed(url: str, key: str) -> list[dict[str, Any]]:
    """One turn to its end, over as many connections as that takes; a client as the contract wants it."""
    frames: list[dict[str, Any]] = []
    message = {**ASK, "idempotency_key": key}
    while True:
        try:
            async with client_of(url) as client:
                await client.say(**message)
                while True:
                    frames.append(await client.hear())
                    assert frames[-1]["event"] != "error", frames[-1]
                    if frames[-1]["event"] == "complete":
                        return frames
        except (ConnectionClosed, InvalidHandshake, OSError):
            last = max((frame["sequence"] for frame in frames), default=0)
            if last:
                message = {
                    "type": "resume",
                    "run_id": frames[-1]["run_id"],
                    "after_sequence": last,
                    "include_reasoning": True,
                }


async def test_sockets_cut_at_fifty_random_points_lose_and_repeat_nothing(tmp_path: Path) -> None:
    dice = random.Random(391)
    made = 0
    reply = chat_reply(TEXT, reasoning=REASONING, pace_s=0.0005)
    async with whole(tmp_path, reply) as (provider, sockets):
        # Some side by side: a client that was cut waits for the close, and not for the machine.
        room = asyncio.Semaphore(5)

        async def one(number: int, cuts: list[Cut]) -> None:
            nonlocal made
            async with room, CuttingProxy(sockets.address, cuts) as proxy:
                check_whole(await followed(f"ws://{proxy.address}{CHAT}", f"cut-{number}"))
                made += proxy.cuts_made

        async with asyncio.TaskGroup() as group:
            for number in range(CUTS):
                first = Cut(dice.randrange(1, 30_000), hard=dice.random() < 0.7)
                group.create_task(one(number, [first, Cut(dice.randrange(1, 9_000))]))
        assert len(provider.requests) == CUTS
        assert made >= CUTS
        await provider.wait_for(lambda each: each.busy_connections == 0)


async def test_a_stop_on_the_socket_closes_the_provider_and_completes_the_run(tmp_path: Path) -> None:
    async with whole(tmp_path, chat_reply("so it is", ending="hang", finish=None, usage=None, done=False)) as (
        provider,
        sockets,
    ):
        async with client_of(sockets.url()) as client:
            await client.say(**ASK)
            while (await client.hear())["event"] != "token":
                pass
            await client.say(type="stop")
            frames = await client.rest()
            assert (frames[-1]["event"], frames[-1]["data"]["finish_reason"]) == ("complete", "stopped")
        await provider.wait_for(lambda each: each.busy_connections == 0)


async def test_a_stop_before_the_first_event_is_kept_until_the_run_has_a_name(tmp_path: Path) -> None:
    hang = chat_reply("x", ending="hang", finish=None, usage=None, done=False)
    async with whole(tmp_path, hang) as (_, sockets), client_of(sockets.url()) as client:
        await client.say(**ASK)
        await client.say(type="stop")
        frames = await client.rest()
        assert (frames[-1]["event"], frames[-1]["data"]["finish_reason"]) == ("complete", "stopped")


async def test_a_stop_from_another_connection_works_also_after_a_resume(tmp_path: Path) -> None:
    async with whole(tmp_path, chat_reply("so it is", ending="hang", finish=None, usage=None, done=False)) as (
        provider,
        sockets,
    ):
        async with client_of(sockets.url()) as first:
            await first.say(**ASK)
            start = await first.hear()
        async with client_of(sockets.url()) as watcher, client_of(sockets.url()) as stopper:
            await watcher.say(type="resume", run_id=start["run_id"], after_sequence=start["sequence"])
            assert (await watcher.hear())["sequence"] == 2
            await stopper.say(type="stop", run_id=start["run_id"])
            frames = await watcher.rest()
            assert (frames[-1]["event"], frames[-1]["data"]["finish_reason"]) == ("complete", "stopped")
            # Nothing more is said to who stopped it: the next answer is that to the ping.
            await stopper.say(type="ping")
            assert (await stopper.hear())["event"] == "pong"
        await provider.wait_for(lambda each: each.busy_connections == 0)


async def test_leaving_the_socket_leaves_the_run_to_its_detach(tmp_path: Path) -> None:
    hang = chat_reply("so it is", ending="hang", finish=None, usage=None, done=False)
    async with whole(tmp_path, hang) as (provider, sockets):
        async with client_of(sockets.url()) as client:
            await client.say(**{**ASK, "detach": 0})
            while (await client.hear())["event"] != "token":
                pass
        await provider.wait_for(lambda each: each.busy_connections == 0)
        async with client_of(sockets.url()) as client:
            await client.say(**{**ASK, "detach": -1})
            while (run := await client.hear())["event"] != "token":
                pass
        async with client_of(sockets.url(f"/api/v1/runs/{run['run_id']}/stream")) as client:
            assert (await client.hear())["event"] == "start"
            assert provider.busy_connections == 1
            await client.say(type="stop")
            frames, code, _ = await client.closed()
            assert (frames[-1]["data"]["finish_reason"], code) == ("stopped", 1000)


async def test_a_hundred_watchers_of_one_run_hear_the_same(tmp_path: Path) -> None:
    async with whole(tmp_path, chat_reply(TEXT, reasoning=REASONING, pace_s=0.002)) as (_, sockets):
        async with client_of(sockets.url()) as client:
            await client.say(**ASK)
            frames = [await client.hear()]
            path = f"/api/v1/runs/{frames[0]['run_id']}/stream?include_reasoning=true"

            async def watched() -> list[dict[str, Any]]:
                async with client_of(sockets.url(path)) as watcher:
                    return (await watcher.closed())[0]

            watchers = []
            async with asyncio.TaskGroup() as group:
                for _ in range(100):
                    watchers.append(group.create_task(watched()))
                    if frames[-1]["event"] != "complete":
                        frames.append(await client.hear())
                if frames[-1]["event"] != "complete":
                    frames += await client.rest()
        check_whole(frames)
        assert all(watcher.result() == frames for watcher in watchers)


async def test_the_size_of_a_message_and_the_patience_with_idle_sockets_are_configured(tmp_path: Path) -> None:
    server = {"websocket_message_bytes_max": 2048, "websocket_idle_timeout_s": 0.2}
    async with whole_server(tmp_path, server=server) as whole:
        url = f"ws://{whole.http}{CHAT}"
        async with client_of(url) as client:
            await client.socket.send(" " * 2049)
            assert (await client.closed())[1] == 1009
        async with client_of(url) as client:
            await client.socket.send('{"type":"ping"' + " " * 2000 + "}")
            frames, code, reason = await client.closed()
            assert [frame["event"] for frame in frames] == ["pong", "warning"]
            assert (code, reason) == (4408, "IDLE_TIMEOUT")
