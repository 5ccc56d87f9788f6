"""A turn that reads a stored conversation and leaves nothing in it: `conversation_id` with `store: false`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fakes.chat_wire import chat_reply
from fakes.failing import failed_chat
from fakes.provider import FakeProvider
from fakes.stubs import Stubs, stubs
from fakes.whole import whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import conversation_service_pb2, run_service_pb2

CONVERSATION = "conv_" + "f" * 32


async def said(caller: Stubs, text: str, **fields: Any) -> tuple[Any, Any]:
    """The start and the end of a turn."""
    call = caller.chat.Chat(pb.ChatRequest(text=text, **fields))
    events = [response.event async for response in call]
    return events[0].start, events[-1].complete


@pytest.mark.parametrize("url", ["", "memory://"], ids=["sqlite", "memory"])
async def test_an_aside_reads_the_conversation_and_leaves_it_as_it_was(tmp_path: Path, url: str) -> None:
    async with FakeProvider(chat_reply(text="Hello")) as provider:
        local = {"base_url": provider.base_url, "models": ["m"]}
        store = {"url": url} if url else {}
        async with whole_server(tmp_path, {"local": local}, store=store) as server, stubs(server.address) as caller:
            first, _ = await said(caller, "one")
            aside, told = await said(caller, "between us", conversation_id=first.conversation_id, store=False)
            assert (aside.conversation_id, aside.resumable) == (first.conversation_id, False)
            assert (told.response, told.conversation_id, told.message_id) == ("Hello", first.conversation_id, "")
            await said(caller, "two", conversation_id=first.conversation_id)
            asked = [json.loads(request.body)["messages"] for request in provider.requests]
            history = await caller.conversations.GetHistory(
                conversation_service_pb2.GetHistoryRequest(conversation_id=first.conversation_id)
            )
            runs = await caller.runs.ListRuns(run_service_pb2.ListRunsRequest(conversation_id=first.conversation_id))
    texts = [[message["content"] for message in messages] for messages in asked]
    assert texts == [["one"], ["one", "Hello", "between us"], ["one", "Hello", "two"]]
    assert [message.text for message in history.messages] == ["one", "Hello", "two", "Hello"]
    assert len(runs.runs) == 2


async def test_an_aside_to_a_conversation_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server, stubs(server.address) as caller:
        asked = pb.ChatRequest(text="hi", conversation_id=CONVERSATION, store=False, idempotency_key="k")
        for _ in range(2):
            failed = await failed_chat(caller, asked)
            assert (failed.events, failed.status.reason) == ((), "NOT_FOUND")
