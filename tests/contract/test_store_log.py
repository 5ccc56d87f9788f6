"""What every store promises about the log of a run."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fakes.stored import (
    TENANT,
    a_closing,
    a_complete,
    a_run,
    a_start,
    all_events,
    an_append,
    an_error,
    begin,
    begin_conversation,
    end,
    tokens,
)
from thinkaloud_server.core.event import Reasoning, Token
from thinkaloud_server.engine.ports import Store

# append


async def test_appended_events_read_back_in_order(store: Store) -> None:
    run = await begin(store, a_run())
    assert await store.append([an_append(run, *tokens("a", "b"))]) == ["committed"]
    assert await store.append([an_append(run, Reasoning("c", "summary", 2), first=4)]) == ["committed"]
    assert await all_events(store, run) == [a_start(run), *tokens("a", "b"), Reasoning("c", "summary", 2)]
    found = await store.get_run(TENANT, run.run_id)
    assert found is not None
    assert found.last_sequence == 4


@pytest.mark.parametrize("first", [1, 3, 0, -1, 2**40], ids=["again", "gap", "zero", "negative", "far"])
async def test_a_sequence_that_is_not_the_next_is_fenced(store: Store, first: int) -> None:
    run = await begin(store, a_run())
    assert await store.append([an_append(run, Token("x"), first=first)]) == ["fenced"]
    assert await all_events(store, run) == [a_start(run)]


@pytest.mark.parametrize("epoch", [0, 2])
async def test_another_epoch_is_fenced(store: Store, epoch: int) -> None:
    run = await begin(store, a_run())
    assert await store.append([an_append(replace(run, epoch=epoch), Token("x"))]) == ["fenced"]


async def test_an_unknown_run_is_fenced(store: Store) -> None:
    assert await store.append([an_append(a_run(), Token("x"))]) == ["fenced"]


async def test_an_ended_run_is_fenced(store: Store) -> None:
    run = await begin(store, a_run())
    await end(store, run)
    assert await store.append([an_append(run, Token("x"), first=3)]) == ["fenced"]
    assert await store.append([a_closing(run, first=3)]) == ["fenced"]


async def test_a_fenced_run_does_not_hurt_the_others_of_its_batch(store: Store) -> None:
    runs = [await begin(store, a_run(number)) for number in range(5)]
    batch = [an_append(run, Token("x"), first=2 if run is not runs[2] else 7) for run in runs]
    assert await store.append(batch) == ["committed", "committed", "fenced", "committed", "committed"]
    assert [len(await all_events(store, run)) for run in runs] == [2, 2, 1, 2, 2]


async def test_a_fenced_closing_writes_nothing_at_all(store: Store) -> None:
    run = await begin_conversation(store)
    assert await store.append([a_closing(replace(run, epoch=9))]) == ["fenced"]
    assert await store.get_result(TENANT, run.run_id) is None
    assert await store.token_totals(TENANT) == {}
    assert len((await store.history(TENANT, run.conversation_id, page_size=9, page_token="")).items) == 1


async def test_one_batch_may_hold_the_same_run_twice_in_order(store: Store) -> None:
    run = await begin(store, a_run())
    batch = [an_append(run, Token("a")), an_append(run, Token("b"), first=3), a_closing(run, first=4)]
    assert await store.append(batch) == ["committed"] * 3
    assert len(await all_events(store, run)) == 4


async def test_appends_that_are_not_awaited_keep_their_order(store: Store) -> None:
    run = await begin(store, a_run())
    results = await asyncio.gather(
        *(store.append([an_append(run, Token(str(number)), first=number)]) for number in range(2, 60))
    )
    assert results == [["committed"]] * 58


async def test_a_batch_of_many_runs_and_many_events_is_whole(store: Store) -> None:
    runs = [await begin(store, a_run(number)) for number in range(30)]
    batch = [an_append(run, *tokens(*map(str, range(15)))) for run in runs]
    assert await store.append(batch) == ["committed"] * 30
    for run in runs:
        assert len(await all_events(store, run)) == 16


async def test_an_empty_batch_is_an_empty_answer(store: Store) -> None:
    assert await store.append([]) == []


# Ends


async def test_a_completed_run_has_its_result_state_and_reason(store: Store) -> None:
    run = await begin(store, a_run())
    await store.append([an_append(run, Token("x"))])
    await end(store, run, at=1_700_000_009.75, first=3)
    assert await store.get_result(TENANT, run.run_id) == a_complete(run)
    ended = replace(run, state="completed", finish_reason="stop", ended_at=1_700_000_009.75, last_sequence=3)
    assert await store.get_run(TENANT, run.run_id) == ended


async def test_a_failed_run_has_its_error(store: Store) -> None:
    run = await begin(store, a_run())
    await store.append([a_closing(run, terminal=an_error(run), message=False)])
    assert await store.get_result(TENANT, run.run_id) == an_error(run)
    found = await store.get_run(TENANT, run.run_id)
    assert found is not None
    assert (found.state, found.finish_reason) == ("failed", "")


async def test_a_live_run_has_no_result(store: Store) -> None:
    run = await begin(store, a_run())
    assert await store.get_result(TENANT, run.run_id) is None


async def test_many_runs_may_end_in_one_batch(store: Store) -> None:
    runs = [await begin_conversation(store, number) for number in range(12)]
    assert await store.append([a_closing(run) for run in runs]) == ["committed"] * 12
    totals = await store.token_totals(TENANT)
    assert totals["local/m"].runs == 12
    for run in runs:
        page = await store.history(TENANT, run.conversation_id, page_size=9, page_token="")
        assert [stored.parent_id for stored in page.items] == ["", page.items[0].message_id]


async def test_a_run_without_a_conversation_keeps_no_message(store: Store) -> None:
    run = await begin(store, a_run())
    assert await store.append([a_closing(run)]) == ["committed"]
    assert (await store.history(TENANT, "", page_size=9, page_token="")).items == ()


# read_events


async def test_reading_goes_on_after_a_sequence(store: Store) -> None:
    run = await begin(store, a_run())
    await store.append([an_append(run, *tokens("a", "b", "c"))])
    logged = await store.read_events(TENANT, run.run_id, 2, 100_000)
    assert logged == [(3, Token("b")), (4, Token("c"))]


@pytest.mark.parametrize("after", [4, 5, 2**40])
async def test_reading_at_or_past_the_end_is_empty(store: Store, after: int) -> None:
    run = await begin(store, a_run())
    await store.append([an_append(run, *tokens("a", "b", "c"))])
    assert list(await store.read_events(TENANT, run.run_id, after, 100_000)) == []


async def test_a_page_holds_at_least_one_event_however_small_the_limit(store: Store) -> None:
    run = await begin(store, a_run())
    await store.append([an_append(run, Token("x" * 10_000), Token("y"))])
    assert [entry.sequence for entry in await store.read_events(TENANT, run.run_id, 1, 1)] == [2]


async def test_pages_of_any_size_join_to_the_whole_log(store: Store) -> None:
    run = await begin(store, a_run())
    await store.append([an_append(run, *(Token("w" * (number % 40)) for number in range(300)))])
    for bytes_max in (1, 100, 1_000, 7_777):
        sequences: list[int] = []
        while page := await store.read_events(TENANT, run.run_id, len(sequences), bytes_max):
            sequences += [entry.sequence for entry in page]
        assert sequences == list(range(1, 302))


async def test_a_page_stops_near_its_limit(store: Store) -> None:
    run = await begin(store, a_run())
    await store.append([an_append(run, *(Token("x" * 1_000) for _ in range(50)))])
    page = await store.read_events(TENANT, run.run_id, 1, 10_000)
    assert 9 <= len(page) <= 11


HOSTILE = ["\x00", "\u2028", '"\\', "é日本🤔", "\r\n", "]]", "</think>", "\x7f\x1b", "' OR 1=1 --", "x" * 20_000]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_text_comes_back_as_it_went_in(store: Store, text: str) -> None:
    run = await begin(store, replace(a_run(), metadata={text: text}))
    await store.append([an_append(run, Token(text), Reasoning(text))])
    assert list(await all_events(store, run))[1:] == [Token(text), Reasoning(text)]
    found = await store.get_run(TENANT, run.run_id)
    assert found is not None
    assert found.metadata == {text: text}
