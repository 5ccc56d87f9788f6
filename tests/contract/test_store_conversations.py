"""What every store promises about conversations, messages, settings and token totals."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes.stored import (
    OTHER,
    TENANT,
    USAGE,
    a_closing,
    a_conversation,
    a_new_run,
    a_question,
    a_run,
    all_events,
    an_answer,
    an_append,
    an_error,
    an_id,
    begin,
    begin_conversation,
    end,
)
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete, Token
from thinkaloud_server.core.message import ImagePart, Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.run import Created, Existing, NewRun, Run, TokenTotals
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.engine.ports import Store


async def test_a_conversation_reads_back_as_it_went_in(store: Store) -> None:
    conversation = replace(a_conversation(), metadata={"a": "b"})
    await store.create_conversation(TENANT, conversation)
    assert await store.get_conversation(TENANT, conversation.conversation_id) == conversation


async def test_a_conversation_id_that_exists_is_refused(store: Store) -> None:
    await store.create_conversation(TENANT, a_conversation())
    with pytest.raises(ChatError) as caught:
        await store.create_conversation(TENANT, a_conversation())
    assert caught.value.reason is ErrorReason.ALREADY_EXISTS


async def test_a_conversation_names_its_live_run_and_counts_its_messages(store: Store) -> None:
    run = await begin_conversation(store)
    found = await store.get_conversation(TENANT, run.conversation_id)
    assert found is not None
    assert (found.live_run_id, found.message_count) == (run.run_id, 1)
    await end(store, run)
    found = await store.get_conversation(TENANT, run.conversation_id)
    assert found is not None
    assert (found.live_run_id, found.message_count) == ("", 2)


async def test_a_question_and_an_end_are_uses_of_a_conversation(store: Store) -> None:
    run = await begin_conversation(store)
    found = await store.get_conversation(TENANT, run.conversation_id)
    assert found is not None
    assert found.updated_at == run.created_at
    await end(store, run, at=1_700_000_077.5)
    found = await store.get_conversation(TENANT, run.conversation_id)
    assert found is not None
    assert found.updated_at == 1_700_000_077.5


async def test_a_run_that_ends_without_a_message_adds_none(store: Store) -> None:
    run = await begin_conversation(store)
    await store.append([a_closing(run, message=False)])
    found = await store.get_conversation(TENANT, run.conversation_id)
    assert found is not None
    assert (found.message_count, found.live_run_id) == (1, "")


async def test_conversations_are_listed_last_used_first_and_page_by_page(store: Store) -> None:
    for number in range(7):
        await store.create_conversation(TENANT, a_conversation(number, at=100.0 + number // 2))
    seen: list[str] = []
    token = ""
    while True:
        page = await store.list_conversations(TENANT, page_size=3, page_token=token)
        seen += [conversation.conversation_id for conversation in page.items]
        token = page.next_page_token
        if not token:
            break
    assert seen == [an_id("conv", number) for number in reversed(range(7))]


async def test_an_update_changes_only_what_is_given(store: Store) -> None:
    conversation = replace(a_conversation(), metadata={"a": "b"})
    await store.create_conversation(TENANT, conversation)
    conversation_id = conversation.conversation_id
    titled = await store.update_conversation(TENANT, conversation_id, title="new", metadata=None)
    assert titled == replace(conversation, title="new")
    marked = await store.update_conversation(TENANT, conversation_id, title=None, metadata={"c": "d"})
    assert marked == replace(conversation, title="new", metadata={"c": "d"})
    assert await store.get_conversation(TENANT, conversation_id) == marked


async def test_updating_an_unknown_conversation_is_none(store: Store) -> None:
    assert await store.update_conversation(TENANT, an_id("conv", 9), title="x", metadata=None) is None


async def test_deleting_a_conversation_takes_all_that_is_in_it(store: Store) -> None:
    run = await begin_conversation(store, 1)
    await end(store, run)
    live = await begin(store, a_run(5, conversation_id=run.conversation_id, key="k"))
    kept = await begin_conversation(store, 2)
    alone = await begin(store, a_run(6))
    assert await store.delete_conversation(TENANT, run.conversation_id) is True
    assert await store.get_conversation(TENANT, run.conversation_id) is None
    assert (await store.history(TENANT, run.conversation_id, page_size=9, page_token="")).items == ()
    for gone in (run, live):
        assert await store.get_run(TENANT, gone.run_id) is None
        assert await store.get_result(TENANT, gone.run_id) is None
        assert await all_events(store, gone) == []
    assert await store.find_key(TENANT, "k") is None
    assert await store.append([an_append(live, Token("late"))]) == ["fenced"]
    assert len(await all_events(store, kept)) == 1
    assert len(await all_events(store, alone)) == 1


async def test_deleting_twice_is_false(store: Store) -> None:
    run = await begin_conversation(store)
    assert await store.delete_conversation(TENANT, run.conversation_id) is True
    assert await store.delete_conversation(TENANT, run.conversation_id) is False


async def test_deleting_the_empty_id_deletes_nothing(store: Store) -> None:
    run = await begin(store, a_run())
    assert await store.delete_conversation(TENANT, "") is False
    assert await store.get_run(TENANT, run.run_id) is not None


async def test_what_was_used_stays_counted_when_the_conversation_is_deleted(store: Store) -> None:
    run = await begin_conversation(store)
    await end(store, run)
    await store.delete_conversation(TENANT, run.conversation_id)
    assert await store.last_usage(TENANT) == USAGE
    assert (await store.token_totals(TENANT))["local/m"].runs == 1


# History


async def test_messages_come_oldest_first_each_with_the_one_before_as_parent(store: Store) -> None:
    run = await begin_conversation(store)
    await end(store, run)
    second = await begin(store, a_run(2, conversation_id=run.conversation_id))
    await end(store, second)
    page = await store.history(TENANT, run.conversation_id, page_size=10, page_token="")
    ids = [stored.message_id for stored in page.items]
    assert ids == [
        a_question(run).message_id,
        run.message_id,
        a_question(second).message_id,
        second.message_id,
    ]
    assert [stored.parent_id for stored in page.items] == ["", *ids[:-1]]
    assert page.items[1] == replace(an_answer(run), parent_id=ids[0])


async def test_history_comes_page_by_page(store: Store) -> None:
    conversation = a_conversation()
    await store.create_conversation(TENANT, conversation)
    for number in range(5):
        await end(store, await begin(store, a_run(number, conversation_id=conversation.conversation_id)))
    sizes, roles, token = [], [], ""
    while True:
        page = await store.history(TENANT, conversation.conversation_id, page_size=4, page_token=token)
        sizes.append(len(page.items))
        roles += [stored.message.role for stored in page.items]
        token = page.next_page_token
        if not token:
            break
    assert sizes == [4, 4, 2]
    assert roles == ["user", "assistant"] * 5


async def test_a_message_of_every_kind_of_part_comes_back(store: Store) -> None:
    conversation = a_conversation()
    run = a_run(conversation_id=conversation.conversation_id)
    parts = (
        TextPart("see"),
        ImagePart(data_base64="aGk=", content_type="image/png"),
        ToolCall("c1", "add", '{"a": 1}'),
        ToolResult("c1", "2", True),
    )
    question = replace(a_question(run), message=Message("user", parts), partial=True)
    await store.create_run(TENANT, replace(a_new_run(run, new_conversation=conversation), user_message=question))
    page = await store.history(TENANT, run.conversation_id, page_size=1, page_token="")
    assert page.items == (question,)


# Results of tools


def a_turn_of(run: Run, message: Message) -> NewRun:
    return replace(a_new_run(run), user_message=replace(a_question(run), message=message))


async def waiting(store: Store) -> Run:
    """A run whose answer called two tools."""
    run = await begin_conversation(store)
    append = a_closing(run)
    assert append.closing is not None
    assert append.closing.message is not None
    calls = (ToolCall("a", "look", "{}"), ToolCall("b", "look", "{}"))
    answer = replace(append.closing.message, message=Message("assistant", calls, "I thought"))
    await store.append([replace(append, closing=replace(append.closing, message=answer))])
    return run


RESULTS = Message("tool", (ToolResult("b", "2"), ToolResult("a", "1")))


async def test_results_of_tools_are_stored_as_one_message(store: Store) -> None:
    run = await waiting(store)
    second = a_run(2, conversation_id=run.conversation_id)
    made = await store.create_run(TENANT, a_turn_of(second, RESULTS))
    assert isinstance(made, Created)
    assert [stored.message.role for stored in made.history] == ["user", "assistant"]
    page = await store.history(TENANT, run.conversation_id, page_size=9, page_token="")
    assert page.items[-1].message == RESULTS
    assert page.items[-1].parent_id == run.message_id


async def test_results_may_be_given_again_after_a_turn_that_failed_at_once(store: Store) -> None:
    run = await waiting(store)
    for number in (2, 3):
        again = a_run(number, conversation_id=run.conversation_id)
        assert isinstance(await store.create_run(TENANT, a_turn_of(again, RESULTS)), Created)
        await store.append([a_closing(again, terminal=an_error(again), message=False)])


@pytest.mark.parametrize("ids", [("a",), ("a", "b", "c"), ("c",)], ids=["missing", "one more", "unknown"])
async def test_results_that_do_not_answer_what_was_asked_are_refused_and_nothing_is_stored(
    store: Store, ids: tuple[str, ...]
) -> None:
    run = await waiting(store)
    second = a_run(2, conversation_id=run.conversation_id, key="k")
    wrong = Message("tool", tuple(ToolResult(each, "1") for each in ids))
    with pytest.raises(ChatError) as caught:
        await store.create_run(TENANT, a_turn_of(second, wrong))
    assert caught.value.reason is ErrorReason.VALIDATION_FAILED
    assert await store.get_run(TENANT, second.run_id) is None
    assert await store.find_key(TENANT, "k") is None
    found = await store.get_conversation(TENANT, run.conversation_id)
    assert found is not None
    assert (found.message_count, found.live_run_id) == (2, "")
    assert isinstance(await store.create_run(TENANT, a_turn_of(second, RESULTS)), Created)


async def test_a_repeated_turn_with_results_is_the_run_that_it_was(store: Store) -> None:
    run = await waiting(store)
    second = a_run(2, conversation_id=run.conversation_id, key="k")
    await store.create_run(TENANT, a_turn_of(second, RESULTS))
    assert isinstance(await store.create_run(TENANT, a_turn_of(second, RESULTS)), Existing)
    await end(store, second)
    assert isinstance(await store.create_run(TENANT, a_turn_of(second, RESULTS)), Existing)


# Page tokens

TOKENS = ["x", "!!", "bnVsbA", "WyJydW5zIl0", "é", "\ud800", "WyJydW5zIiwxZTk5OSwiIl0", "a" * 5_000, "====", " "]


@pytest.mark.parametrize("token", TOKENS, ids=range(len(TOKENS)))
async def test_a_page_token_that_we_did_not_make_is_refused(store: Store, token: str) -> None:
    for call in (
        store.list_runs(TENANT, conversation_id="", state=None, page_size=2, page_token=token),
        store.list_conversations(TENANT, page_size=2, page_token=token),
        store.history(TENANT, an_id("conv", 1), page_size=2, page_token=token),
    ):
        with pytest.raises(ChatError) as caught:
            await call
        assert caught.value.reason is ErrorReason.INVALID_PAGE_TOKEN


async def test_a_page_token_of_another_list_is_refused(store: Store) -> None:
    for number in range(3):
        await begin(store, a_run(number))
    page = await store.list_runs(TENANT, conversation_id="", state=None, page_size=2, page_token="")
    assert page.next_page_token
    with pytest.raises(ChatError) as caught:
        await store.list_conversations(TENANT, page_size=2, page_token=page.next_page_token)
    assert caught.value.reason is ErrorReason.INVALID_PAGE_TOKEN


# Settings and totals


async def test_a_setting_is_the_last_one_put(store: Store) -> None:
    assert await store.get_setting(TENANT, "model") is None
    await store.put_setting(TENANT, "model", "a/b")
    await store.put_setting(TENANT, "model", "c/d")
    assert await store.get_setting(TENANT, "model") == "c/d"


async def test_token_totals_add_up_per_model(store: Store) -> None:
    for number, model in enumerate(["a/x", "a/x", "b/y"]):
        run = await begin(store, a_run(number))
        await store.append([a_closing(run, model=model, usage=Usage(1, 2, 3, 4))])
    assert await store.token_totals(TENANT) == {
        "a/x": TokenTotals(2, Usage(2, 4, 6, 8)),
        "b/y": TokenTotals(1, Usage(1, 2, 3, 4)),
    }


async def test_known_costs_add_up_and_unknown_ones_take_nothing_away(store: Store) -> None:
    costs = {"a/x": (None, 0.25, None, 0.5), "b/y": (None, None), "c/z": (0.0,)}
    number = 0
    for model, each in costs.items():
        for cost in each:
            run = await begin(store, a_run(number := number + 1))
            await store.append([a_closing(run, model=model, usage=Usage(1, 2, cost_usd=cost))])
    found = await store.token_totals(TENANT)
    assert {model: (totals.runs, totals.usage.cost_usd) for model, totals in found.items()} == {
        "a/x": (4, 0.75),
        "b/y": (2, None),
        "c/z": (1, 0.0),
    }


@pytest.mark.parametrize("cost", [None, 0.25])
async def test_a_cost_is_kept_with_the_message_the_result_and_as_the_last(store: Store, cost: float | None) -> None:
    run = await begin_conversation(store)
    usage = replace(USAGE, cost_usd=cost)
    closing = a_closing(run, usage=usage)
    assert closing.closing is not None
    assert closing.closing.message is not None
    assert isinstance(closing.closing.terminal, Complete)
    terminal = replace(closing.closing.terminal, usage=usage)
    message = replace(closing.closing.message, usage=usage)
    whole = replace(closing.closing, terminal=terminal, message=message)
    await store.append([replace(closing, events=(*closing.events[:-1], terminal), closing=whole)])
    assert await store.last_usage(TENANT) == usage
    assert await store.get_result(TENANT, run.run_id) == terminal
    page = await store.history(TENANT, run.conversation_id, page_size=10, page_token="")
    assert page.items[-1].usage == usage


async def test_the_last_usage_is_of_the_run_that_ended_last(store: Store) -> None:
    assert await store.last_usage(TENANT) is None
    runs = [await begin(store, a_run(number)) for number in range(3)]
    for run, at in zip(runs, (10.0, 30.0, 20.0), strict=True):
        await store.append([a_closing(run, at=at, usage=Usage(input_tokens=int(at)))])
    assert await store.last_usage(TENANT) == Usage(input_tokens=30)


async def test_usage_is_counted_per_tenant(store: Store) -> None:
    await end(store, await begin(store, a_run(1, tenant=OTHER)))
    assert await store.token_totals(TENANT) == {}
    assert await store.last_usage(TENANT) is None
