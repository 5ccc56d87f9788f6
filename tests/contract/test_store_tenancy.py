"""Another tenant's id answers exactly like a missing one, in every method; and closed stores say so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fakes.stored import (
    OTHER,
    OWNER,
    TENANT,
    a_closing,
    a_conversation,
    a_new_run,
    a_run,
    all_events,
    an_append,
    an_id,
    begin,
    begin_conversation,
    end,
    owned_by,
)
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Token
from thinkaloud_server.core.run import day_of
from thinkaloud_server.engine.ports import Store

Call = Callable[[Store, str, int], Awaitable[Any]]


def _run_in(tenant: str, number: int) -> Any:
    return a_run(50, tenant=tenant, conversation_id=an_id("conv", number))


# Each call is made by OTHER: once for the ids of TENANT's things, and once for ids that nobody has.
CALLS: dict[str, Call] = {
    "create_run": lambda store, tenant, n: store.create_run(tenant, a_new_run(_run_in(tenant, n))),
    "append": lambda store, tenant, n: store.append([an_append(a_run(n, tenant=tenant), Token("x"))]),
    "close": lambda store, tenant, n: store.append([a_closing(a_run(n, tenant=tenant))]),
    "read_events": lambda store, tenant, n: store.read_events(tenant, an_id("run", n), 0, 10_000),
    "get_run": lambda store, tenant, n: store.get_run(tenant, an_id("run", n)),
    "get_result": lambda store, tenant, n: store.get_result(tenant, an_id("run", n)),
    "find_key": lambda store, tenant, n: store.find_key(tenant, f"key-{n}"),
    "list_runs": lambda store, tenant, n: store.list_runs(
        tenant, conversation_id=an_id("conv", n), state=None, page_size=9, page_token=""
    ),
    "list_all_runs": lambda store, tenant, n: store.list_runs(
        tenant, conversation_id="", state=None, page_size=9, page_token=""
    ),
    "request_stop": lambda store, tenant, n: store.request_stop(tenant, an_id("run", n), 5.0),
    "mark_watched": lambda store, tenant, n: store.mark_watched(tenant, an_id("run", n), 9e9),
    "get_conversation": lambda store, tenant, n: store.get_conversation(tenant, an_id("conv", n)),
    "list_conversations": lambda store, tenant, n: store.list_conversations(tenant, page_size=9, page_token=""),
    "update_conversation": lambda store, tenant, n: store.update_conversation(
        tenant, an_id("conv", n), title="mine now", metadata={"mine": "now"}
    ),
    "delete_conversation": lambda store, tenant, n: store.delete_conversation(tenant, an_id("conv", n)),
    "history": lambda store, tenant, n: store.history(tenant, an_id("conv", n), page_size=9, page_token=""),
    "get_setting": lambda store, tenant, n: store.get_setting(tenant, f"setting-{n}"),
    "token_totals": lambda store, tenant, n: store.token_totals(tenant),
    "last_usage": lambda store, tenant, n: store.last_usage(tenant),
    "spent": lambda store, tenant, n: store.spent(tenant, f"key_id-{n}", day_of(1_700_000_002.5)),
}


async def _outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except ChatError as error:
        return (error.reason, error.message)


async def _everything_of_tenant(store: Store) -> list[Any]:
    seen: list[Any] = []
    for number in (1, 2):
        run = a_run(number)
        seen += [await store.get_run(TENANT, run.run_id), await all_events(store, run)]
        seen.append(await store.get_result(TENANT, run.run_id))
        seen.append(await store.get_conversation(TENANT, an_id("conv", number)))
        seen.append(await store.history(TENANT, an_id("conv", number), page_size=9, page_token=""))
    seen += [await store.token_totals(TENANT), await store.last_usage(TENANT)]
    seen.append(await store.spent(TENANT, "key_id-2", day_of(1_700_000_002.5)))
    return [*seen, await store.get_setting(TENANT, "setting-1"), await store.find_key(TENANT, "key-1")]


@pytest.mark.parametrize("name", CALLS)
async def test_another_tenants_id_is_like_a_missing_one(store: Store, name: str) -> None:
    conversation = a_conversation(1)
    live = a_run(1, conversation_id=conversation.conversation_id, key="key-1")
    await begin(store, live, new_conversation=conversation)
    await end(store, await begin_conversation(store, 2))
    await end(store, await begin(store, a_run(3, key_id="key_id-2")))
    await store.put_setting(TENANT, "setting-1", "secret")
    before = await _everything_of_tenant(store)

    missing = await _outcome(CALLS[name](store, OTHER, 77))
    for number in (1, 2):
        assert await _outcome(CALLS[name](store, OTHER, number)) == missing
    assert await _everything_of_tenant(store) == before


async def test_settings_of_two_tenants_are_two_settings(store: Store) -> None:
    await store.put_setting(TENANT, "model", "a")
    await store.put_setting(OTHER, "model", "b")
    assert (await store.get_setting(TENANT, "model"), await store.get_setting(OTHER, "model")) == ("a", "b")


async def test_orphans_of_all_tenants_are_taken(store: Store) -> None:
    ours = await begin(store, a_run(1, owner="dead"))
    theirs = await begin(store, a_run(2, tenant=OTHER, owner="dead"))
    taken = sorted(await store.take_orphans(OWNER, 7.0), key=lambda run: run.run_id)
    assert taken == [owned_by(ours, OWNER, 2), owned_by(theirs, OWNER, 2)]


CLOSED_CALLS: dict[str, Call] = {
    **CALLS,
    "renew": lambda store, tenant, n: store.renew(OWNER, [an_id("run", n)], 1.0),
    "take_orphans": lambda store, tenant, n: store.take_orphans(OWNER, 1.0),
    "create_conversation": lambda store, tenant, n: store.create_conversation(tenant, a_conversation(n, tenant)),
    "put_setting": lambda store, tenant, n: store.put_setting(tenant, "a", "b"),
    "trim": lambda store, tenant, n: store.trim(events_before=1.0, keys_before=1.0),
}


@pytest.mark.parametrize("name", CLOSED_CALLS)
async def test_a_closed_store_is_unavailable(store: Store, name: str) -> None:
    await store.close()
    with pytest.raises(ChatError) as caught:
        await CLOSED_CALLS[name](store, TENANT, 1)
    assert caught.value.reason is ErrorReason.STORAGE_UNAVAILABLE


async def test_closing_twice_is_closing_once(store: Store) -> None:
    await store.close()
    await store.close()


async def test_every_method_of_the_port_was_called_here(store: Store) -> None:
    public = {name for name in dir(Store) if not name.startswith("_")}
    called_elsewhere = {"kind", "close", "listen", "find_key"}
    assert public - called_elsewhere <= set(CLOSED_CALLS)
