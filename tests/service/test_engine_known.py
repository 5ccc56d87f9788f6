"""What a request knows of its model, and what the end of a run makes of the prices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.engines import T, always, engine_of, held, play, turn
from fakes.scripted import ScriptedProvider, answer, failing
from thinkaloud_server.core.delta import TextDelta, UsageReport
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.event import Complete
from thinkaloud_server.core.request import ModelInfo, Price, ReasoningControl
from thinkaloud_server.core.usage import Usage

PRICED = ModelInfo("m", "fake", price=Price(1e-6, 10e-6), efforts=("low",))
HARD = ReasoningControl(effort="high")


def knowing(*scripts, name: str = "fake", info: ModelInfo = PRICED) -> ScriptedProvider:  # type: ignore[no-untyped-def]
    provider = ScriptedProvider(*scripts, name=name)
    provider.table["m"] = replace(info, provider=name)
    return provider


async def test_a_request_carries_what_is_known_of_its_model() -> None:
    provider = knowing(always(*answer("ok")))
    async with engine_of(provider) as engine:
        await play(engine, turn(reasoning=HARD))
    assert provider.requests[0].info == PRICED
    assert provider.requests[0].reasoning == HARD


async def test_a_listing_that_tells_how_to_ask_is_there_before_the_first_request() -> None:
    provider = ScriptedProvider(always(*answer("ok")))
    provider.tells_reasoning, provider.lists_all = True, False

    async def models() -> list[ModelInfo]:
        return [ModelInfo("m", "fake", forms=("adaptive",))]

    provider.models = models  # type: ignore[method-assign]  # tells more than the table does
    async with engine_of(provider) as engine:
        await play(engine, turn(reasoning=HARD))
        await play(engine, turn())
    assert [request.info.forms for request in provider.requests if request.info] == [("adaptive",), ("adaptive",)]


async def test_each_fallback_knows_its_own_model() -> None:
    first = knowing(failing(ErrorReason.UPSTREAM_AUTH), name="one")
    second = knowing(
        always(*answer("ok", usage=Usage(1000, 0))), name="two", info=replace(PRICED, price=Price(5e-6, 0))
    )
    async with engine_of(first, second) as engine:
        _, complete = await play(engine, turn(model="one/m", fallback_models=("two/m",)))
    assert isinstance(complete, Complete)
    assert second.requests[0].info == replace(PRICED, provider="two", price=Price(5e-6, 0))
    assert complete.usage.cost_usd == pytest.approx(0.005)


async def test_a_run_costs_what_its_provider_says_before_what_prices_say() -> None:
    said = knowing(always(*answer("ok", usage=Usage(1000, 100, cost_usd=7.0))))
    async with engine_of(said) as engine:
        _, complete = await play(engine)
    assert isinstance(complete, Complete)
    assert complete.usage.cost_usd == 7.0


async def test_a_run_that_said_nothing_yet_keeps_what_it_read_when_it_is_stopped() -> None:
    provider = knowing(held(UsageReport(Usage(1000)), TextDelta("x")))
    async with engine_of(provider) as engine:
        run = await engine.begin(T, turn())
        async with engine.watch(T, run.run_id) as watch:
            while watch.last_sequence < 3:
                await watch.read(5.0)
        _, complete = await engine.stop(T, run.run_id)
        assert isinstance(complete, Complete)
        assert (complete.finish_reason, complete.usage) == ("stopped", Usage(1000, cost_usd=0.001))
        totals = await engine.store.token_totals(T)
    assert totals["fake/m"].usage == complete.usage
