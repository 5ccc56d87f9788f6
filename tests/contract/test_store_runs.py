"""What every store promises about runs: how they begin, who owns them, how they are found."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fakes.stored import (
    OTHER,
    OWNER,
    TENANT,
    a_closing,
    a_complete,
    a_conversation,
    a_new_run,
    a_run,
    a_start,
    all_events,
    an_append,
    an_error,
    an_id,
    begin,
    begin_conversation,
    end,
    owned_by,
)
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Token
from thinkaloud_server.core.run import Busy, Created, Existing, Renewal, Run
from thinkaloud_server.engine.ports import Store

# create_run


async def test_a_new_run_reads_back_as_it_went_in(store: Store) -> None:
    run = replace(a_run(), detach_s=-1, watched_until=1_700_000_016.0, kind="task")
    await begin(store, run)
    assert await store.get_run(TENANT, run.run_id) == run


async def test_start_is_event_one(store: Store) -> None:
    run = await begin(store, a_run())
    assert await all_events(store, run) == [a_start(run)]


async def test_a_first_run_has_no_history(store: Store) -> None:
    run = a_run(conversation_id=an_id("conv", 1))
    outcome = await store.create_run(TENANT, a_new_run(run, new_conversation=a_conversation()))
    assert outcome == Created(())


async def test_a_second_run_gets_the_messages_before_its_own_oldest_first(store: Store) -> None:
    first = await begin_conversation(store)
    await end(store, first)
    second = a_run(2, conversation_id=first.conversation_id)
    outcome = await store.create_run(TENANT, a_new_run(second))
    assert isinstance(outcome, Created)
    assert [stored.message.role for stored in outcome.history] == ["user", "assistant"]
    assert [stored.message.text for stored in outcome.history] == ["why?", "because"]
    assert outcome.history[1].message.state is not None


async def test_a_second_live_run_in_a_conversation_is_busy_and_stores_nothing(store: Store) -> None:
    first = await begin_conversation(store)
    second = a_run(2, conversation_id=first.conversation_id, key="k")
    outcome = await store.create_run(TENANT, a_new_run(second))
    assert outcome == Busy(first)
    assert await store.get_run(TENANT, second.run_id) is None
    assert await store.find_key(TENANT, "k") is None
    page = await store.history(TENANT, first.conversation_id, page_size=10, page_token="")
    assert len(page.items) == 1


async def test_a_conversation_is_free_again_when_its_run_has_ended(store: Store) -> None:
    first = await begin_conversation(store)
    await end(store, first)
    await begin(store, a_run(2, conversation_id=first.conversation_id))


async def test_two_runs_at_once_in_one_conversation_are_one_run_and_one_busy(store: Store) -> None:
    await store.create_conversation(TENANT, a_conversation())
    runs = [a_run(number, conversation_id=an_id("conv", 1)) for number in range(8)]
    outcomes = await asyncio.gather(*(store.create_run(TENANT, a_new_run(run)) for run in runs))
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Busy"] * 7 + ["Created"]


async def test_a_run_in_an_unknown_conversation_is_not_found(store: Store) -> None:
    with pytest.raises(ChatError) as caught:
        await store.create_run(TENANT, a_new_run(a_run(conversation_id=an_id("conv", 9))))
    assert caught.value.reason is ErrorReason.NOT_FOUND
    assert await store.get_run(TENANT, an_id("run", 1)) is None


async def test_runs_without_a_conversation_do_not_stand_in_each_others_way(store: Store) -> None:
    for number in range(3):
        await begin(store, a_run(number))


async def test_a_run_id_that_exists_is_refused(store: Store) -> None:
    await begin(store, a_run())
    with pytest.raises(ChatError) as caught:
        await store.create_run(TENANT, a_new_run(a_run()))
    assert caught.value.reason is ErrorReason.ALREADY_EXISTS


# Idempotency


async def test_the_same_key_and_request_are_the_same_run(store: Store) -> None:
    run = await begin(store, a_run(key="k"))
    outcome = await store.create_run(TENANT, a_new_run(a_run(2, key="k")))
    assert outcome == Existing(run)
    assert await store.get_run(TENANT, an_id("run", 2)) is None


async def test_a_key_finds_its_run_when_it_has_ended(store: Store) -> None:
    run = await begin(store, a_run(key="k"))
    await end(store, run)
    outcome = await store.create_run(TENANT, a_new_run(a_run(2, key="k")))
    assert isinstance(outcome, Existing)
    assert (outcome.run.run_id, outcome.run.state) == (run.run_id, "completed")


async def test_the_same_key_with_another_request_is_refused(store: Store) -> None:
    await begin(store, a_run(key="k"))
    with pytest.raises(ChatError) as caught:
        await store.create_run(TENANT, a_new_run(a_run(2, key="k", request_hash="other")))
    assert caught.value.reason is ErrorReason.IDEMPOTENCY_KEY_REUSED


async def test_a_key_is_looked_at_before_the_conversation(store: Store) -> None:
    conversation = a_conversation()
    run = a_run(conversation_id=conversation.conversation_id, key="k")
    await begin(store, run, new_conversation=conversation)
    assert await store.create_run(TENANT, a_new_run(replace(run, run_id=an_id("run", 2)))) == Existing(run)


async def test_two_tenants_may_use_one_key(store: Store) -> None:
    await begin(store, a_run(1, key="k"))
    await begin(store, a_run(2, key="k", tenant=OTHER))
    found = await store.find_key(OTHER, "k")
    assert found is not None
    assert found.run_id == an_id("run", 2)


async def test_many_runs_without_a_key_share_nothing(store: Store) -> None:
    await begin(store, a_run(1))
    await begin(store, a_run(2))
    assert await store.find_key(TENANT, "") is None


async def test_a_hundred_requests_with_one_key_at_once_make_one_run(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.create_run(TENANT, a_new_run(a_run(number, key="k"))) for number in range(100))
    )
    assert sum(isinstance(outcome, Created) for outcome in outcomes) == 1
    ids = {outcome.run.run_id for outcome in outcomes if isinstance(outcome, Existing)}
    assert len(ids) == 1


# list_runs


async def test_runs_are_listed_newest_first_and_page_by_page(store: Store) -> None:
    for number in range(25):
        await begin(store, a_run(number, at=1_700_000_000.0 + number // 3))
    seen: list[Run] = []
    token, pages = "", 0
    while True:
        page = await store.list_runs(TENANT, conversation_id="", state=None, page_size=10, page_token=token)
        seen += page.items
        pages += 1
        token = page.next_page_token
        if not token:
            break
    assert pages == 3
    assert [run.run_id for run in seen] == [an_id("run", number) for number in reversed(range(25))]


async def test_a_full_last_page_has_no_next_token(store: Store) -> None:
    for number in range(4):
        await begin(store, a_run(number))
    page = await store.list_runs(TENANT, conversation_id="", state=None, page_size=4, page_token="")
    assert (len(page.items), page.next_page_token) == (4, "")


async def test_runs_are_listed_by_state(store: Store) -> None:
    runs = [await begin(store, a_run(number)) for number in range(3)]
    await end(store, runs[0])
    await store.append([a_closing(runs[1], terminal=an_error(runs[1]))])
    for state, number in (("completed", 0), ("failed", 1), ("running", 2)):
        page = await store.list_runs(
            TENANT,
            conversation_id="",
            state=state,  # type: ignore[arg-type]  # the table above holds only states
            page_size=9,
            page_token="",
        )
        assert [run.run_id for run in page.items] == [an_id("run", number)]


async def test_runs_are_listed_by_conversation(store: Store) -> None:
    run = await begin_conversation(store, 1)
    await begin_conversation(store, 2)
    await begin(store, a_run(3))
    page = await store.list_runs(TENANT, conversation_id=run.conversation_id, state=None, page_size=9, page_token="")
    assert [found.run_id for found in page.items] == [run.run_id]


# Stop, watch, leases


async def test_a_stop_request_is_kept_and_the_first_one_counts(store: Store) -> None:
    run = await begin(store, a_run())
    await store.request_stop(TENANT, run.run_id, 5.5)
    await store.request_stop(TENANT, run.run_id, 9.5)
    found = await store.get_run(TENANT, run.run_id)
    assert found is not None
    assert found.stop_requested_at == 5.5


async def test_the_latest_watch_counts(store: Store) -> None:
    run = await begin(store, a_run())
    for until in (20.0, 30.0, 25.0):
        await store.mark_watched(TENANT, run.run_id, until)
    found = await store.get_run(TENANT, run.run_id)
    assert found is not None
    assert found.watched_until == 30.0


async def test_an_ended_run_is_neither_stopped_nor_watched(store: Store) -> None:
    run = await begin(store, a_run())
    await end(store, run)
    await store.request_stop(TENANT, run.run_id, 5.5)
    await store.mark_watched(TENANT, run.run_id, 30.0)
    found = await store.get_run(TENANT, run.run_id)
    assert found is not None
    assert (found.stop_requested_at, found.watched_until) == (0.0, 0.0)


async def test_renewal_says_who_is_to_stop_and_who_is_lost(store: Store) -> None:
    runs = [await begin(store, a_run(number)) for number in range(4)]
    foreign = await begin(store, a_run(7, owner="owner-2"))
    await store.request_stop(TENANT, runs[1].run_id, 5.0)
    await store.request_stop(TENANT, runs[2].run_id, 5.0)
    await end(store, runs[2])
    ids = [run.run_id for run in runs] + [foreign.run_id, an_id("run", 99)]
    renewal = await store.renew(OWNER, ids, 6.0)
    assert renewal.stop == (runs[1].run_id,)
    assert set(renewal.lost) == {foreign.run_id, an_id("run", 99)}


async def test_renewing_nothing_finds_nothing(store: Store) -> None:
    assert await store.renew(OWNER, [], 6.0) == Renewal()


async def test_orphans_change_owner_and_epoch_and_fence_the_old_writer(store: Store) -> None:
    run = await begin(store, a_run(1, owner="dead"))
    await begin(store, a_run(2))
    done = await begin(store, a_run(3, owner="dead"))
    await end(store, done)
    taken = await store.take_orphans(OWNER, 7.0)
    assert list(taken) == [owned_by(run, OWNER, 2)]
    assert await store.append([an_append(run, Token("late"))]) == ["fenced"]
    assert await store.append([a_closing(taken[0], terminal=an_error(run))]) == ["committed"]
    assert list(await store.take_orphans(OWNER, 8.0)) == []


async def test_listening_needs_nothing(store: Store) -> None:
    store.listen(lambda run_id: None)


# Trim


async def test_trimming_drops_events_of_old_ended_runs_and_keeps_results(store: Store) -> None:
    old, fresh, live = [await begin(store, a_run(number)) for number in range(3)]
    await end(store, old, at=100.0)
    await end(store, fresh, at=200.0)
    assert await store.trim(events_before=150.0, keys_before=0.0) == 2
    assert [len(await all_events(store, run)) for run in (old, fresh, live)] == [0, 2, 1]
    assert await store.get_result(TENANT, old.run_id) == a_complete(old)
    found = await store.get_run(TENANT, old.run_id)
    assert found is not None
    assert found.last_sequence == 2
    assert await store.trim(events_before=150.0, keys_before=0.0) == 0


async def test_trimming_forgets_old_keys(store: Store) -> None:
    old = await begin(store, a_run(1, key="old", at=100.0))
    await begin(store, a_run(2, key="new", at=200.0))
    assert await store.trim(events_before=0.0, keys_before=150.0) == 1
    assert await store.find_key(TENANT, "old") is None
    assert await store.find_key(TENANT, "new") is not None
    found = await store.get_run(TENANT, old.run_id)
    assert found is not None
    assert found.idempotency_key == ""
    await begin(store, a_run(3, key="old"))


async def test_trimming_goes_through_more_runs_than_one_step_takes(store: Store) -> None:
    runs = [await begin(store, a_run(number)) for number in range(45)]
    await store.append([a_closing(run, at=100.0) for run in runs])
    assert await store.trim(events_before=150.0, keys_before=0.0) == 90
