"""The HTTP client while an answer comes: how long it waits, what it makes of every bad end, how fast it leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import uvloop

from fakes.asking import SystemClock, ask, failure_of, full_listener, post, read_on
from fakes.provider import AFTER_HEAD, BEFORE_HEAD, FakeProvider, Gate, Reply
from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.engine.ports import AttemptTrace
from thinkaloud_server.engine.upstream import Answer, Timeouts, Upstream, default_timeouts
from thinkaloud_server.providers.vendors import Vendor

AT_ONCE_S = 0.05


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    client = Upstream(clock=SystemClock())
    yield client
    await client.close()


class TestBrokenAnswer:
    @pytest.mark.parametrize("ending", ["cut", "reset", "half_close"])
    async def test_gives_all_that_came_before_it_broke(self, upstream: Upstream, ending: str) -> None:
        """Also when nobody was reading as it broke: aiohttp would raise its error first."""
        reply = Reply((b"one ", b"two ", b"three"), ending=ending)  # type: ignore[arg-type]  # a table
        got: list[bytes] = []

        async def use(answer: Answer) -> None:
            await provider.wait_for(lambda provider: provider.busy_connections == 0 or ending == "half_close")
            await asyncio.sleep(0.05)  # until the end of the connection has come through to aiohttp
            while data := await answer.read():
                got.append(data)

        async with FakeProvider(reply) as provider:
            failure = await failure_of(ask(upstream, provider.base_url, use=use))
        assert failure.reason == ErrorReason.UPSTREAM_TRUNCATED
        assert b"".join(got) == b"one two three"

    async def test_with_garbage_in_its_framing_ends_in_a_failure(self, upstream: Upstream) -> None:
        gate = Gate()
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        reply = Reply((b"3\r\none\r\n", b"garbage\r\n\r\n"), raw=head, ending="hang", hold=gate, hold_at=1)
        got: list[bytes] = []

        async def use(answer: Answer) -> None:
            got.append(await answer.read())
            gate.open()

        async with FakeProvider(reply) as provider:
            failure = await failure_of(ask(upstream, provider.base_url, use=use))
        assert failure.reason == ErrorReason.UPSTREAM_PROTOCOL_ERROR
        assert got == [b"one"]

    async def test_fails_again_when_it_is_read_again(self, upstream: Upstream) -> None:
        async def use(answer: Answer) -> None:
            await failure_of(read_on(answer))

        async with FakeProvider(Reply((b"one",), ending="cut")) as provider:
            failure = await failure_of(ask(upstream, provider.base_url, use=use))
        assert failure.reason == ErrorReason.UPSTREAM_TRUNCATED


class TestTimeouts:
    async def test_of_silence_ends_an_answer(self, upstream: Upstream) -> None:
        started = time.monotonic()
        async with FakeProvider(Reply((b"one",), ending="hang")) as provider:
            failure = await failure_of(ask(upstream, provider.base_url, silence_s=0.2))
            assert 0.15 < time.monotonic() - started < 0.7
            assert failure.reason == ErrorReason.UPSTREAM_TIMEOUT
            await provider.wait_for(lambda provider: provider.open_connections == 0)

    async def test_take_any_byte_for_a_sign_of_life(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((b":\n",) * 8, pace_s=0.05)) as provider:
            assert await ask(upstream, provider.base_url, silence_s=0.2) == b":\n" * 8

    async def test_do_not_count_the_readers_own_time_as_silence(self, upstream: Upstream) -> None:
        gate = Gate()

        async def use(answer: Answer) -> None:
            assert await answer.read() == b"one"
            await asyncio.sleep(0.3)
            gate.open()

        reply = Reply((b"one", b"two"), hold=gate, hold_at=1)
        async with FakeProvider(reply) as provider:
            assert await ask(upstream, provider.base_url, use=use, silence_s=0.1) == b"two"

    async def test_in_total_end_an_answer_that_never_ends(self, upstream: Upstream) -> None:
        started = time.monotonic()
        async with FakeProvider(Reply((b"more ",) * 100, pace_s=0.02)) as provider:
            failure = await failure_of(ask(upstream, provider.base_url, total_s=0.2))
        assert failure == Failure(ErrorReason.UPSTREAM_TIMEOUT, "no end from the provider within 0.2 s")
        assert time.monotonic() - started < 0.7

    async def test_can_be_made_shorter_on_the_way(self, upstream: Upstream) -> None:
        async def use(answer: Answer) -> None:
            answer.limit_silence(0.1)

        async with FakeProvider(Reply((b"one",), ending="hang")) as provider:
            failure = await failure_of(ask(upstream, provider.base_url, use=use))
        assert failure.message == "nothing more from the provider within 0.1 s"

    def test_are_short_for_vendors_that_ping(self) -> None:
        assert default_timeouts(Vendor(name="quiet")) == Timeouts(5, 300, 300, 1800)
        assert default_timeouts(Vendor(name="loud", pings=True)) == Timeouts(5, 300, 60, 1800)


PLACES = {
    "awaiting the head": Reply(hold_at=BEFORE_HEAD),
    "after the head": Reply((b"one",), hold_at=AFTER_HEAD),
    "mid-stream": Reply((b"one", b"two"), hold_at=1),
    "mid-stream of known length": Reply((b"one", b"two"), framing="length", hold_at=1),
}


class TestLeaving:
    @pytest.mark.parametrize("reply", PLACES.values(), ids=PLACES)
    async def test_by_cancellation_closes_the_connection_at_once(self, reply: Reply) -> None:
        await leave(reply)

    @pytest.mark.parametrize("reply", PLACES.values(), ids=PLACES)
    def test_by_cancellation_closes_at_once_on_the_servers_own_event_loop_too(self, reply: Reply) -> None:
        """How and when a socket is closed is the loop's doing."""
        uvloop.run(leave(reply))

    async def test_by_leaving_the_context_closes_the_connection_at_once(self, upstream: Upstream) -> None:
        trace = AttemptTrace()
        async with FakeProvider(Reply((b"one",), ending="hang")) as provider:
            request = post(provider.base_url)
            async with upstream.send(request, timeouts=Timeouts(), request_id="r", trace=trace) as answer:
                assert await answer.read() == b"one"
                began = time.monotonic()
            await provider.connections[0].left.wait()
        assert left_at(provider) - began < AT_ONCE_S

    async def test_while_the_provider_does_not_take_the_request_closes_at_once(self, upstream: Upstream) -> None:
        """A polite close would first wait until the provider has taken the rest of it."""
        body = b"x" * (16 * 1024 * 1024)
        trace = AttemptTrace()
        async with FakeProvider(reads=False) as provider:
            task = asyncio.create_task(ask(upstream, post(provider.base_url, body), trace=trace))
            await provider.wait_for(lambda provider: provider.open_connections == 1)
            await asyncio.sleep(0.1)  # until the socket's buffers are full
            assert trace.sent
            task.cancel()
            await asyncio.wait([task])
            provider.read_on()
            await asyncio.wait_for(provider.connections[0].left.wait(), 1)
            assert provider.connections[0].received_bytes < len(body)

    async def test_while_the_connection_is_being_made_is_immediate(self, upstream: Upstream) -> None:
        with full_listener() as port:
            task = asyncio.create_task(ask(upstream, f"http://127.0.0.1:{port}/"))
            await asyncio.sleep(0.05)
            began = time.monotonic()
            task.cancel()
            await asyncio.wait([task])
            assert time.monotonic() - began < AT_ONCE_S


class TestAfterTheProvidersWordThatItIsDone:
    async def test_the_connection_is_kept_when_the_end_follows(self, upstream: Upstream) -> None:
        gate = Gate()
        async with FakeProvider(Reply((b"done",), hold=gate, hold_at=1), Reply((b"ok",))) as provider:
            await self.read_one(upstream, provider)
            gate.open()
            await provider.wait_for(lambda provider: provider.busy_connections == 0)
            await asyncio.sleep(0.02)  # the end crosses the loopback
            assert await ask(upstream, provider.base_url) == b"ok"
            assert len(provider.connections) == 1

    async def test_the_connection_is_closed_when_no_end_follows(self, upstream: Upstream) -> None:
        async with FakeProvider(Reply((b"done",), ending="hang")) as provider:
            began = time.monotonic()
            await self.read_one(upstream, provider)
            assert time.monotonic() - began < 0.2, "nobody waits for it"
            await provider.wait_for(lambda provider: provider.open_connections == 0)
            assert left_at(provider) - began < 1

    @staticmethod
    async def read_one(upstream: Upstream, provider: FakeProvider) -> None:
        request = post(provider.base_url)
        async with upstream.send(request, timeouts=Timeouts(), request_id="r", trace=AttemptTrace()) as answer:
            assert await answer.read() == b"done"
            answer.end()


class TestReadAll:
    async def test_reads_a_whole_body(self, upstream: Upstream) -> None:
        assert await self.read(upstream, Reply((b"one ", b"two")), 100) == (b"one two", None)

    async def test_reads_no_more_than_the_bound(self, upstream: Upstream) -> None:
        body, failure = await self.read(upstream, Reply((b"x" * 60,) * 10, ending="hang"), 100)
        assert body == b"x" * 100
        assert failure is not None
        assert failure.reason == ErrorReason.UPSTREAM_PROTOCOL_ERROR

    @pytest.mark.parametrize(("ending", "reason"), [("hang", "UPSTREAM_TIMEOUT"), ("cut", "UPSTREAM_TRUNCATED")])
    async def test_gives_what_came_of_a_body_that_is_not_whole(
        self, upstream: Upstream, ending: str, reason: str
    ) -> None:
        reply = Reply((b"one",), ending=ending)  # type: ignore[arg-type]  # a table
        body, failure = await self.read(upstream, reply, 100)
        assert body == b"one"
        assert failure is not None
        assert failure.reason == reason

    @staticmethod
    async def read(upstream: Upstream, reply: Reply, bytes_max: int) -> tuple[bytes, Failure | None]:
        async with (
            FakeProvider(reply) as provider,
            upstream.send(post(provider.base_url), timeouts=Timeouts(), request_id="r", trace=AttemptTrace()) as answer,
        ):
            return await answer.read_all(bytes_max, 0.2)


async def leave(reply: Reply) -> None:
    """Cancel a request where the provider waits, and see it gone at once, with nothing left behind."""
    gate = Gate()
    tasks = len(asyncio.all_tasks())
    upstream = Upstream(clock=SystemClock())
    async with FakeProvider(replace(reply, hold=gate)) as provider:
        task = asyncio.create_task(ask(upstream, provider.base_url))
        await gate.reached.wait()
        began = time.monotonic()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await asyncio.wait_for(provider.connections[0].left.wait(), 1)
        assert left_at(provider) - began < AT_ONCE_S
    await upstream.close()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == tasks


def left_at(provider: FakeProvider) -> float:
    moment = provider.connections[0].left_at
    assert moment is not None
    return moment
