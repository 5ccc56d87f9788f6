"""A whole engine over memory stores, and the turns that tests play on it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fakes.grammar import check_run
from fakes.scripted import Script, say
from thinkaloud_server.core.delta import Delta
from thinkaloud_server.core.event import Complete, Error, Logged, Terminal, Token, Warning
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.engine.engine import Engine, EngineLimits
from thinkaloud_server.engine.models import Models
from thinkaloud_server.engine.observer import Observer, nobody
from thinkaloud_server.engine.ports import Clock, Provider, Store
from thinkaloud_server.stores.memory import MemoryStore

T = "tenant"


class RealClock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def new_ids() -> Callable[[str], str]:
    numbers = itertools.count(1)
    return lambda prefix: f"{prefix}_{next(numbers):032x}"


@asynccontextmanager
async def engine_of(
    *providers: Provider,
    store: Store | None = None,
    ids: Callable[[str], str] | None = None,
    clock: Clock | None = None,
    observer: Observer = nobody,
    **limits: Any,
) -> AsyncIterator[Engine]:
    """An engine over memory stores; jitter is off, so retries wait 0.2 s."""
    clock = clock or RealClock()
    durable: Store = store or MemoryStore()
    engine = Engine(
        store=durable,
        memory=MemoryStore(),
        models=Models(
            providers={each.name: each for each in providers},
            configured={},
            default_model=f"{providers[0].name}/m",
            store=durable,
            clock=clock,
        ),
        random=lambda: 0.0,
        clock=clock,
        new_id=ids or new_ids(),
        owner="owner",
        limits=EngineLimits(**limits),
        observer=observer,
    )
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


def turn(text: str = "hi", **fields: Any) -> Turn:
    return Turn(user_message=Message("user", (TextPart(text),)), request_id="req", **fields)


async def watch_all(engine: Engine, run_id: str, after: int = 0) -> list[Logged]:
    """Everything to the end, each event once and in order."""
    seen: list[Logged] = []
    async with engine.watch(T, run_id, after) as watch:
        while not watch.ended:
            seen += await watch.read(5.0)
    assert [logged.sequence for logged in seen] == list(range(after + 1, after + 1 + len(seen)))
    if not after:
        check_run([logged.event for logged in seen])
    return seen


async def play(engine: Engine, asked: Turn | None = None) -> tuple[list[Logged], Terminal]:
    run = await engine.begin(T, asked or turn())
    seen = await watch_all(engine, run.run_id)
    terminal = seen[-1].event
    assert isinstance(terminal, Complete | Error)
    return seen, terminal


def texts(seen: Sequence[Logged]) -> str:
    return "".join(logged.event.token for logged in seen if isinstance(logged.event, Token))


def warnings(seen: Sequence[Logged]) -> list[str]:
    return [logged.event.code for logged in seen if isinstance(logged.event, Warning)]


def always(*deltas: Delta) -> Script:
    return lambda request: say(*deltas)


def held(*deltas: Delta) -> Script:
    """Says this, then nothing more, for ever."""

    async def script(request: ModelRequest) -> AsyncIterator[Sequence[Delta]]:
        for delta in deltas:
            yield [delta]
        await asyncio.Event().wait()

    return script
