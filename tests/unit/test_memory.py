"""What only the memory store promises: its bound. The rest is in tests/contract."""

from __future__ import annotations

import pytest

from fakes.stored import TENANT, a_run, all_events, an_append, an_id, begin, begin_conversation, end
from thinkaloud_server.core.event import Token
from thinkaloud_server.core.run import Run
from thinkaloud_server.stores.memory import MemoryStore


async def kept(store: MemoryStore) -> list[str]:
    page = await store.list_runs(TENANT, conversation_id="", state=None, page_size=99, page_token="")
    return sorted(run.run_id for run in page.items)


async def begun(store: MemoryStore, *numbers: int) -> list[Run]:
    return [await begin(store, a_run(number, key=f"k{number}")) for number in numbers]


async def test_the_runs_that_ended_first_are_forgotten_with_their_keys() -> None:
    store = MemoryStore(runs_max=3)
    runs = await begun(store, 0, 1, 2, 3, 4)
    for number in (2, 0, 1, 4):
        await end(store, runs[number])
    assert await kept(store) == [an_id("run", number) for number in (1, 3, 4)]
    assert await store.find_key(TENANT, "k2") is None
    assert await store.find_key(TENANT, "k1") is not None
    assert await store.get_result(TENANT, runs[0].run_id) is None


async def test_live_runs_are_never_forgotten() -> None:
    store = MemoryStore(runs_max=1)
    runs = await begun(store, *range(5))
    assert len(await kept(store)) == 5
    await end(store, runs[0])
    assert len(await kept(store)) == 4
    assert await store.append([an_append(runs[3], Token("x"))]) == ["committed"]


@pytest.mark.parametrize("runs_max", [1, 5])
async def test_memory_is_flat_over_many_runs(runs_max: int) -> None:
    store = MemoryStore(runs_max=runs_max)
    for number in range(50):
        await end(store, await begin(store, a_run(number, key=f"k{number}")))
    assert len(await kept(store)) == runs_max
    assert (len(store._logs), len(store._keys), len(store._ended)) == (runs_max,) * 3


async def test_a_conversation_outlives_its_forgotten_runs() -> None:
    store = MemoryStore(runs_max=1)
    run = await begin_conversation(store)
    await end(store, run)
    await end(store, await begin(store, a_run(7)))
    assert await all_events(store, run) == []
    page = await store.history(TENANT, run.conversation_id, page_size=9, page_token="")
    assert len(page.items) == 2
    await begin(store, a_run(8, conversation_id=run.conversation_id))
