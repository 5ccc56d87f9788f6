"""Who is told that the server leaves: those whose watch is open then."""

from __future__ import annotations

import asyncio

from fakes.engine import FakeWatch, Hold
from thinkaloud_server.rpc.departure import Departure


async def test_open_watches_are_woken_and_closed_ones_are_not() -> None:
    departure = Departure()
    waiting, left = (FakeWatch((Hold(),), 0, 64) for _ in range(2))
    reading = [asyncio.create_task(each.read(60)) for each in (waiting, left)]
    await asyncio.sleep(0)
    with departure.concerns(waiting):
        with departure.concerns(left):
            pass
        assert not departure.begun
        departure.begin()
        assert departure.begun
    assert await reading[0] == []
    assert not reading[1].done()
    reading[1].cancel()


async def test_who_waits_for_it_goes_on_when_it_begins_and_at_once_afterwards() -> None:
    departure = Departure()
    waiting = asyncio.create_task(departure.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    departure.begin()
    await waiting
    await departure.wait()
