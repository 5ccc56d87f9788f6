"""Leaving a stream: what the server is told, how long it takes, and that nothing stays open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import grpc
import pytest

from fakes.chat_server import ChatServer, FallSilent, HangUp, Refuse, answer
from fakes.client_driver import Driver, Failed, Form, until
from thinkaloud import Client, SyncClient, ThinkaloudError
from thinkaloud.stream import LEAVE_S

ANSWER = "Seventeen times twenty-three is 391."
SLACK_S = 1.0  # two busy cores
Way = Callable[[Client], Awaitable[None]]


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    """Its runs say two words and wait."""
    async with ChatServer(answer(ANSWER, hold_at=2)) as server:
        yield server


async def by_break(client: Client) -> None:
    async with client.stream("x") as stream:
        async for _ in stream:
            break


async def by_exception(client: Client) -> None:
    with suppress(Failed):
        async with client.stream("x") as stream:
            async for _ in stream:
                raise Failed


async def by_never_reading(client: Client) -> None:
    async with client.stream("x"):
        pass


async def by_timeout(client: Client) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2), client.stream("x") as stream:
            async for _ in stream:
                pass


async def by_bare_break(client: Client) -> None:
    async for _ in client.stream("x"):
        break


async def by_bare_exception(client: Client) -> None:
    with suppress(Failed):
        async for _ in client.stream("x"):
            raise Failed


async def by_bare_timeout(client: Client) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            async for _ in client.stream("x"):
                pass


async def by_chunks_break(client: Client) -> None:
    async for _ in client.chunks("x"):
        break


async def by_on_chunk(client: Client) -> None:
    async def fail(chunk: str, message_type: str) -> None:
        raise Failed

    with suppress(Failed):
        await client.chat("x", on_chunk=fail)


async def by_chat_timeout(client: Client) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(client.chat("x"), 0.2)


INLINE: list[Way] = [
    *(by_break, by_exception, by_never_reading, by_timeout),
    *(by_bare_timeout, by_on_chunk, by_chat_timeout),
]
ABANDONED: list[Way] = [by_bare_break, by_bare_exception, by_chunks_break]


@pytest.mark.parametrize("way", INLINE, ids=lambda way: way.__name__)
async def test_leaving_stops_the_run_before_the_next_line_runs(server: ChatServer, way: Way) -> None:
    async with Client(server.address) as client:
        await way(client)
        assert server.run.stopped
        await until(lambda: server.open_calls == 0)


@pytest.mark.parametrize("way", ABANDONED, ids=lambda way: way.__name__)
async def test_an_abandoned_iterator_is_closed_by_the_loop(server: ChatServer, way: Way) -> None:
    async with Client(server.address) as client:
        await way(client)
        await until(lambda: server.run.stopped and server.open_calls == 0)


@pytest.mark.parametrize("way", ABANDONED, ids=lambda way: way.__name__)
async def test_closing_the_client_waits_for_what_was_abandoned(server: ChatServer, way: Way) -> None:
    async with Client(server.address) as client:
        await way(client)
    assert server.run.stopped
    await until(lambda: server.open_calls == 0)


def test_a_program_that_abandons_a_stream_and_ends_leaves_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    async def program() -> ChatServer:
        async with ChatServer(answer(ANSWER, hold_at=2)) as server:
            client = Client(server.address)
            async for _ in client.stream("x"):
                break
            await client.close()
            assert server.run.stopped
            return server

    server = asyncio.run(program())
    assert server.open_calls == 0
    complaints = capfd.readouterr().err
    assert not {word for word in ("Task", "Traceback", "never") if word in complaints}


@pytest.mark.parametrize("form", ["entered", "bare"])
async def test_either_twin_stops_the_run_that_it_leaves(server: ChatServer, driver: Driver, form: Form) -> None:
    events = await driver.events(server.address, form=form, take=2)
    assert len(events) == 2
    assert server.run.stopped
    await until(lambda: server.open_calls == 0)


async def test_either_twin_stops_the_run_whose_chunks_it_leaves(server: ChatServer, driver: Driver) -> None:
    assert await driver.chunks(server.address, take=1) == [("assistant", "Seventeen ")]
    assert server.run.stopped


@pytest.mark.parametrize("detach", [-1, 0, 60])
async def test_a_run_that_was_detached_is_only_left(server: ChatServer, driver: Driver, detach: int) -> None:
    await driver.events(server.address, take=2, detach=detach)
    await until(lambda: server.open_calls == 0)
    assert not server.requests["StopRun"]
    assert server.requests["Chat"][0].detach == detach


async def test_a_run_that_has_ended_is_not_stopped(server: ChatServer, driver: Driver) -> None:
    server.script = answer(ANSWER)
    everything = len(server.script.pieces) + 2
    assert len(await driver.events(server.address, take=everything)) == everything
    assert not server.requests["StopRun"]
    await until(lambda: server.open_calls == 0)


async def test_leaving_a_watch_does_not_stop_the_run(server: ChatServer, driver: Driver) -> None:
    await driver.events(server.address, take=2, detach=-1)
    events = await driver.watch(server.address, server.run.run_id, 1, take=1)
    assert [event.sequence for event in events] == [2]
    await until(lambda: server.open_calls == 0)
    assert not server.requests["StopRun"]


async def test_leaving_before_start_waits_for_it_to_know_what_to_stop(server: ChatServer) -> None:
    server.start_hold = asyncio.Event()
    async with Client(server.address) as client:
        asking = asyncio.create_task(client.chat("x"))
        await until(lambda: server.open_calls == 1)
        asking.cancel()
        await asyncio.sleep(0.1)
        server.start_hold.set()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert server.run.stopped
        await until(lambda: server.open_calls == 0)


async def test_leaving_before_start_that_does_not_come_takes_a_second_and_no_more(server: ChatServer) -> None:
    server.start_hold = asyncio.Event()
    async with Client(server.address) as client:
        asking = asyncio.create_task(client.chat("x"))
        await until(lambda: server.open_calls == 1)
        began_s = time.monotonic()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert LEAVE_S * 0.9 <= time.monotonic() - began_s <= LEAVE_S + SLACK_S
        await until(lambda: server.open_calls == 0)
    assert not server.requests["StopRun"]


async def test_the_sync_twin_leaves_before_start_within_a_second_too(server: ChatServer) -> None:
    """Another thread closes the client while this one waits for `start`."""
    server.start_hold = asyncio.Event()
    client = SyncClient(server.address)
    asking = asyncio.create_task(asyncio.to_thread(client.chat, "x"))
    await until(lambda: server.open_calls == 1)
    began_s = time.monotonic()
    await asyncio.to_thread(client.close)
    assert time.monotonic() - began_s <= LEAVE_S + SLACK_S
    with pytest.raises(ThinkaloudError):
        await asking
    await until(lambda: server.open_calls == 0)


@pytest.mark.parametrize("between", [0.0, 0.05])
async def test_leaving_between_two_connections_does_not_connect_again(server: ChatServer, between: float) -> None:
    server.next("Chat", *[Refuse(grpc.StatusCode.UNAVAILABLE, "DRAINING", retry_after_s=5)] * 3)
    async with Client(server.address) as client:
        asking = asyncio.create_task(client.chat("x"))
        await until(lambda: bool(server.requests["Chat"]))
        await asyncio.sleep(between)
        asking.cancel()
        began_s = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert time.monotonic() - began_s < LEAVE_S
    assert not server.runs


async def test_a_server_that_does_not_answer_stop_run_holds_nobody_up(server: ChatServer, driver: Driver) -> None:
    server.next("StopRun", FallSilent(0))
    began_s = time.monotonic()
    await driver.events(server.address, take=2)
    assert LEAVE_S * 0.9 <= time.monotonic() - began_s <= LEAVE_S + SLACK_S
    await until(lambda: server.open_calls == 0)


async def test_a_refused_stop_is_not_the_callers_business(server: ChatServer, driver: Driver) -> None:
    server.next("StopRun", Refuse(grpc.StatusCode.UNAVAILABLE, "DRAINING"))
    assert len(await driver.events(server.address, take=2)) == 2


async def test_a_second_cancellation_does_not_undo_the_first_ones_work(server: ChatServer) -> None:
    server.next("StopRun", FallSilent(0))
    async with Client(server.address) as client:
        asking = asyncio.create_task(client.chat("x"))
        await until(lambda: bool(server.runs) and len(server.run.log) == 3)
        asking.cancel()
        await until(lambda: bool(server.requests["StopRun"]))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    await until(lambda: server.open_calls == 0)


async def test_a_stream_can_be_read_in_two_loops_while_it_is_entered(server: ChatServer) -> None:
    async with Client(server.address) as client, client.stream("x") as stream:
        async for first in stream:
            assert first.sequence == 1
            break
        async for second in stream:
            assert second.sequence == 2
            break
        assert not server.run.stopped


async def test_closing_a_client_ends_the_reading_in_another_task_with_an_error(server: ChatServer) -> None:
    client = Client(server.address)
    asking = asyncio.create_task(client.chat("x", detach=-1))
    await until(lambda: bool(server.runs) and len(server.run.log) == 3)
    await client.close()
    with pytest.raises(ThinkaloudError, match="closed"):
        await asking
    await until(lambda: server.open_calls == 0)


async def test_closing_a_client_ends_its_waits_between_connections(server: ChatServer) -> None:
    server.next("Chat", Refuse(grpc.StatusCode.UNAVAILABLE, "DRAINING", retry_after_s=5))
    client = Client(server.address)
    asking = asyncio.create_task(client.chat("x"))
    await until(lambda: bool(server.requests["Chat"]))
    await asyncio.sleep(0.05)
    began_s = time.monotonic()
    await client.close()
    with pytest.raises(ThinkaloudError, match="closed"):
        await asking
    assert time.monotonic() - began_s < LEAVE_S


async def test_a_closed_client_says_so(server: ChatServer) -> None:
    client = Client(server.address)
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.health()
    with pytest.raises(RuntimeError, match="closed"):
        await client.chat("x")


async def test_leaving_while_resuming_still_stops_the_run(server: ChatServer) -> None:
    server.next("Chat", HangUp(after=2))
    server.next("WatchRun", *[Refuse(grpc.StatusCode.UNAVAILABLE, "DRAINING", retry_after_s=3)] * 5)
    async with Client(server.address) as client:
        asking = asyncio.create_task(client.chat("x"))
        await until(lambda: bool(server.requests["WatchRun"]))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert server.run.stopped
