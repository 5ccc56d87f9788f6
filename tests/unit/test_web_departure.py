"""A face that leaves, and the streams that are told. Over real sockets: tests/service/test_serve_drain.py."""

from __future__ import annotations

import asyncio
import json

import pytest

from thinkaloud_server.web import departure
from thinkaloud_server.web.departure import RECONNECT, Departure


def test_what_is_said_is_of_the_connection() -> None:
    assert (RECONNECT.case, RECONNECT.sequence, RECONNECT.run_id) == ("warning", 0, "")
    assert json.loads(RECONNECT.data)["code"] == "RECONNECT"


async def test_open_streams_are_told_once_and_those_that_ended_are_not() -> None:
    told: list[str] = []
    leaving = Departure()

    async def first() -> None:
        told.append("first")

    async def second() -> None:
        told.append("second")

    with leaving.concerns(first):
        with leaving.concerns(second):
            assert not leaving.begun
        await leaving.begin()
        assert leaving.begun
    assert told == ["first"]


@pytest.mark.parametrize("failure", [RuntimeError("the answer has ended"), ConnectionResetError()], ids=repr)
async def test_a_stream_that_cannot_be_told_keeps_nobody_else_from_it(failure: Exception) -> None:
    told = []
    leaving = Departure()

    async def gone() -> None:
        raise failure

    async def there() -> None:
        told.append("there")

    with leaving.concerns(gone), leaving.concerns(there):
        await leaving.begin()
    assert told == ["there"]


async def test_a_reader_that_takes_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departure, "TELL_S", 0.01)
    leaving = Departure()
    with leaving.concerns(asyncio.Event().wait):
        async with asyncio.timeout(5):
            await leaving.begin()
