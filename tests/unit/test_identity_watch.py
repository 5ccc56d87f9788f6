"""Streams end with their credentials."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import pytest

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.identity import watch
from thinkaloud_server.identity.watch import Watches


def identity(key_id: str = "tk_a", expires_at: float = 0.0) -> Identity:
    return Identity(tenant="t", key_id=key_id, scopes=frozenset(), expires_at=expires_at)


async def test_streams_of_a_key_that_is_gone_end_once_and_others_go_on() -> None:
    watches, ended = Watches(time.time), list[tuple[str, str]]()

    def tell(name: str) -> watch.Ended:
        return lambda error: ended.append((name, error.reason.value))

    with (
        watches.watch(identity("tk_a"), tell("one")),
        watches.watch(identity("tk_a"), tell("two")),
        watches.watch(identity("tk_b"), tell("other")),
    ):
        assert len(watches) == 3
        for _ in range(2):
            watches.end(lambda key_id: key_id == "tk_a")
        assert ended == [("one", "AUTH_REVOKED"), ("two", "AUTH_REVOKED")]
        with watches.watch(identity("tk_a"), tell("anew")):
            assert len(watches) == 2
    assert len(watches) == 0


async def test_a_stream_ends_when_its_credential_expires() -> None:
    watches = Watches(time.time)
    ended: asyncio.Future[ChatError] = asyncio.get_running_loop().create_future()
    with watches.watch(identity(expires_at=time.time() + 0.05), ended.set_result):
        async with asyncio.timeout(5):
            assert (await ended).reason.value == "AUTH_EXPIRED"
    assert len(watches) == 0


async def test_a_credential_that_has_expired_ends_its_stream_at_once() -> None:
    watches = Watches(time.time)
    ended: asyncio.Future[ChatError] = asyncio.get_running_loop().create_future()
    with watches.watch(identity(expires_at=1.0), ended.set_result):
        async with asyncio.timeout(5):
            await ended


async def test_a_timer_that_fires_before_its_time_is_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_TIMER_S", 0.005)
    clock = [100.0]
    looked: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def now() -> float:
        clock[0] += 1.0
        if clock[0] >= 105.0 and not looked.done():
            looked.set_result(None)
        return clock[0]

    watches, ended = Watches(now), list[ChatError]()
    with watches.watch(identity(expires_at=1000.0), ended.append):
        async with asyncio.timeout(5):
            await looked
        assert not ended


async def test_ten_thousand_streams_of_a_key_have_one_timer() -> None:
    watches = Watches(time.time)
    timers = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]  # asyncio's own, and told by nothing else
    before, same = len(timers), identity(expires_at=time.time() + 1000)
    with ExitStack() as held:
        for _ in range(10_000):
            held.enter_context(watches.watch(same, print))
        assert len(watches) == 10_000
        assert len(timers) - before == 1
    assert len(watches) == 0
