"""A caller that leaves or stalls ends the work that is done for it; work that ends leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from thinkaloud_server.web.leaving import Gone, Pace, while_there


class Caller:
    """The ASGI side of a caller: it takes what is sent unless it `stands`, and is there until it `leaves`."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.leaves = asyncio.Event()
        self.moves = asyncio.Event()
        self.moves.set()

    async def receive(self) -> Message:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.moves.wait()
        self.taken.append(message)


async def test_work_that_ends_is_all() -> None:
    caller = Caller()
    pace = Pace(caller.send)

    async def work() -> None:
        await pace({"type": "http.response.start"})

    await while_there(caller.receive, work(), pace, 10)
    assert caller.taken == [{"type": "http.response.start"}]
    assert pace.started


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise KeyError("x")

    caller = Caller()
    with pytest.raises(KeyError):
        await while_there(caller.receive, work(), Pace(caller.send), 10)


async def test_leaving_cancels_the_work_and_waits_for_its_end() -> None:
    caller = Caller()
    ended = False

    async def work() -> None:
        nonlocal ended
        caller.leaves.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    with pytest.raises(Gone, match="left"):
        await while_there(caller.receive, work(), Pace(caller.send), 10)
    assert ended


async def test_what_the_work_says_of_being_cancelled_is_not_heard() -> None:
    caller = Caller()

    async def work() -> None:
        caller.leaves.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise KeyError("x") from None

    with pytest.raises(Gone, match="left"):
        await while_there(caller.receive, work(), Pace(caller.send), 10)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_standing_still_is_as_good_as_leaving() -> None:
    caller = Caller()
    caller.moves.clear()
    pace = Pace(caller.send)

    async def work() -> None:
        await pace({"type": "http.response.body"})

    with pytest.raises(Gone, match="stalled"):
        await while_there(caller.receive, work(), pace, 0.02)
    assert caller.taken == []


async def test_work_that_has_nothing_to_send_does_not_stall() -> None:
    caller = Caller()
    pace = Pace(caller.send)
    loop = asyncio.get_running_loop()

    async def work() -> None:
        done = loop.create_future()
        loop.call_later(0.1, done.set_result, None)
        await done

    await while_there(caller.receive, work(), pace, 0.02)
    assert not pace.started


async def test_whoever_is_cancelled_takes_the_work_along() -> None:
    caller = Caller()
    began = asyncio.Event()
    ended = asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(while_there(caller.receive, work(), Pace(caller.send), 10))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
