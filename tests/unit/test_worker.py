"""Threads that serve a queue of work and answer on the loop."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence

import pytest

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.stores.commit import Failed
from thinkaloud_server.stores.worker import Worker


class Desk:
    """Answers each number with its double; `gate` holds it back, `groups` is what it was given at once."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.taken = threading.Semaphore(0)
        self.groups: list[list[int]] = []

    def serve(self, connection: sqlite3.Connection, works: Sequence[int]) -> list[object]:
        self.groups.append(list(works))
        self.taken.release()
        assert self.gate.wait(10)
        if -1 in works:
            raise ZeroDivisionError
        return [Failed(LookupError(str(work))) if work == 13 else 2 * work for work in works]


def connections(count: int = 1) -> list[sqlite3.Connection]:
    return [sqlite3.connect(":memory:", check_same_thread=False) for _ in range(count)]


def open_worker(desk: Desk, *, group_max: int = 100, threads: int = 1) -> Worker[int]:
    return Worker("desk", connections(threads), desk.serve, group_max=group_max)


async def taken(desk: Desk) -> None:
    assert await asyncio.to_thread(desk.taken.acquire, timeout=10)


async def test_each_asker_gets_the_answer_to_its_own_work() -> None:
    worker = open_worker(Desk())
    assert await asyncio.gather(*(worker.ask(number) for number in range(10))) == list(range(0, 20, 2))
    await worker.close()


async def test_what_waits_is_served_as_one_group_in_order() -> None:
    desk = Desk()
    desk.gate.clear()
    worker = open_worker(desk)
    first = asyncio.create_task(worker.ask(1))
    await taken(desk)
    rest = [asyncio.create_task(worker.ask(number)) for number in range(2, 8)]
    await asyncio.sleep(0)
    desk.gate.set()
    await asyncio.gather(first, *rest)
    assert desk.groups == [[1], [2, 3, 4, 5, 6, 7]]
    await worker.close()


async def test_a_group_has_a_bound() -> None:
    desk = Desk()
    desk.gate.clear()
    worker = open_worker(desk, group_max=2)
    first = asyncio.create_task(worker.ask(1))
    await taken(desk)
    rest = [asyncio.create_task(worker.ask(number)) for number in range(2, 7)]
    await asyncio.sleep(0)
    desk.gate.set()
    await asyncio.gather(first, *rest)
    assert desk.groups == [[1], [2, 3], [4, 5], [6]]
    await worker.close()


async def test_a_failure_is_raised_to_its_asker_only() -> None:
    worker = open_worker(Desk())
    answers = await asyncio.gather(worker.ask(1), worker.ask(13), return_exceptions=True)
    assert answers[0] == 2
    assert isinstance(answers[1], LookupError)
    await worker.close()


async def test_a_bug_while_serving_is_raised_and_the_thread_lives_on() -> None:
    worker = open_worker(Desk())
    with pytest.raises(ZeroDivisionError):
        await worker.ask(-1)
    assert await worker.ask(2) == 4
    await worker.close()


async def test_a_cancelled_asker_leaves_at_once_and_the_others_are_answered() -> None:
    desk = Desk()
    desk.gate.clear()
    worker = open_worker(desk)
    gone = asyncio.create_task(worker.ask(1))
    stays = asyncio.create_task(worker.ask(2))
    await taken(desk)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    desk.gate.set()
    assert await stays == 4
    await worker.close()


async def test_closing_finishes_what_waits_and_refuses_what_comes_after() -> None:
    desk = Desk()
    desk.gate.clear()
    worker = open_worker(desk, threads=2)
    asked = [asyncio.create_task(worker.ask(number)) for number in range(5)]
    await taken(desk)
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(0)
    with pytest.raises(ChatError) as caught:
        await worker.ask(9)
    assert caught.value.reason is ErrorReason.STORAGE_UNAVAILABLE
    desk.gate.set()
    await closing
    assert await asyncio.gather(*asked) == [0, 2, 4, 6, 8]


async def test_no_thread_is_left_after_closing() -> None:
    worker = open_worker(Desk(), threads=3)
    assert sum(thread.name.startswith("desk-") for thread in threading.enumerate()) == 3
    await worker.close()
    await worker.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("desk-")]


def test_a_loop_that_closed_before_the_answer_troubles_nobody() -> None:
    desk = Desk()
    desk.gate.clear()

    async def ask_and_leave() -> Worker[int]:
        worker = open_worker(desk)
        task = asyncio.create_task(worker.ask(1))
        await taken(desk)
        task.cancel()
        return worker

    asyncio.run(ask_and_leave())
    desk.gate.set()

    async def settle() -> None:
        # The thread is still there to be asked to end, from any loop.
        for thread in threading.enumerate():
            if thread.name.startswith("desk-"):
                assert thread.daemon

    asyncio.run(settle())
