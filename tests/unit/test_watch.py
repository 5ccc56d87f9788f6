"""A cursor: at the tail, behind it, on runs of other processes, and on runs that are over."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import pytest

from fakes.clock import FakeClock
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Error, Event, Start, Token
from thinkaloud_server.core.run import Append, Closing, NewRun, Run
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.engine.tail import RunTail
from thinkaloud_server.engine.watch import POLL_S, Watch, check_after
from thinkaloud_server.stores.memory import MemoryStore

T, RUN = "t", "run_1"
START = Start(RUN, "", "msg_1", "fake/m", "fake", "req", True)
END = Error("UPSTREAM_ERROR", "x", "req", False)


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    run = Run(RUN, T, "chat", "running", "", "msg_1", "fake/m", "req", 1, 1.0, lease_owner="o")
    await store.create_run(T, NewRun(run, START, None, None))
    yield store
    await store.close()


async def put(store: MemoryStore, first: int, *events: Event) -> None:
    closing = Closing(END, "failed", "", 2.0, None, Usage(), "fake/m") if END in events else None
    assert await store.append([Append(T, RUN, 1, first, events, closing)]) == ["committed"]


async def all_of(watch: Watch) -> list[int]:
    seen: list[int] = []
    while not watch.ended:
        seen += [logged.sequence for logged in await watch.read(2.0)]
    return seen


async def test_a_run_elsewhere_is_followed_through_the_store(store: MemoryStore) -> None:
    watch = Watch(store, FakeClock(), T, RUN, 0, None)
    reading = asyncio.create_task(all_of(watch))
    await put(store, 2, Token("a"), Token("b"))
    await asyncio.sleep(0)
    await put(store, 4, Token("c"), END)
    assert await reading == [1, 2, 3, 4, 5]


async def test_watching_a_run_elsewhere_says_so_to_its_owner(store: MemoryStore) -> None:
    clock = FakeClock()
    watch = Watch(store, clock, T, RUN, 1, None)
    assert await watch.read(0.01) == ()
    run = await store.get_run(T, RUN)
    assert run is not None
    assert run.watched_until > clock.time()


async def test_a_cursor_behind_the_tail_pages_from_the_store_and_then_follows_the_tail(store: MemoryStore) -> None:
    await put(store, 2, Token("a"))
    tail = RunTail(2)
    watch = Watch(store, FakeClock(), T, RUN, 0, tail)
    reading = asyncio.create_task(all_of(watch))
    await asyncio.sleep(0)
    tail.extend([Token("b"), END])
    assert await reading == [1, 2, 3, 4]
    watch.close()
    assert tail.watchers == 0


async def test_an_idle_read_ends_when_its_time_is_up_and_not_before(store: MemoryStore) -> None:
    watch = Watch(store, FakeClock(), T, RUN, 1, RunTail(1))
    for _ in range(2):
        begun = time.monotonic()
        assert await watch.read(0.05) == ()
        assert time.monotonic() - begun > 0.045
    watch.close()


@pytest.mark.parametrize("here", [True, False], ids=["a run of this process", "a run elsewhere"])
async def test_a_woken_read_answers_at_once_and_the_next_one_waits_again(store: MemoryStore, here: bool) -> None:
    tail = RunTail(1) if here else None
    watch = Watch(store, FakeClock(), T, RUN, 1, tail)
    watch.wake()  # nobody waits
    for _ in range(2):
        reading = asyncio.create_task(watch.read(60))
        assert not (await asyncio.wait((reading,), timeout=0.02))[0]
        watch.wake()
        assert await asyncio.wait_for(reading, POLL_S + 1) == ()
    reading = asyncio.create_task(watch.read(60))
    await asyncio.sleep(0)
    await put(store, 2, Token("a"))
    if tail is not None:
        tail.extend([Token("a")])
    assert [logged.sequence for logged in await reading] == [2]
    watch.close()


async def test_a_cancelled_read_leaves_no_waiter_behind(store: MemoryStore) -> None:
    tail = RunTail(1)
    watch = Watch(store, FakeClock(), T, RUN, 1, tail)
    reading = asyncio.create_task(watch.read(60))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert not tail.caught_up
    watch.close()


async def test_a_broken_log_is_raised_after_what_was_committed(store: MemoryStore) -> None:
    tail = RunTail(1)
    watch = Watch(store, FakeClock(), T, RUN, 1, tail)
    tail.extend([Token("a")])
    tail.fail(ChatError(ErrorReason.STORAGE_UNAVAILABLE, "disk full"))
    assert [logged.sequence for logged in await watch.read(1)] == [2]
    with pytest.raises(ChatError, match="disk full"):
        await watch.read(1)
    watch.close()


async def test_trimmed_events_are_said_to_be_expired_with_the_earliest_that_remains(store: MemoryStore) -> None:
    await put(store, 2, Token("a"), END)
    await store.trim(events_before=time.time(), keys_before=0)
    watch = Watch(store, FakeClock(), T, RUN, 0, None)
    with pytest.raises(ChatError) as caught:
        await watch.read(1)
    assert caught.value.reason is ErrorReason.EVENTS_EXPIRED
    assert caught.value.details == {"earliest_sequence": 4}


async def test_a_deleted_run_is_not_found(store: MemoryStore) -> None:
    with pytest.raises(ChatError) as caught:
        await Watch(store, FakeClock(), T, "run_2", 0, None).read(1)
    assert caught.value.reason is ErrorReason.NOT_FOUND


@pytest.mark.parametrize(("last", "after"), list(itertools.product([1, 7], [0, 1])))
def test_a_cursor_within_the_log_is_good(last: int, after: int) -> None:
    check_after(last, after)


def test_a_cursor_beyond_the_log_is_refused_with_its_end() -> None:
    with pytest.raises(ChatError) as caught:
        check_after(3, 4)
    assert (caught.value.reason, caught.value.details) == (ErrorReason.SEQUENCE_AHEAD, {"last_sequence": 3})
