"""A provider that is down, at the other end of a real socket: how often it is asked, and what its callers are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fakes.asking import SystemClock
from fakes.chat_wire import chat_reply, error_reply
from fakes.clock import FakeClock
from fakes.engines import T, always, engine_of, play, turn, warnings
from fakes.provider import FakeProvider, Gate, Reply
from fakes.scripted import ScriptedProvider, answer, failing
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.event import Complete, Error
from thinkaloud_server.engine.breaker import CALLS_MIN, PAUSE_MIN_S
from thinkaloud_server.engine.engine import Engine
from thinkaloud_server.engine.http_provider import HttpProvider
from thinkaloud_server.engine.upstream import Timeouts, Upstream
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_chat import OPENAI_CHAT
from thinkaloud_server.providers.table import vendor_named

DOWN = error_reply(500, "it is on fire")
UP = chat_reply("it is 391")
BESIDE = "beside/m"


@dataclass(frozen=True)
class House:
    """An engine with a provider that may be down, and one beside it that never is."""

    engine: Engine
    provider: FakeProvider
    clock: FakeClock

    async def break_it(self) -> None:
        """Fail until the breaker is open, with nobody's retry under way."""
        self.provider.answer(DOWN)
        await asyncio.gather(*(play(self.engine) for _ in range(CALLS_MIN)))


@asynccontextmanager
async def housed(*replies: Reply) -> AsyncIterator[House]:
    clock = FakeClock()
    upstream = Upstream(clock=SystemClock())
    async with FakeProvider(*replies) as fake:
        endpoint = Endpoint("fake", fake.base_url, vendor_named("generic", "openai-chat"))
        provider = HttpProvider(endpoint=endpoint, dialect=OPENAI_CHAT, upstream=upstream, timeouts=Timeouts())
        beside = ScriptedProvider(always(*answer("from beside")), name="beside")
        async with engine_of(provider, beside, clock=clock, runs_max=2000) as engine:
            yield House(engine, fake, clock)
        await upstream.close()


async def test_an_open_breaker_asks_the_next_model_at_once_and_says_so() -> None:
    async with housed() as house:
        await house.break_it()
        asked = len(house.provider.requests)
        seen, complete = await play(house.engine, turn(fallback_models=(BESIDE,)))
        assert isinstance(complete, Complete)
        assert (complete.response, complete.model, warnings(seen)) == ("from beside", BESIDE, ["FELL_BACK"])
        first, second = complete.attempts
        assert (first.model, first.code, first.status, first.reasoning) == ("fake/m", "UPSTREAM_ERROR", 0, False)
        assert first.message == "the provider keeps failing and is not being asked for 5 s"
        assert (second.model, second.code) == (BESIDE, "")
        assert len(house.provider.requests) == asked


async def test_without_another_model_the_caller_is_told_when_to_come_again() -> None:
    async with housed() as house:
        await house.break_it()
        house.clock.advance(2.0)
        _, error = await play(house.engine)
        assert isinstance(error, Error)
        assert (error.code, error.partial) == ("UPSTREAM_ERROR", False)
        assert error.details["retry_after_s"] == 3.0


async def test_a_provider_that_is_back_is_found_by_one_probe() -> None:
    async with housed() as house:
        await house.break_it()
        asked = len(house.provider.requests)
        gate = Gate()
        house.provider.answer(chat_reply("it is 391", hold=gate))
        house.clock.advance(PAUSE_MIN_S)
        probe = asyncio.create_task(play(house.engine))
        await gate.reached.wait()
        beside = await asyncio.gather(*(play(house.engine) for _ in range(5)))
        assert {end.code for _, end in beside if isinstance(end, Error)} == {"UPSTREAM_ERROR"}
        assert len(house.provider.requests) == asked + 1
        gate.open()
        _, complete = await probe
        assert isinstance(complete, Complete)
        house.provider.answer(UP)
        ends = [end for _, end in await asyncio.gather(*(play(house.engine) for _ in range(5)))]
        assert all(isinstance(end, Complete) for end in ends)
        assert len(house.provider.requests) == asked + 6


async def test_a_probe_that_begins_to_answer_lets_the_others_through_before_it_ends() -> None:
    async with housed() as house:
        await house.break_it()
        gate = Gate()
        house.provider.answer(chat_reply("it is 391", hold=gate, hold_at=3), UP)
        house.clock.advance(PAUSE_MIN_S)
        run = await house.engine.begin(T, turn(detach_s=-1))
        async with house.engine.watch(T, run.run_id) as watch:
            while watch.last_sequence < 3:
                await watch.read(5.0)
            _, complete = await play(house.engine)
            assert isinstance(complete, Complete)
            gate.open()


async def test_a_probe_that_fails_keeps_it_closed_off_for_longer() -> None:
    async with housed() as house:
        await house.break_it()
        asked = len(house.provider.requests)
        house.clock.advance(PAUSE_MIN_S)
        _, error = await play(house.engine)
        assert isinstance(error, Error)
        house.clock.advance(PAUSE_MIN_S)
        await play(house.engine)
        assert len(house.provider.requests) == asked + 1
        house.provider.answer(UP)
        house.clock.advance(PAUSE_MIN_S)
        _, complete = await play(house.engine)
        assert isinstance(complete, Complete)


async def test_a_stopped_probe_gives_its_place_back() -> None:
    async with housed() as house:
        await house.break_it()
        gate = Gate()
        house.provider.answer(chat_reply("it is 391", hold=gate), UP)
        house.clock.advance(PAUSE_MIN_S)
        run = await house.engine.begin(T, turn(detach_s=-1))
        await gate.reached.wait()
        _, stopped = await house.engine.stop(T, run.run_id)
        assert isinstance(stopped, Complete)
        _, complete = await play(house.engine)
        assert isinstance(complete, Complete)
        assert complete.response == "it is 391"


async def test_refusals_never_open_it() -> None:
    async with housed(error_reply(401, "who are you?")) as house:
        await asyncio.gather(*(play(house.engine) for _ in range(2 * CALLS_MIN)))
        assert len(house.provider.requests) == 2 * CALLS_MIN
        house.provider.answer(error_reply(429, "slow down", headers=(("retry-after", "30"),)))
        await asyncio.gather(*(play(house.engine) for _ in range(2 * CALLS_MIN)))
        assert len(house.provider.requests) == 4 * CALLS_MIN


async def test_what_is_built_in_fails_as_often_as_it_is_asked() -> None:
    provider = ScriptedProvider(failing(ErrorReason.UPSTREAM_TRUNCATED))
    async with engine_of(provider) as engine:
        for _ in range(2 * CALLS_MIN):
            await play(engine)
    assert len(provider.requests) == 2 * CALLS_MIN


async def test_a_total_outage_under_a_herd_of_a_thousand_is_asked_at_most_1_1_times_each() -> None:
    async with housed(error_reply(503, "no upstream")) as house:
        ends = [end for _, end in await asyncio.gather(*(play(house.engine) for _ in range(1000)))]
        assert all(isinstance(end, Error) for end in ends)
        assert len(house.provider.requests) <= 1.1 * 1000


async def test_a_total_outage_of_a_hundred_seconds_is_asked_a_few_times_in_a_thousand_requests() -> None:
    """Twenty requests every two seconds; each has a model to fall back to, and gets its answer."""
    async with housed(error_reply(503, "no upstream")) as house:
        for _ in range(50):
            asked = turn(fallback_models=(BESIDE,))
            ends = [end for _, end in await asyncio.gather(*(play(house.engine, asked) for _ in range(20)))]
            assert all(isinstance(end, Complete) and end.response == "from beside" for end in ends)
            house.clock.advance(2.0)
        # The first batch with its retries, then a probe for each pause of 5, 10, 20, 40 s.
        assert len(house.provider.requests) <= 2 * CALLS_MIN + 6
