"""The account of a key: its runs, and what is left of its budget."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.clock import FakeClock
from fakes.keyed import key
from fakes.stored import a_closing, a_run, begin
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import ANYBODY, Identity
from thinkaloud_server.core.run import DAY_S, Closing, day_of
from thinkaloud_server.core.usage import Spent
from thinkaloud_server.engine.quota import KeyLimits, Quotas, Share
from thinkaloud_server.stores.memory import MemoryStore

NOON = 20_000 * DAY_S + DAY_S / 2


class SlowStore(MemoryStore):
    """Answers what was spent when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def spent(self, tenant: str, key_id: str, day: int) -> Spent:
        found = await super().spent(tenant, key_id, day)
        await self.go.wait()
        return found


def quotas(*stores: MemoryStore, clock: FakeClock | None = None, **limits: Any) -> Quotas:
    return Quotas(limits=KeyLimits(**limits), stores=stores or (MemoryStore(),), clock=clock or FakeClock(NOON))


async def taken(of: Quotas, caller: Identity, idempotency_key: str = "") -> Share:
    share = await of.take(caller, idempotency_key)
    assert share is not None
    return share


async def refused(of: Quotas, caller: Identity, idempotency_key: str = "") -> ChatError:
    with pytest.raises(ChatError) as caught:
        await of.take(caller, idempotency_key)
    return caught.value


async def spend(store: MemoryStore, caller: Identity, spent: Spent, number: int, at: float = NOON) -> Closing:
    """A run of this key, begun and ended in the store."""
    run = await begin(store, a_run(number, tenant=caller.tenant, key_id=caller.key_id))
    append = a_closing(run, at=at, spent=spent)
    assert await store.append([append]) == ["committed"]
    assert append.closing is not None
    return append.closing


def weigh(share: Share, tokens: int) -> None:
    share.use(tokens, 0.0)
    share.check_passed()


# Runs.


@pytest.mark.parametrize(
    ("own", "common", "most"), [(None, 3, 3), (2, 3, 2), (5, 3, 5)], ids=["the server's", "fewer", "more"]
)
async def test_a_key_has_so_many_runs_at_once_and_the_next_one_is_told_to_come_again(
    own: int | None, common: int, most: int
) -> None:
    some = quotas(runs=common)
    caller = key(runs=own)
    shares = [await taken(some, caller) for _ in range(most)]
    error = await refused(some, caller)
    assert (error.reason, error.retry_after_s) == (ErrorReason.TOO_MANY_RUNS, 1.0)
    assert some.runs(caller) == most
    shares.pop().give_back()
    shares.append(await taken(some, caller))
    for share in shares:
        share.give_back()
    assert some.runs(caller) == 0


@pytest.mark.parametrize(("own", "common"), [(0, 1), (None, 0)], ids=["the key's", "the server's"])
async def test_no_limit_is_none(own: int | None, common: int) -> None:
    some = quotas(runs=common)
    for _ in range(100):
        await taken(some, key(runs=own))
    assert some.runs(key()) == 100


async def test_who_has_no_key_is_not_counted() -> None:
    some = quotas(runs=1)
    assert [await some.take(ANYBODY, "") for _ in range(3)] == [None] * 3
    assert some.runs(ANYBODY) == 0
    assert await some.budget(ANYBODY) is None


async def test_keys_are_apart_and_so_are_the_same_names_of_two_tenants() -> None:
    some = quotas(runs=1)
    for caller in (key("a"), key("b"), Identity("other", "a", ANYBODY.scopes)):
        await taken(some, caller)
    assert (await refused(some, key("a"))).reason is ErrorReason.TOO_MANY_RUNS


async def test_requests_with_one_idempotency_key_hold_one_share_until_the_last_gives_it_back() -> None:
    some = quotas(runs=1)
    shares = [await taken(some, key(), "again") for _ in range(5)]
    assert some.runs(key()) == 1
    assert (await refused(some, key(), "another")).reason is ErrorReason.TOO_MANY_RUNS
    for share in shares:
        assert some.runs(key()) == 1
        share.give_back()
    assert some.runs(key()) == 0


async def test_nothing_is_kept_of_keys_that_have_no_runs() -> None:
    some = quotas()
    for number in range(100):
        (await taken(some, key(f"k{number}", tokens_per_day=5))).give_back()
    assert not some._accounts


# Budgets.


async def test_what_was_spent_today_is_read_from_all_stores_and_refuses_with_the_time_until_midnight() -> None:
    stores = MemoryStore(), MemoryStore()
    caller = key(tokens_per_day=100)
    await spend(stores[0], caller, Spent(60), 1)
    share = await taken(quotas(*stores), caller)
    share.give_back()
    await spend(stores[1], caller, Spent(40), 2)
    error = await refused(quotas(*stores), caller)
    assert (error.reason, error.retry_after_s) == (ErrorReason.BUDGET_EXCEEDED, DAY_S / 2)
    assert "100 tokens" in error.message


async def test_a_budget_of_money_is_kept_like_one_of_tokens() -> None:
    store = MemoryStore()
    caller = key(cost_usd_per_day=0.5)
    await spend(store, caller, Spent(10**9, 0.5), 1)
    error = await refused(quotas(store), caller)
    assert error.reason is ErrorReason.BUDGET_EXCEEDED
    assert "0.5 US dollars" in error.message


@pytest.mark.parametrize(
    ("own", "common", "refuses"),
    [(None, 100, True), (200, 100, False), (0, 100, False), (None, 0, False), (50, 0, True)],
    ids=["the server's", "more", "none of its own", "none at all", "its own only"],
)
async def test_a_keys_own_budget_counts_before_the_servers(own: int | None, common: int, refuses: bool) -> None:
    store = MemoryStore()
    caller = key(tokens_per_day=own)
    await spend(store, caller, Spent(100), 1)
    some = quotas(store, tokens_per_day=common)
    if refuses:
        assert (await refused(some, caller)).reason is ErrorReason.BUDGET_EXCEEDED
        assert some.runs(caller) == 0
    else:
        await taken(some, caller)


async def test_live_runs_of_a_key_use_up_its_budget_together() -> None:
    some = quotas()
    caller = key(tokens_per_day=100)
    one, two = await taken(some, caller), await taken(some, caller)
    weigh(one, 60)
    weigh(two, 30)
    weigh(two, 40)
    assert (await refused(some, caller)).reason is ErrorReason.BUDGET_EXCEEDED
    with pytest.raises(ChatError) as caught:
        weigh(two, 41)
    assert (caught.value.reason, caught.value.retry_after_s) == (ErrorReason.BUDGET_EXCEEDED, DAY_S / 2)
    one.give_back()
    weigh(two, 41)
    await taken(some, caller)


async def test_a_run_that_ended_counts_by_what_it_spent_in_truth_and_once() -> None:
    store = MemoryStore()
    some = quotas(store)
    caller = key(tokens_per_day=100)
    stays, ends = await taken(some, caller), await taken(some, caller)
    weigh(ends, 90)
    ends.give_back(await spend(store, caller, Spent(50), 1))
    weigh(stays, 50)
    with pytest.raises(ChatError):
        weigh(stays, 51)
    found = await some.budget(caller)
    assert found is not None
    assert found.spent == Spent(101)
    stays.give_back(await spend(store, caller, Spent(20), 2))
    found = await some.budget(caller)
    assert found is not None
    assert (found.tokens, found.spent, found.ends_at) == (100, Spent(70), NOON + DAY_S / 2)


async def test_runs_that_begin_while_the_store_is_read_lose_nothing_that_ends_meanwhile() -> None:
    store = SlowStore()
    some = quotas(store)
    caller = key(tokens_per_day=100)
    first, second = asyncio.create_task(taken(some, caller)), asyncio.create_task(taken(some, caller))
    await asyncio.sleep(0)
    assert some.runs(caller) == 2
    store.go.set()
    share = await first
    share.give_back(await spend(store, caller, Spent(100), 1))
    (await second).give_back()
    assert (await refused(some, caller)).reason is ErrorReason.BUDGET_EXCEEDED


async def test_who_leaves_while_the_store_is_read_gives_its_share_back() -> None:
    some = quotas(SlowStore())
    waiting = asyncio.create_task(some.take(key(tokens_per_day=1), ""))
    await asyncio.sleep(0)
    assert some.runs(key()) == 1
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert some.runs(key()) == 0


async def test_a_new_day_has_a_new_budget_for_those_who_begin_and_for_those_who_go_on() -> None:
    clock, store = FakeClock(NOON), MemoryStore()
    some = quotas(store, clock=clock)
    caller = key(tokens_per_day=100)
    share = await taken(some, caller)
    (await taken(some, caller)).give_back(await spend(store, caller, Spent(90), 1))
    with pytest.raises(ChatError):
        weigh(share, 20)
    clock.advance(DAY_S / 2)
    weigh(share, 20)
    weigh(share, 100)
    with pytest.raises(ChatError):
        weigh(share, 101)
    share.give_back(await spend(store, caller, Spent(30), 2, at=clock.now))
    assert await store.spent(caller.tenant, caller.key_id, day_of(clock.now)) == Spent(30)
    share = await taken(some, caller)
    weigh(share, 70)
    with pytest.raises(ChatError):
        weigh(share, 71)


async def test_a_run_that_ended_before_midnight_is_not_counted_after_it() -> None:
    clock, store = FakeClock(NOON), MemoryStore()
    some = quotas(store, clock=clock)
    caller = key(tokens_per_day=100)
    old = await taken(some, caller)
    closing = await spend(store, caller, Spent(90), 1)
    clock.advance(DAY_S / 2)
    new = await taken(some, caller)
    old.give_back(closing)
    weigh(new, 100)


async def test_a_key_without_a_budget_is_told_what_it_spent() -> None:
    store = MemoryStore()
    some = quotas(store)
    await spend(store, key(), Spent(7, 0.25), 1)
    live = await taken(some, key())
    assert not live.limited
    found = await some.budget(key())
    assert found is not None
    assert (found.tokens, found.cost_usd, found.spent) == (0, 0.0, Spent(7, 0.25))
