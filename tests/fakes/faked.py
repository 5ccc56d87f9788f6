"""The product's own fake provider in this process, on a free port; and HttpProvider asking it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

from aiohttp import web

from thinkaloud_server.app.fake_answer import Manner
from thinkaloud_server.app.fake_provider import FakeProvider, Repertoire
from thinkaloud_server.core.fault import parse
from thinkaloud_server.engine.chaos import Chance
from thinkaloud_server.providers.encoders import Step


@asynccontextmanager
async def faked(
    *steps: Step,
    repertoire: Repertoire | None = None,
    faults: Sequence[tuple[str, float]] = (),
    manner: Manner | None = None,
    told: list[str] | None = None,
) -> AsyncIterator[str]:
    """Its URL, as `http://127.0.0.1:PORT`."""
    fake = FakeProvider(
        repertoire or Repertoire(steps=steps),
        manner=manner,
        faults=[Chance(parse(text), probability) for text, probability in faults],
        chance=Random(7),
        told=(told if told is not None else []).append,
    )
    runner = fake.runner()
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
