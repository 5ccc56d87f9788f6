"""What every store promises about what keys spend: each run once, on the day of its end, with its terminal event."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fakes.stored import OTHER, OWNER, TENANT, a_closing, a_run, an_error, begin, end, owned_by
from thinkaloud_server.core.run import DAY_S, Run, day_of
from thinkaloud_server.core.usage import Spent
from thinkaloud_server.engine.ports import Store

KEY = "key_1"
NOON = 20_000 * DAY_S + DAY_S / 2
DAY = day_of(NOON)


async def began(store: Store, number: int = 1, key_id: str = KEY, tenant: str = TENANT) -> Run:
    return await begin(store, a_run(number, tenant=tenant, key_id=key_id))


async def test_a_run_remembers_its_key(store: Store) -> None:
    run = await began(store)
    found = await store.get_run(TENANT, run.run_id)
    assert found is not None
    assert found.key_id == KEY


async def test_what_runs_of_a_key_spend_adds_up_over_its_day(store: Store) -> None:
    assert await store.spent(TENANT, KEY, DAY) == Spent()
    for number in range(3):
        run = await began(store, number)
        await store.append([a_closing(run, at=NOON + number, spent=Spent(100 + number, 0.25))])
    assert await store.spent(TENANT, KEY, DAY) == Spent(303, 0.75)


async def test_a_run_that_is_refused_its_end_spends_nothing(store: Store) -> None:
    run = await began(store)
    spent = Spent(100, 1.0)
    assert await store.append([a_closing(replace(run, epoch=9), at=NOON, spent=spent)]) == ["fenced"]
    assert await store.append([a_closing(run, first=7, at=NOON, spent=spent)]) == ["fenced"]
    assert await store.spent(TENANT, KEY, DAY) == Spent()


async def test_a_run_is_counted_once_however_often_its_end_is_offered(store: Store) -> None:
    run = await began(store)
    closing = a_closing(run, at=NOON, spent=Spent(100, 1.0))
    results = await asyncio.gather(*(store.append([closing]) for _ in range(5)))
    assert sorted(each for result in results for each in result) == ["committed", *["fenced"] * 4]
    assert await store.spent(TENANT, KEY, DAY) == Spent(100, 1.0)


async def test_a_fenced_run_takes_nothing_of_the_others_of_its_batch(store: Store) -> None:
    runs = [await began(store, number) for number in range(4)]
    batch = [a_closing(run, first=2 if run is not runs[1] else 9, at=NOON, spent=Spent(10, 0.5)) for run in runs]
    assert await store.append(batch) == ["committed", "fenced", "committed", "committed"]
    assert await store.spent(TENANT, KEY, DAY) == Spent(30, 1.5)


async def test_an_orphan_counts_for_the_key_that_began_it(store: Store) -> None:
    run = await begin(store, a_run(1, owner="dead", key_id=KEY))
    (orphan,) = await store.take_orphans(OWNER, NOON)
    assert orphan == owned_by(run, OWNER, 2)
    late = a_closing(run, at=NOON, terminal=an_error(run), spent=Spent(7))
    ours = a_closing(orphan, at=NOON, terminal=an_error(run), spent=Spent(5))
    assert [await store.append([late]), await store.append([ours])] == [["fenced"], ["committed"]]
    assert await store.spent(TENANT, KEY, DAY) == Spent(5)


@pytest.mark.parametrize(
    ("at", "day"),
    [(NOON - DAY_S / 2 - 0.001, DAY - 1), (NOON - DAY_S / 2, DAY), (NOON + DAY_S / 2, DAY + 1)],
    ids=["before midnight", "at midnight", "the next midnight"],
)
async def test_a_run_counts_on_the_day_of_its_end(store: Store, at: float, day: int) -> None:
    await store.append([a_closing(await began(store), at=at, spent=Spent(9))])
    assert [(await store.spent(TENANT, KEY, each)).tokens for each in (DAY - 1, DAY, DAY + 1)] == [
        9 if each == day else 0 for each in (DAY - 1, DAY, DAY + 1)
    ]


async def test_keys_tenants_and_those_without_a_key_are_apart(store: Store) -> None:
    for number, (tenant, key_id) in enumerate([(TENANT, KEY), (TENANT, "key_2"), (OTHER, KEY), (TENANT, "")]):
        run = await began(store, number, key_id, tenant)
        await store.append([a_closing(run, at=NOON, spent=Spent(10**number))])
    found = [await store.spent(*each, DAY) for each in ((TENANT, KEY), (TENANT, "key_2"), (OTHER, KEY), (TENANT, ""))]
    assert [each.tokens for each in found] == [1, 10, 100, 0]


async def test_a_run_without_a_word_of_what_it_spent_counts_nothing(store: Store) -> None:
    run = await began(store)
    await store.append([a_closing(run, at=NOON, spent=Spent(0, 0.0))])
    assert await store.spent(TENANT, KEY, DAY) == Spent()


async def test_trimming_forgets_what_was_spent_on_earlier_days(store: Store) -> None:
    for number, day in enumerate((DAY - 2, DAY - 1, DAY)):
        await end(store, await began(store, number), at=day * DAY_S + 5.0)
    assert await store.trim(events_before=0.0, keys_before=DAY * DAY_S + 1.0) == 2
    assert [(await store.spent(TENANT, KEY, DAY - back)).tokens > 0 for back in (2, 1, 0)] == [False, False, True]
