"""How often and how much at once one caller may call, without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest

from fakes.clock import FakeClock
from thinkaloud_server.app.window import BoundedStorage, LimitsWindow
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import ANYBODY, Allowance, Identity
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.interceptors import around
from thinkaloud_server.rpc.throttle import Rates, Throttle, Throttling, Windows
from unit.test_rpc_interceptors import FakeCall

HERE, THERE = "192.0.2.1", "198.51.100.1"


class House:
    """A throttle with a clock that is turned by hand, and someone who knows the key "good"."""

    def __init__(self, rates: Rates) -> None:
        self.clock = FakeClock()
        self.looked_at = 0
        windows = Windows(keys=self.window("key"), addresses=self.window("address"), failures=self.window("failure"))
        self.throttle = Throttle(Throttling(rates, windows), unlimited={"/s/Open"}, streaming={"/s/Stream"})

    def window(self, kind: str) -> LimitsWindow:
        return LimitsWindow(BoundedStorage(self.clock.monotonic), self.clock.monotonic, kind=kind)

    async def call(self, method: str = "/s/M", **more: Any) -> str:
        """How one call ends: the reason of its refusal, or ""."""
        async with AsyncExitStack() as stack:
            try:
                await self.enter(stack, method, **more)
            except ChatError as error:
                self.refused = error
                return error.reason.value
        return ""

    async def enter(self, stack: AsyncExitStack, method: str = "/s/M", **more: Any) -> None:
        call = call_of(method, **more)
        await stack.enter_async_context(around(call, [self.throttle.by_address, self.identify, self.throttle.by_key]))

    @asynccontextmanager
    async def identify(self, call: Call) -> AsyncIterator[None]:
        if credential := call.header("authorization"):
            self.looked_at += 1
            if reason := {"bad": ErrorReason.AUTH_INVALID, "old": ErrorReason.AUTH_EXPIRED}.get(credential):
                raise ChatError(reason, "no")
        yield


def call_of(
    method: str, address: str = HERE, credential: str = "", key: str = "", allowance: Allowance | None = None
) -> FakeCall:
    call = FakeCall((("authorization", credential),) if credential else ())
    call.method, call.address = method, address
    if key:
        call.identity = Identity("t", key, frozenset(), allowance=allowance or Allowance())
    else:
        call.identity = ANYBODY
    return call


async def test_a_key_is_let_in_as_often_as_the_limit_says_and_again_as_time_goes() -> None:
    house = House(Rates(requests_per_minute=3))
    for told in ("", "", "", "RATE_LIMITED", "RATE_LIMITED"):
        assert await house.call(key="k") == told
        house.clock.advance(10)
    assert house.refused.retry_after_s == 20  # the first of the three was 40 s ago
    assert await house.call(key="other") == ""
    house.clock.advance(10)
    assert [await house.call(key="k") for _ in range(2)] == ["", "RATE_LIMITED"]


@pytest.mark.parametrize(
    ("allowed", "told"), [(1, ["", "RATE_LIMITED"]), (0, ["", ""]), (None, ["", ""])], ids=["less", "no limit", "none"]
)
async def test_a_keys_own_allowance_goes_before_the_limit(allowed: int | None, told: list[str]) -> None:
    house = House(Rates(requests_per_minute=2))
    allowance = Allowance(requests_per_minute=allowed)
    assert [await house.call(key="k", allowance=allowance) for _ in range(2)] == told


async def test_an_open_method_counts_for_its_address_and_not_for_a_key() -> None:
    house = House(Rates(requests_per_minute=1, requests_per_minute_address=3))
    assert [await house.call("/s/Open", key="k") for _ in range(4)] == ["", "", "", "RATE_LIMITED"]
    assert "one address" in house.refused.message


@pytest.mark.parametrize(
    ("addresses", "told"),
    [
        ((HERE, HERE, THERE), ["", "RATE_LIMITED", ""]),
        (("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"), ["", "RATE_LIMITED", ""]),
        (("", ""), ["", ""]),
    ],
    ids=["ipv4", "ipv6", "this machine"],
)
async def test_who_has_no_key_is_counted_by_address(addresses: tuple[str, ...], told: list[str]) -> None:
    house = House(Rates(requests_per_minute_address=1))
    assert [await house.call(address=address) for address in addresses] == told


async def test_after_too_many_wrong_credentials_none_is_looked_at_any_more() -> None:
    house = House(Rates(auth_failures_per_minute=3))
    assert [await house.call(credential="bad") for _ in range(1000)] == ["AUTH_INVALID"] * 3 + [
        "AUTH_RATE_LIMITED"
    ] * 997
    assert house.looked_at == 3
    assert house.refused.retry_after_s == 60
    assert await house.call(credential="good", key="k") == "AUTH_RATE_LIMITED"  # a guesser learns nothing of it
    assert await house.call(credential="good", key="k", address=THERE) == ""
    assert await house.call() == ""  # without a credential there is nothing to guess
    house.clock.advance(60)
    assert await house.call(credential="good", key="k") == ""


async def test_who_was_at_work_at_that_address_goes_on_working() -> None:
    house = House(Rates(auth_failures_per_minute=3))
    assert await house.call(credential="good", key="k") == ""
    for _ in range(10):
        await house.call(credential="bad")
    assert await house.call(credential="good", key="k") == ""
    assert await house.call(credential="good of another", key="l") == "AUTH_RATE_LIMITED"


async def test_what_has_expired_is_no_guess() -> None:
    house = House(Rates(auth_failures_per_minute=3))
    assert {await house.call(credential="old") for _ in range(10)} == {"AUTH_EXPIRED"}


async def test_open_streams_are_counted_by_key_and_given_back() -> None:
    house = House(Rates(streams_per_key=2))
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await house.enter(stack, "/s/Stream", key="k")
        assert await house.call("/s/Stream", key="k") == "TOO_MANY_STREAMS"
        assert await house.call("/s/Stream", key="other") == ""
        assert await house.call("/s/M", key="k") == ""
        more = Allowance(streams=3)
        assert await house.call("/s/Stream", key="k", allowance=more) == ""
        assert house.throttle.streams == 2
    assert house.throttle.streams == 0
    assert await house.call("/s/Stream", key="k") == ""


async def test_open_streams_of_who_has_no_key_are_counted_by_address() -> None:
    house = House(Rates(streams_per_key=1))
    async with AsyncExitStack() as stack:
        await house.enter(stack, "/s/Stream")
        assert await house.call("/s/Stream") == "TOO_MANY_STREAMS"
        assert await house.call("/s/Stream", address=THERE) == ""


async def test_sockets_are_counted_apart_from_streams() -> None:
    house = House(Rates(streams_per_key=1, sockets_per_key=1))
    call = call_of("/s/Hold", key="k")
    with house.throttle.socket(call):
        assert house.throttle.sockets == 1
        with pytest.raises(ChatError, match="1 WebSockets are open"), house.throttle.socket(call):
            raise AssertionError("was let in")
        assert await house.call("/s/Stream", key="k") == ""
    assert house.throttle.sockets == 0


async def test_a_stream_that_fails_gives_its_place_back() -> None:
    house = House(Rates(streams_per_key=1))
    for _ in range(3):
        with suppress(ZeroDivisionError):
            async with AsyncExitStack() as stack:
                await house.enter(stack, "/s/Stream", key="k")
                raise ZeroDivisionError
    assert house.throttle.streams == 0
