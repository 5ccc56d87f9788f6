"""Limits of requests, streams and wrong credentials, over both channels of a real server."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from typing import Any

import grpc
import pytest

from fakes.clock import FakeClock
from fakes.cutting_proxy import CuttingProxy
from fakes.engine import FakeEngine, Hold, complete
from fakes.limited import Keys, bearer, limited
from fakes.rpc import ON_A_SOCKET, Served, collect, refused, told, until
from fakes.stubs import stubs
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import identity_service_pb2, run_service_pb2, system_service_pb2
from thinkaloud.v1.identity_service_pb2_grpc import IdentityServiceStub
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Token
from thinkaloud_server.core.identity import Allowance
from thinkaloud_server.rpc.local import PEER
from thinkaloud_server.rpc.throttle import Rates

pytestmark = pytest.mark.usefixtures("channel_kind")

NETWORK = ip_network("127.0.0.0/8")
INFO = system_service_pb2.GetInfoRequest()
HEALTH = system_service_pb2.GetHealthRequest()


async def limits_of(call: Any) -> list[int]:
    """What it was told of its limit: the limit, what remains, the seconds until more do. A refusal comes alone, with
    everything among its trailers."""
    metadata = dict([*await call.trailing_metadata(), *await call.initial_metadata()])
    return [int(metadata[f"x-ratelimit-{name}"]) for name in ("limit", "remaining", "reset")]


@pytest.mark.parametrize("limit", [10, 100])
async def test_at_ten_times_the_load_as_many_are_let_in_as_the_limit_says(limit: int) -> None:
    clock = FakeClock()
    windows, calls = 3, 10 * limit
    async with limited(Rates(requests_per_minute=limit), Keys(), now=clock.monotonic) as served:
        admitted = 0
        for _ in range(windows * 10):
            clock.advance(6)
            ends = await asyncio.gather(
                *(told(served.system.GetInfo(INFO, metadata=bearer("k"))) for _ in range(calls // 10))
            )
            assert set(ends) <= {"", "RATE_LIMITED"}
            admitted += ends.count("")
        assert abs(admitted - windows * limit) <= windows * limit * 0.01


async def test_a_refusal_says_until_when_and_every_answer_how_much_is_left() -> None:
    clock = FakeClock()
    async with limited(Rates(requests_per_minute=2), Keys(), now=clock.monotonic) as served:
        call = served.system.GetInfo(INFO, metadata=bearer("k"))
        await call
        assert await limits_of(call) == [2, 1, 60]
        clock.advance(15)
        stream = served.chat.Chat(pb.ChatRequest(text="hi"), metadata=bearer("k"))
        assert (await collect(stream))[1] is None
        assert await limits_of(stream) == [2, 0, 45]
        call = served.system.GetInfo(INFO, metadata=bearer("k"))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        status = refused(caught.value)
        assert (status.code, status.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
        assert status.retry_after_s == 45
        assert await limits_of(call) == [2, 0, 45]


async def test_health_is_told_at_any_load_and_open_methods_count_for_no_key() -> None:
    async with limited(Rates(requests_per_minute=1), Keys()) as served:
        channel: Any = served.channel
        for _ in range(5):
            await served.system.GetHealth(HEALTH, metadata=bearer("k"))
            assert await channel.unary_unary("/grpc.health.v1.Health/Check")(b"") == b"\x08\x01"
        assert await told(served.system.GetInfo(INFO, metadata=bearer("k"))) == ""


async def test_a_key_has_its_own_allowance() -> None:
    keys = Keys({"more": Allowance(requests_per_minute=4)})
    async with limited(Rates(requests_per_minute=2), keys) as served:
        for key, let_in in (("more", 4), ("less", 2)):
            ends = [await told(served.system.GetInfo(INFO, metadata=bearer(key))) for _ in range(6)]
            assert ends.count("") == let_in


async def test_guesses_of_ids_and_fresh_idempotency_keys_are_requests_like_any() -> None:
    async with limited(Rates(requests_per_minute=50), Keys()) as served:
        guesses = [run_service_pb2.GetRunRequest(run_id=f"run_{number:032x}") for number in range(100)]
        ends = Counter([await told(served.runs.GetRun(guess, metadata=bearer("k"))) for guess in guesses])
        assert ends == {"NOT_FOUND": 50, "RATE_LIMITED": 50}
        fresh = [pb.ChatRequest(text="hi", idempotency_key=f"key-{number}") for number in range(100)]
        asked = (pb.SendMessageRequest(request=request) for request in fresh)
        ends = Counter([await told(served.chat.SendMessage(each, metadata=bearer("l"))) for each in asked])
        assert ends == {"": 50, "RATE_LIMITED": 50}


async def test_a_thousand_wrong_keys_are_not_all_looked_at_and_a_neighbour_at_work_goes_on() -> None:
    keys = Keys()
    with_address = PEER.set("ipv4:127.0.0.1:1")
    try:
        async with limited(Rates(auth_failures_per_minute=30), keys) as served:
            assert await told(served.system.GetInfo(INFO, metadata=bearer("good"))) == ""
            wrong = [bearer(f"bad-{number}") for number in range(1000)]
            ends = Counter([await told(served.system.GetInfo(INFO, metadata=each)) for each in wrong])
            assert ends == {"AUTH_INVALID": 30, "AUTH_RATE_LIMITED": 970}
            assert keys.looked_at == 31
            assert await told(served.system.GetInfo(INFO, metadata=bearer("good"))) == ""
            assert await told(served.system.GetInfo(INFO, metadata=bearer("never seen"))) == "AUTH_RATE_LIMITED"
            await served.system.GetHealth(HEALTH)
    finally:
        PEER.reset(with_address)


async def test_a_method_that_is_open_to_all_is_no_way_to_guess() -> None:
    keys = Keys()
    here = PEER.set("ipv4:127.0.0.1:1")
    try:
        async with limited(Rates(auth_failures_per_minute=5), keys) as served:
            wrong = (bearer(f"bad-{number}") for number in range(20))
            ends = Counter([await told(served.system.GetHealth(HEALTH, metadata=each)) for each in wrong])
            assert ends == {"": 5, "AUTH_RATE_LIMITED": 15}
            await served.system.GetHealth(HEALTH)
    finally:
        PEER.reset(here)


@ON_A_SOCKET
async def test_a_guesser_at_one_address_does_not_keep_others_out() -> None:
    rates = Rates(auth_failures_per_minute=3, trusted_proxies=(NETWORK,))
    async with limited(rates, Keys()) as served:
        here, there = (("x-forwarded-for", address) for address in ("192.0.2.1", "198.51.100.1"))
        for _ in range(5):
            await told(served.system.GetInfo(INFO, metadata=bearer("bad", here)))
        assert await told(served.system.GetInfo(INFO, metadata=bearer("good", here))) == "AUTH_RATE_LIMITED"
        assert await told(served.system.GetInfo(INFO, metadata=bearer("good", there))) == ""


@ON_A_SOCKET
@pytest.mark.parametrize("trusted", [False, True], ids=["forged", "by a proxy"])
async def test_a_forwarded_address_counts_where_the_proxy_is_trusted(trusted: bool) -> None:
    rates = Rates(requests_per_minute_address=3, trusted_proxies=(NETWORK,) if trusted else ())
    async with limited(rates) as served:
        ends = []
        for number in range(9):
            forged = ("x-forwarded-for", f"203.0.113.{number}, 2001:db8::{number}")
            ends.append(await told(served.system.GetInfo(INFO, metadata=(forged,))))
        # Forged, all of them are this machine; by a proxy, all of them are of one /64.
        assert Counter(ends) == {"": 3, "RATE_LIMITED": 6}
        other = ("x-forwarded-for", "2001:db8::1, 2001:db8:0:1::1")
        assert await told(served.system.GetInfo(INFO, metadata=(other,))) == ("" if trusted else "RATE_LIMITED")


async def test_streams_above_the_limit_of_a_key_are_refused_until_one_has_ended() -> None:
    hold = Hold()
    async with limited(Rates(streams_per_key=2), Keys(), engine=FakeEngine([hold, complete()])) as served:
        ask = pb.ChatRequest(text="hi")
        calls = [served.chat.Chat(ask, metadata=bearer("k")) for _ in range(2)]
        for call in calls:
            await call.read()
        _, error = await collect(served.chat.Chat(ask, metadata=bearer("k")))
        assert error is not None
        status = refused(error)
        assert (status.code, status.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
        assert status.retry_after_s == 1
        assert await told(served.system.GetInfo(INFO, metadata=bearer("k"))) == ""
        calls[0].cancel()
        await until(lambda: served.server.throttle.streams == 1)
        hold.release.set()
        for call in (calls[1], served.chat.Chat(ask, metadata=bearer("k"))):
            assert (await collect(call))[1] is None
        await until(lambda: served.server.throttle.streams == 0)


async def test_a_thousand_sockets_of_one_key_are_too_many_before_they_are_open() -> None:
    async with limited(Rates(sockets_per_key=256), Keys()) as served:
        stub: Any = IdentityServiceStub(served.channel)
        request = identity_service_pb2.HoldSocketRequest(path="/api/v1/chat/stream")
        held = [stub.HoldSocket(request, metadata=bearer("k")) for _ in range(1000)]
        ends = await asyncio.gather(*(told(call.read()) for call in held))
        assert Counter(ends) == {"": 256, "TOO_MANY_CONNECTIONS": 744}
        assert served.server.throttle.sockets == 256
        other = stub.HoldSocket(request, metadata=bearer("other"))
        assert (await other.read()).identity.key_id == "other"
        for call in (*held, other):
            call.cancel()
        await until(lambda: served.server.throttle.sockets == 0)


@pytest.mark.timeout(400)
async def test_ten_thousand_calls_that_end_in_every_way_give_back_what_they_held(
    channel_kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "thinkaloud")  # of a thousand tracebacks
    chance = random.Random(20_260_401)
    engine = FakeEngine([Token("a"), Token("b"), complete()])
    engine.scripts["broken"] = [Token("a"), RuntimeError("broken on purpose")]
    engine.scripts["failed"] = [Token("a"), ChatError(ErrorReason.STORAGE_UNAVAILABLE, "no disk")]
    engine.scripts["held"] = [Token("a"), Hold()]
    # As many at once as the limit lets in: one slot that was not given back, and a call of the next round is refused.
    at_once, calls, ends = 100, 10_000, Counter[str]()
    async with limited(Rates(streams_per_key=at_once), Keys(), engine=engine) as served:
        held = served.server.throttle
        for _ in range(calls // at_once):
            ways = chance.choices([*WAYS], k=at_once)
            async with line_to(served, channel_kind) as line:
                await asyncio.gather(*(WAYS[way](line, way) for way in ways))
                await until(lambda ways=ways: held.streams == ways.count("cut"))  # type: ignore[misc]  # bound now
                await line.cut()
            await until(lambda: held.streams == 0 and served.server.load.calls == 0)
            ends.update(ways)
        await until(lambda: engine.watching == 0)
    assert (ends.total(), set(ends)) == (calls, set(WAYS))


@dataclass
class Line:
    """A way to chat over a connection of its own, which can be cut."""

    chat: Any
    proxy: CuttingProxy | None
    reading: list[asyncio.Task[Any]] = field(default_factory=list)

    async def cut(self) -> None:
        """Inside the process there is no connection: there the client of the one who called is gone, and its task."""
        if self.proxy is not None:
            self.proxy.cut()
        else:
            for each in self.reading:
                each.cancel()
        await asyncio.gather(*self.reading, return_exceptions=True)


@asynccontextmanager
async def line_to(served: Served, kind: str) -> AsyncIterator[Line]:
    if kind == "local":
        yield Line(partial(served.chat.Chat, metadata=bearer("k")), None)
        return
    async with CuttingProxy(served.address) as proxy, stubs(proxy.address) as caller:
        yield Line(partial(caller.chat.Chat, metadata=bearer("k")), proxy)


async def read_to_the_end(line: Line, way: str) -> None:
    _, error = await collect(line.chat(pb.ChatRequest(text="" if way == "refused" else way)))
    reasons = {"completed": "", "broken": "INTERNAL", "failed": "STORAGE_UNAVAILABLE", "refused": "VALIDATION_FAILED"}
    assert (refused(error).reason if error is not None else "") == reasons[way]


async def cancel(line: Line, way: str) -> None:
    call = line.chat(pb.ChatRequest(text="held"))
    if way == "cancelled":
        await call.read()
    call.cancel()


async def outlast(line: Line, way: str) -> None:
    _, error = await collect(line.chat(pb.ChatRequest(text="held"), timeout=0.05))
    assert error is not None
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def leave(line: Line, way: str) -> None:
    call = line.chat(pb.ChatRequest(text="held"))
    await call.read()
    line.reading.append(asyncio.create_task(collect(call)))


WAYS: Mapping[str, Callable[[Line, str], Awaitable[None]]] = {
    **dict.fromkeys(("completed", "broken", "failed", "refused"), read_to_the_end),
    **dict.fromkeys(("cancelled", "cancelled at once"), cancel),
    "late": outlast,
    "cut": leave,
}
