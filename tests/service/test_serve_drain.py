"""SIGTERM to a real process: whoever is connected hears of it at once, on every face, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from fakes.faces import FACES, Heard, Place, numbered
from fakes.served import Gateway
from fakes.sockets import CHAT, client_of
from fakes.whole import ServerProcess, server_process

PROMPT_S = 1.0
# Silent for so many seconds before it thinks and again before it answers.
TURN = {"text": "wait 2 s", "model": "demo/slow", "include_reasoning": True}


class Watcher:
    """Hears a stream to its end, and remembers when each event came."""

    def __init__(self, stream: AsyncIterator[Heard]) -> None:
        self.heard: list[Heard] = []
        self.at: list[float] = []
        self.begun = asyncio.Event()
        self._stream = stream

    async def listen(self) -> None:
        async for heard in self._stream:
            self.heard.append(heard)
            self.at.append(time.monotonic())
            self.begun.set()

    def warned_at(self) -> float:
        codes = [heard.data.get("code") for heard in self.heard]
        assert codes.count("RECONNECT") == 1
        warning = self.heard[codes.index("RECONNECT")]
        assert (warning.event, warning.sequence) == ("warning", 0)
        return self.at[codes.index("RECONNECT")]


async def idle_socket_sent_away(place: Place, ready: asyncio.Event) -> float:
    async with client_of(f"ws://{place.http}{CHAT}") as client:
        ready.set()
        frames, code, reason = await client.closed()
        assert [(frame["event"], frame["data"]["code"]) for frame in frames] == [("warning", "RECONNECT")]
        assert (code, reason) == (1001, "DRAINING")
        return time.monotonic()


async def refused_meanwhile(place: Place) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with client_of(f"ws://{place.http}{CHAT}"):
            pass
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["retry-after"] == "1"
    async with httpx.AsyncClient(base_url=f"http://{place.http}", trust_env=False) as client:
        answer = await client.post("/api/v1/chat/message", json={"text": "hi"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "DRAINING")
        assert (await client.get("/api/v1/health")).json()["status"] == "degraded"


async def test_watchers_of_every_face_hear_it_at_once_and_their_runs_end_well(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        place = Place(server.address, server.http)
        turns = [Watcher(face.turn(place, **TURN)) for face in FACES.values()]
        idle = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for each in turns:
                group.create_task(each.listen())
            away = group.create_task(idle_socket_sent_away(place, idle))
            await asyncio.gather(idle.wait(), *(each.begun.wait() for each in turns))
            run_id = turns[0].heard[0].data["run_id"]
            watchers = [Watcher(face.watch(place, run_id, include_reasoning=True)) for face in FACES.values()]
            for each in watchers:
                group.create_task(each.listen())
            await asyncio.gather(*(each.begun.wait() for each in watchers))
            began = time.monotonic()
            ending = group.create_task(server.stop())
            assert await away - began < PROMPT_S
            await refused_meanwhile(place)
        for each in (*turns, *watchers):
            assert each.warned_at() - began < PROMPT_S
            assert [heard.sequence for heard in numbered(each.heard)] == list(range(1, len(numbered(each.heard)) + 1))
            assert each.heard[-1].event == "complete"
        assert all(numbered(each.heard) == numbered(turns[0].heard) for each in watchers)
        assert ending.result() == 0


async def test_runs_that_outlive_the_patience_end_as_interrupted_after_the_warning(tmp_path: Path) -> None:
    process = ServerProcess(tmp_path, {"THINKALOUD_SERVER__DRAIN_GRACE_S": "0.3"})
    await process.start()
    place = Place(process.address, process.http)
    turns = [Watcher(face.turn(place, **{**TURN, "text": "wait 60 s"})) for face in FACES.values()]
    async with asyncio.TaskGroup() as group:
        for each in turns:
            group.create_task(each.listen())
        await asyncio.gather(*(each.begun.wait() for each in turns))
        assert await process.stop() == 0
    for each in turns:
        each.warned_at()
        assert (each.heard[-1].event, each.heard[-1].data["code"]) == ("error", "RUN_INTERRUPTED")


async def test_a_gateway_that_leaves_alone_tells_its_streams_at_once(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        with Gateway(tmp_path, server.address) as gateway:
            place = Place(server.address, gateway.http)
            faces = [face for name, face in FACES.items() if name != "grpc"]
            turns = [Watcher(face.turn(place, **TURN)) for face in faces]
            idle = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for each in turns:
                    group.create_task(each.listen())
                away = group.create_task(idle_socket_sent_away(place, idle))
                await asyncio.gather(idle.wait(), *(each.begun.wait() for each in turns))
                began = time.monotonic()
                ending = group.create_task(asyncio.to_thread(gateway.end))
                assert await away - began < PROMPT_S
            for each in turns:
                assert each.warned_at() - began < PROMPT_S
                assert [heard.sequence for heard in numbered(each.heard)] == list(
                    range(1, len(numbered(each.heard)) + 1)
                )
                assert each.heard[-1].event == "complete"
            assert ending.result() == 0
