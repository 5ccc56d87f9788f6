"""Runs of one key at once, and what they may spend on a day, in the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from fakes.clock import FakeClock
from fakes.engines import T, always, engine_of, held, play, texts, turn, watch_all
from fakes.keyed import key
from fakes.rpc import until
from fakes.scripted import ScriptedProvider, answer, failing
from fakes.stored import a_new_run, a_run, an_append
from thinkaloud_server.core.delta import Delta, ReasoningDelta, TextDelta, UsageReport
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete, Error, Reasoning, Token
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.request import ModelInfo, ModelRequest, Price
from thinkaloud_server.core.run import DAY_S, Busy, Created, Existing, NewRun
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.core.usage import Spent, Usage
from thinkaloud_server.engine.engine import Engine
from thinkaloud_server.engine.quota import KeyLimits
from thinkaloud_server.stores.memory import MemoryStore

NOON = 20_000 * DAY_S + DAY_S / 2


def mine(*key_id: str, **allowance: Any) -> Identity:
    return key(*key_id, tenant=T, **allowance)


def by(caller: Identity, text: str = "hi", **fields: Any) -> Turn:
    return turn(text, identity=caller, **fields)


async def refused(engine: Engine, asked: Turn) -> ChatError:
    with pytest.raises(ChatError) as caught:
        await engine.begin(T, asked)
    return caught.value


async def spent(engine: Engine, caller: Identity) -> Spent:
    """What its ended runs spent: those that ended just now are settled in the next moment."""
    await until(lambda: not engine.key_runs(caller))
    found = await engine.budget(caller)
    assert found is not None
    return found.spent


async def stored(engine: Engine) -> int:
    return len((await engine.store.list_runs(T, conversation_id="", state=None, page_size=99, page_token="")).items)


async def endless(request: ModelRequest) -> AsyncIterator[Sequence[Delta]]:
    """Ten tokens after ten tokens, as long as it is heard."""
    while True:
        yield [TextDelta("four" * 10)]
        await asyncio.sleep(0)


# Runs.


@pytest.mark.parametrize(("own", "common"), [(2, 0), (None, 2)], ids=["the key's", "the server's"])
async def test_one_run_more_than_a_key_may_have_is_refused_before_anything_is_stored(
    own: int | None, common: int
) -> None:
    caller = mine(runs=own)
    async with engine_of(ScriptedProvider(held(TextDelta("x"))), keys=KeyLimits(runs=common)) as engine:
        runs = [await engine.begin(T, by(caller, detach_s=-1)) for _ in range(2)]
        error = await refused(engine, by(caller))
        assert (error.reason, error.retry_after_s) == (ErrorReason.TOO_MANY_RUNS, 1.0)
        assert await stored(engine) == 2
        assert len((await engine.store.list_conversations(T, page_size=9, page_token="")).items) == 2
        await engine.begin(T, turn())
        await engine.begin(T, by(mine("another", runs=own)))
        await engine.stop(T, runs[0].run_id)
        await engine.begin(T, by(caller))


async def test_a_key_that_has_all_its_runs_still_gets_those_that_it_made_before() -> None:
    caller = mine(runs=1)
    async with engine_of(ScriptedProvider(always(*answer("x")), held(TextDelta("y")))) as engine:
        first, second = (by(caller, idempotency_key=name, request_hash=name) for name in ("one", "two"))
        ended = await engine.begin(T, first)
        await watch_all(engine, ended.run_id)
        live = await engine.begin(T, second)
        assert (await engine.begin(T, first)).run_id == ended.run_id
        assert (await engine.begin(T, second)).run_id == live.run_id
        reused = await refused(engine, by(caller, idempotency_key="two", request_hash="other"))
        assert reused.reason is ErrorReason.IDEMPOTENCY_KEY_REUSED
        unknown = await refused(engine, by(caller, idempotency_key="three", request_hash="three"))
        assert unknown.reason is ErrorReason.TOO_MANY_RUNS
        assert engine.key_runs(caller) == 1


async def test_a_thousand_times_the_same_request_is_one_run_of_a_key_that_may_have_one() -> None:
    caller = mine(runs=1)
    provider = ScriptedProvider(always(*answer("x")))
    async with engine_of(provider) as engine:
        asked = by(caller, idempotency_key="k", request_hash="h")
        runs = await asyncio.gather(*(engine.begin(T, asked) for _ in range(1000)))
        assert len({run.run_id for run in runs}) == 1
        await watch_all(engine, runs[0].run_id)
        assert len(provider.requests) == 1
        assert engine.key_runs(caller) == 0


@pytest.mark.parametrize("on_busy", ["interrupt", "queue"])
async def test_the_run_that_makes_way_makes_it_in_its_key_too(on_busy: Any) -> None:
    caller = mine(runs=1)
    async with engine_of(ScriptedProvider(held(TextDelta("x")), always(*answer("y")))) as engine:
        run = await engine.begin(T, by(caller))
        async with engine.watch(T, run.run_id):
            asked = by(caller, conversation_id=run.conversation_id, on_busy=on_busy)
            next_one = asyncio.create_task(engine.begin(T, asked))
            if on_busy == "queue":
                await engine.stop(T, run.run_id)
            assert texts(await watch_all(engine, (await next_one).run_id)) == "y"


async def test_a_key_with_all_its_runs_is_told_of_its_busy_conversation_and_an_unwatched_run_makes_way() -> None:
    caller = mine(runs=1)
    async with engine_of(ScriptedProvider(held(TextDelta("x")), always(*answer("y")))) as engine:
        run = await engine.begin(T, by(caller, detach_s=-1))
        asked = by(caller, conversation_id=run.conversation_id)
        async with engine.watch(T, run.run_id):
            assert (await refused(engine, asked)).reason is ErrorReason.CONVERSATION_BUSY
        assert (await refused(engine, by(caller))).reason is ErrorReason.TOO_MANY_RUNS
        _, complete = await play(engine, asked)
        assert isinstance(complete, Complete)


async def test_a_run_holds_one_share_however_many_models_it_asks() -> None:
    caller = mine(runs=1)
    one = ScriptedProvider(failing(ErrorReason.UPSTREAM_AUTH, status=401), name="one")
    two = ScriptedProvider(held(TextDelta("x")), name="two")
    async with engine_of(one, two) as engine:
        run = await engine.begin(T, by(caller, model="one/m", fallback_models=("two/m",)))
        await until(lambda: two.open == 1)
        assert engine.key_runs(caller) == 1
        await engine.stop(T, run.run_id)
        await until(lambda: engine.key_runs(caller) == 0)


class BrokenStore(MemoryStore):
    """Stores no new run."""

    async def create_run(self, tenant: str, new: NewRun) -> Created | Existing | Busy:
        raise ChatError(ErrorReason.STORAGE_UNAVAILABLE, "the store cannot answer at the moment")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, ErrorReason.STORAGE_UNAVAILABLE),
        ({"conversation_id": "conv_9", "store": False}, ErrorReason.NOT_FOUND),
        ({"model": "fake/none"}, ErrorReason.MODEL_NOT_FOUND),
    ],
    ids=["not stored", "no conversation", "no model"],
)
async def test_a_run_that_is_not_made_takes_nothing_of_its_key(fields: dict[str, Any], reason: ErrorReason) -> None:
    caller = mine(runs=1)
    async with engine_of(ScriptedProvider(always(*answer("x"))), store=BrokenStore()) as engine:
        for _ in range(3):
            assert (await refused(engine, by(caller, **fields))).reason is reason
        assert engine.key_runs(caller) == 0


async def test_a_run_that_is_stopped_before_its_first_step_has_its_end_all_the_same() -> None:
    """Its task is made, and somebody who knows its id is first."""
    caller = mine(runs=1)
    async with engine_of(ScriptedProvider(held(TextDelta("x")))) as engine:
        beginning = asyncio.create_task(engine.begin(T, by(caller)))
        while not engine.status().live_runs:  # noqa: ASYNC110 - an event would come a step too late
            await asyncio.sleep(0)
        (live,) = engine._live.values()
        assert not live.begun
        live.stop("stopped")
        run = await beginning
        complete = (await watch_all(engine, run.run_id))[-1].event
        assert isinstance(complete, Complete)
        assert complete.finish_reason == "stopped"
        await until(lambda: engine.key_runs(caller) == 0)


# Budgets.


async def test_a_key_that_has_spent_its_budget_is_refused_until_midnight() -> None:
    caller = mine(tokens_per_day=10)
    clock = FakeClock(NOON)
    async with engine_of(ScriptedProvider(always(*answer("x", usage=Usage(6, 4)))), clock=clock) as engine:
        await play(engine, by(caller))
        assert await spent(engine, caller) == Spent(10)
        error = await refused(engine, by(caller))
        assert (error.reason, error.retry_after_s) == (ErrorReason.BUDGET_EXCEEDED, DAY_S / 2)
        assert await stored(engine) == 1
        assert engine.key_runs(caller) == 0
        clock.advance(DAY_S / 2)
        _, complete = await play(engine, by(caller))
        assert isinstance(complete, Complete)


async def test_a_request_that_was_answered_before_is_answered_again_when_the_budget_is_spent() -> None:
    caller = mine(tokens_per_day=10)
    async with engine_of(ScriptedProvider(always(*answer("x", usage=Usage(6, 4))))) as engine:
        asked = by(caller, idempotency_key="k", request_hash="h")
        run = await engine.begin(T, asked)
        await watch_all(engine, run.run_id)
        assert (await engine.begin(T, asked)).run_id == run.run_id


async def test_a_run_that_passes_the_budget_ends_with_the_error_and_keeps_what_was_said() -> None:
    caller = mine(tokens_per_day=1000)
    provider = ScriptedProvider(endless)
    async with engine_of(provider, clock=FakeClock(NOON)) as engine:
        seen, error = await play(engine, by(caller))
        assert isinstance(error, Error)
        assert (error.code, error.partial) == ("BUDGET_EXCEEDED", True)
        assert error.details["retry_after_s"] == DAY_S / 2
        assert provider.open == 0
        said = texts(seen)
        assert 4 * 1000 <= len(said) <= 4 * 1100
        run = (await engine.store.list_runs(T, conversation_id="", state=None, page_size=9, page_token="")).items[0]
        kept = (await engine.store.history(T, run.conversation_id, page_size=9, page_token="")).items[-1]
        assert (kept.message.text, kept.partial) == (said, True)
        # What was asked, two characters, is less than a token.
        assert await spent(engine, caller) == Spent(len(said) // 4)
        assert (await refused(engine, by(caller))).reason is ErrorReason.BUDGET_EXCEEDED


async def test_runs_of_one_key_at_once_spend_one_budget() -> None:
    caller = mine(tokens_per_day=4000)
    async with engine_of(ScriptedProvider(endless)) as engine:
        ended = await asyncio.gather(*(play(engine, by(caller)) for _ in range(8)))
        assert {terminal.code for _, terminal in ended if isinstance(terminal, Error)} == {"BUDGET_EXCEEDED"}
        assert 4000 <= (await spent(engine, caller)).tokens <= 4000 + 8 * 100


async def test_a_question_that_is_larger_than_the_budget_is_not_asked() -> None:
    caller = mine(tokens_per_day=1000)
    provider = ScriptedProvider(always(*answer("x")))
    async with engine_of(provider) as engine:
        _, error = await play(engine, by(caller, "four" * 1001))
        assert isinstance(error, Error)
        assert (error.code, error.partial) == ("BUDGET_EXCEEDED", False)
        assert not provider.requests
        assert await spent(engine, caller) == Spent()
        _, complete = await play(engine, by(caller, "four" * 900))
        assert isinstance(complete, Complete)


async def test_what_a_provider_tells_at_the_beginning_may_pass_the_budget_by_itself() -> None:
    caller = mine(tokens_per_day=1000)
    provider = ScriptedProvider(held(UsageReport(Usage(5000, 1))))
    async with engine_of(provider) as engine:
        _, error = await play(engine, by(caller))
        assert isinstance(error, Error)
        assert (error.code, error.partial) == ("BUDGET_EXCEEDED", False)
        assert await spent(engine, caller) == Spent(5001)


async def test_a_budget_of_money_is_passed_in_mid_stream_by_known_prices() -> None:
    caller = mine(cost_usd_per_day=0.5)
    provider = ScriptedProvider(endless)
    provider.table["m"] = ModelInfo("m", "fake", price=Price(input=0.0001, output=0.001))
    async with engine_of(provider) as engine:
        seen, error = await play(engine, by(caller))
        assert isinstance(error, Error)
        assert error.code == "BUDGET_EXCEEDED"
        assert 4 * 500 <= len(texts(seen)) <= 4 * 600
        assert 0.5 <= (await spent(engine, caller)).cost_usd <= 0.6


async def test_a_whole_answer_counts_by_the_providers_word_and_a_stopped_one_by_its_size() -> None:
    caller = mine()
    script = always(*answer("four" * 100, usage=Usage(3, 5)))
    async with engine_of(ScriptedProvider(script, held(ReasoningDelta("four" * 100)))) as engine:
        await play(engine, by(caller))
        assert await spent(engine, caller) == Spent(8)
        run = await engine.begin(T, by(caller, "four" * 10))
        async with engine.watch(T, run.run_id) as watch:
            while not any(isinstance(each.event, Reasoning) for each in await watch.read(5.0)):
                pass
        await engine.stop(T, run.run_id)
        assert await spent(engine, caller) == Spent(8 + 10 + 100)


async def test_what_was_asked_and_not_waited_for_counts_and_what_was_refused_does_not() -> None:
    caller = mine()
    provider = ScriptedProvider(failing(ErrorReason.UPSTREAM_AUTH, status=401), held())
    async with engine_of(provider) as engine:
        _, error = await play(engine, by(caller, "four" * 10))
        assert isinstance(error, Error)
        assert await spent(engine, caller) == Spent()
        run = await engine.begin(T, by(caller, "four" * 10))
        await until(lambda: provider.open == 1)
        await engine.stop(T, run.run_id)
        assert await spent(engine, caller) == Spent(10)


async def test_runs_that_are_not_stored_spend_as_well() -> None:
    caller = mine(tokens_per_day=16)
    async with engine_of(ScriptedProvider(always(*answer("x", usage=Usage(3, 5))))) as engine:
        await play(engine, by(caller, store=False))
        await play(engine, by(caller))
        assert await spent(engine, caller) == Spent(16)
        for store in (True, False):
            assert (await refused(engine, by(caller, store=store))).reason is ErrorReason.BUDGET_EXCEEDED


async def test_a_run_of_a_dead_process_counts_by_what_it_had_said() -> None:
    caller = mine(tokens_per_day=100)
    store = MemoryStore()
    run = a_run(1, tenant=T, key_id=caller.key_id, owner="dead")
    assert isinstance(await store.create_run(T, a_new_run(run)), Created)
    said = (Reasoning("four" * 30), Token("four" * 70))
    assert await store.append([an_append(run, *said)]) == ["committed"]
    async with engine_of(ScriptedProvider(always(*answer("x"))), store=store) as engine:
        assert await spent(engine, caller) == Spent(100)
        assert (await refused(engine, by(caller))).reason is ErrorReason.BUDGET_EXCEEDED
