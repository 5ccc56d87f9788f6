"""Requests counted in a window that moves, in this process and in a store that may fail."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest
from limits.errors import StorageError

from fakes.clock import FakeClock
from thinkaloud_server.app.window import REDIS_REST_S, WINDOW_S, BoundedStorage, LimitsWindow, SharedWindow
from thinkaloud_server.rpc.window import Counted


def window(clock: FakeClock, keys_max: int = 100) -> tuple[LimitsWindow, BoundedStorage]:
    storage = BoundedStorage(clock.monotonic, keys_max)
    return LimitsWindow(storage, clock.monotonic, kind="key"), storage


async def test_what_is_left_and_until_when_is_told_with_every_request() -> None:
    clock = FakeClock()
    counting, _ = window(clock)
    assert await counting.hit("k", 2) == Counted(True, 2, 1, 60)
    clock.advance(20)
    assert await counting.hit("k", 2) == Counted(True, 2, 0, 40)
    clock.advance(5)
    assert await counting.hit("k", 2) == Counted(False, 2, 0, 35)
    assert await counting.look("k", 2) == Counted(False, 2, 0, 35)
    clock.advance(35)
    assert await counting.look("k", 2) == Counted(True, 2, 1, 20)
    assert await counting.hit("k", 2) == Counted(True, 2, 0, 20)


@pytest.mark.parametrize("limit", [1, 7, 600], ids=str)
async def test_at_ten_times_the_load_no_window_has_more_than_the_limit_and_each_has_all_of_it(limit: int) -> None:
    clock, chance = FakeClock(1000.0), random.Random(7)
    counting, _ = window(clock)
    admitted = []
    while clock.now < 1000 + 5 * WINDOW_S:
        clock.advance(chance.expovariate(10 * limit / WINDOW_S))
        if (await counting.hit("k", limit)).admitted:
            admitted.append(clock.now)
    for at, moment in enumerate(admitted):
        assert sum(moment <= other < moment + WINDOW_S for other in admitted[at : at + limit + 1]) <= limit
    assert len(admitted) >= 5 * limit * 0.95  # the last window is not full to the end


async def test_a_limit_that_is_changed_keeps_what_was_used_of_it() -> None:
    counting, _ = window(FakeClock())
    assert [(await counting.hit("k", 3)).admitted for _ in range(3)] == [True] * 3
    assert not (await counting.hit("k", 2)).admitted
    assert (await counting.hit("k", 5)).remaining == 1


async def test_whoever_was_not_here_for_a_window_is_forgotten() -> None:
    clock = FakeClock()
    counting, storage = window(clock)
    for number in range(50):
        await counting.hit(f"k{number}", 5)
        clock.advance(1)
    assert len(storage) == 50
    clock.advance(30)
    await counting.hit("k49", 5)
    assert len(storage) == 29  # those of the last minute


async def test_a_flood_of_names_takes_no_more_than_its_room() -> None:
    counting, storage = window(FakeClock(), keys_max=100)
    for number in range(10_000):
        await counting.hit(f"k{number}", 5)
        await counting.hit("at work", 20_000)
    assert len(storage) == 100
    assert (await counting.hit("at work", 20_000)).remaining == 20_000 - 10_001


class Failing:
    """A shared store that can be broken."""

    def __init__(self) -> None:
        self.asked = 0
        self.broken: Exception | None = None
        self.hang = False
        self.refuses_for_s = 0.0

    async def hit(self, who: str, limit: int) -> Counted:
        self.asked += 1
        if self.hang:
            await asyncio.get_running_loop().create_future()
        if self.broken is not None:
            raise self.broken
        if self.refuses_for_s:
            return Counted(False, limit, 0, self.refuses_for_s)
        return Counted(True, limit, 42, 1)


@pytest.mark.parametrize(
    "broken", [StorageError(ValueError("down")), ConnectionResetError("cut"), None], ids=["store", "socket", "silent"]
)
async def test_while_the_shared_store_fails_this_process_counts_by_itself(
    broken: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    clock, shared, failures = FakeClock(), Failing(), []
    own, _ = window(clock)
    counting = SharedWindow(shared, own, clock, lambda: failures.append(1))
    assert (await counting.hit("k", 2)).remaining == 42
    shared.broken, shared.hang = broken, broken is None
    assert [(await counting.hit("k", 2)).admitted for _ in range(4)] == [True, True, False, False]
    assert (shared.asked, len(failures)) == (2, 1)
    (record,) = caplog.records
    assert (record.getMessage(), record.levelno) == ("limits_store_failed", logging.ERROR)
    shared.broken, shared.hang = None, False
    clock.advance(REDIS_REST_S)
    assert (await counting.hit("k", 2)).remaining == 42


async def test_who_was_refused_is_not_asked_about_before_there_is_room() -> None:
    clock, shared = FakeClock(), Failing()
    counting = SharedWindow(shared, window(clock)[0], clock)
    shared.refuses_for_s = 30
    assert [await counting.hit("k", 2) for _ in range(2)] == [Counted(False, 2, 0, 30)] * 2
    clock.advance(29)
    assert await counting.hit("k", 2) == Counted(False, 2, 0, 1)
    assert shared.asked == 1
    shared.refuses_for_s = 0
    assert (await counting.hit("k", 3)).admitted  # its limit was raised meanwhile
    assert (await counting.hit("l", 2)).admitted
    clock.advance(1)
    assert (await counting.hit("k", 2)).admitted
    assert shared.asked == 4


async def test_a_flood_that_waits_for_its_turn_asks_no_more_than_it_must() -> None:
    clock, shared = FakeClock(), Failing()
    counting = SharedWindow(shared, window(clock)[0], clock)
    shared.refuses_for_s = 30
    told = await asyncio.gather(*(counting.hit("k", 2) for _ in range(1000)))
    assert set(told) == {Counted(False, 2, 0, 30)}
    assert shared.asked <= 32


async def test_a_mistake_of_ours_is_no_failure_of_the_store() -> None:
    clock, shared = FakeClock(), Failing()
    shared.broken = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await SharedWindow(shared, window(clock)[0], clock).hit("k", 1)
