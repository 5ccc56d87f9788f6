"""Nothing is lost: connections cut at random points, servers killed at random points, readers that stop."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import sys
from pathlib import Path

import grpc
import pytest

from fakes.chat_wire import chat_reply
from fakes.cutting_proxy import Cut, CuttingProxy
from fakes.provider import FakeProvider
from fakes.whole import ServerProcess, server_process, whole_server
from thinkaloud import Client, Complete, ConnectionLostError, Error, Event, Reasoning, Token
from thinkaloud.v1 import chat_service_pb2, chat_service_pb2_grpc

REASONING = "let me think about seventeen times twenty three " * 6
TEXT = "the answer is three hundred and ninety one and here is why " * 12
CUTS = 100
KILLS = 50


def joined(events: list[Event], kind: type[Token | Reasoning]) -> str:
    return "".join(event.token for event in events if isinstance(event, kind))


def check_whole(events: list[Event]) -> None:
    """Exactly the script, each event once and in order, one terminal event."""
    numbers = [event.sequence for event in events]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [isinstance(event, Complete) for event in events] == [False] * (len(events) - 1) + [True]
    assert joined(events, Reasoning) == REASONING
    assert joined(events, Token) == TEXT


async def test_a_connection_cut_at_a_hundred_random_points_loses_and_repeats_nothing(tmp_path: Path) -> None:
    dice = random.Random(391)
    reply = chat_reply(TEXT, reasoning=REASONING, pace_s=0.0005)
    made = 0
    async with (
        FakeProvider(reply) as provider,
        whole_server(tmp_path, {"fake": {"base_url": provider.base_url, "models": ["m"]}}) as server,
    ):
        for _ in range(CUTS):
            cuts = [Cut(dice.randrange(1, 9000), reset=dice.random() < 0.7), Cut(dice.randrange(1, 4000))]
            async with CuttingProxy(server.address, cuts) as proxy, Client(proxy.address) as client:
                stream = client.stream("go", model="fake/m", include_reasoning=True, detach=60)
                async with stream:
                    check_whole([event async for event in stream])
                made += proxy.cuts_made
        assert len(provider.requests) == CUTS
        assert made >= CUTS
        await provider.wait_for(lambda each: each.busy_connections == 0)


async def test_a_server_killed_at_random_points_loses_no_delivered_event_and_settles_its_runs(tmp_path: Path) -> None:
    """A client sees what it sees; the server dies; the log that comes back begins with exactly that."""
    dice = random.Random(17)
    rounds = KILLS // 5
    reply = chat_reply(TEXT, reasoning=REASONING, pace_s=0.002)
    async with FakeProvider(reply) as provider:
        environment = {
            "THINKALOUD_PROVIDERS__FAKE__BASE_URL": provider.base_url,
            "THINKALOUD_PROVIDERS__FAKE__MODELS": "m",
        }
        async with server_process(tmp_path, environment) as server:
            for _ in range(rounds):
                await _kill_once(server, dice)


async def _kill_once(server: ServerProcess, dice: random.Random) -> None:
    """Five watched runs, cut down at five different moments of theirs by one kill."""
    seen: list[list[Event]] = [[] for _ in range(5)]
    enough = asyncio.Event()
    wanted = dice.randrange(3, 60)

    async def follow(number: int) -> str:
        async with Client(server.address, start_timeout_s=1, resume_timeout_s=0.2) as client:
            stream = client.stream("go", model="fake/m", include_reasoning=True, detach=-1)
            try:
                async with stream:
                    async for event in stream:
                        seen[number].append(event)
                        if len(seen[number]) >= wanted:
                            enough.set()
            except ConnectionLostError:
                pass  # the server is gone, and does not come back where it was
            return stream.run_id

    followers = []
    for number in range(5):
        followers.append(asyncio.create_task(follow(number)))
        await asyncio.sleep(dice.random() * 0.02)
    await asyncio.wait_for(enough.wait(), 10)
    await server.kill()
    run_ids = await asyncio.gather(*followers)
    await server.start()
    async with Client(server.address) as client:
        for delivered, run_id in zip(seen, run_ids, strict=True):
            if not run_id:
                continue  # killed before its `start` was delivered
            again = [event async for event in client.watch(run_id, include_reasoning=True)]
            assert again[: len(delivered)] == delivered
            assert isinstance(again[-1], Error)
            assert (again[-1].code, again[-1].retryable) == ("RUN_INTERRUPTED", True)
            assert again[-1].partial == any(isinstance(event, Token | Reasoning) for event in again)
            assert TEXT.startswith(joined(again, Token))
            assert REASONING.startswith(joined(again, Reasoning))


async def test_a_client_whose_server_died_and_came_back_is_told_that_its_run_was_interrupted(tmp_path: Path) -> None:
    reply = chat_reply(TEXT, reasoning=REASONING, pace_s=0.005)
    async with FakeProvider(reply) as provider:
        environment = {"THINKALOUD_PROVIDERS__FAKE__BASE_URL": provider.base_url}
        async with (
            server_process(tmp_path, environment) as server,
            CuttingProxy(server.address) as proxy,
            Client(proxy.address) as client,
        ):
            events: list[Event] = []
            async with client.stream("go", model="fake/m", include_reasoning=True) as stream:
                async for event in stream:
                    events.append(event)
                    if len(events) == 20:
                        await server.kill()
                        await server.start()
                        proxy.retarget(server.address)
            assert isinstance(events[-1], Error)
            assert events[-1].code == "RUN_INTERRUPTED"
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))


READER = """
import sys, grpc, hashlib
from thinkaloud.v1 import run_service_pb2, run_service_pb2_grpc
stub = run_service_pb2_grpc.RunServiceStub(grpc.insecure_channel(sys.argv[1]))
text, left = hashlib.sha256(), int(sys.argv[3])
for number, response in enumerate(stub.WatchRun(run_service_pb2.WatchRunRequest(run_id=sys.argv[2]))):
    left -= len(response.event.token.token)
    text.update(response.event.token.token.encode())
    if number == 3:
        print(response.event.sequence, flush=True)
    if left <= 0:
        break
print(text.hexdigest(), flush=True)
"""


def rss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no such process")


async def reader_of(address: str, run_id: str, chars: int) -> asyncio.subprocess.Process:
    """A client process that watches so much of a run, once it has had the first events."""
    reader = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", READER, address, run_id, str(chars)), stdout=asyncio.subprocess.PIPE
    )
    assert reader.stdout is not None
    await asyncio.wait_for(reader.stdout.readline(), 20)
    return reader


async def ends_of(readers: list[asyncio.subprocess.Process]) -> list[list[str]]:
    return [(await reader.communicate())[0].decode().split() for reader in readers]


async def test_readers_that_stopped_cost_a_cursor_each_slow_nobody_and_lose_nothing(tmp_path: Path) -> None:
    """Ten megabytes of a live run lie before each of them: far more than sockets and windows take."""
    readers = 3
    text = " ".join(f"{number:014d}" * 1000 for number in range(700))
    endless = chat_reply(text, finish=None, usage=None, done=False, ending="hang")
    async with FakeProvider(endless, chat_reply(TEXT)) as provider:
        environment = {
            "THINKALOUD_PROVIDERS__FAKE__BASE_URL": provider.base_url,
            "THINKALOUD_PROVIDERS__FAKE__MODELS": "m",
            "THINKALOUD_SERVER__DRAIN_GRACE_S": "0",
        }
        async with server_process(tmp_path, environment) as server, Client(server.address) as client:
            async with client.stream("go", model="fake/m", detach=-1) as stream:
                run_id = stream.run_id
            # Readers that read, first: what they leave behind in the allocator is not the stopped ones' doing.
            whole = await ends_of([await reader_of(server.address, run_id, len(text)) for _ in range(readers)])
            assert whole == [[hashlib.sha256(text.encode()).hexdigest()]] * readers
            before = rss_kib(server.pid)
            stopped = []
            for _ in range(readers):
                stopped.append(await reader_of(server.address, run_id, len(text)))
                stopped[-1].send_signal(signal.SIGSTOP)
            for _ in range(20):
                assert (await client.chat("and you?", model="fake/m")).response == TEXT
            grown = rss_kib(server.pid) - before
            for reader in stopped:
                os.kill(reader.pid, signal.SIGCONT)
            assert await ends_of(stopped) == whole
    assert grown < readers * 64 + 8 * 1024, f"{grown} KiB for {readers} stopped readers"


@pytest.mark.parametrize("times", [1000])
async def test_a_thousand_requests_over_the_wire_with_one_key_make_one_provider_call(
    tmp_path: Path, times: int
) -> None:
    async with (
        FakeProvider(chat_reply(TEXT, reasoning=REASONING)) as provider,
        whole_server(tmp_path, {"fake": {"base_url": provider.base_url, "models": ["m"]}}) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        stub = chat_service_pb2_grpc.ChatServiceStub(channel)
        request = chat_service_pb2.ChatRequest(text="go", model="fake/m", idempotency_key="one", include_reasoning=True)

        async def answer() -> bytes:
            # One at a time from a stream: all of them are open at once on one connection.
            return b"".join([response.SerializeToString(deterministic=True) async for response in stub.Chat(request)])

        answers = await asyncio.gather(*(answer() for _ in range(times)))
        assert len(set(answers)) == 1
        assert len(provider.requests) == 1
