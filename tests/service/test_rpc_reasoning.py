"""Reasoning never reaches a caller who did not ask: a canary is looked for in the bytes of every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message as Proto

from fakes.engine import FakeEngine, complete, thinking
from fakes.rpc import Served, serving
from thinkaloud.v1 import chat_service_pb2 as chat_pb
from thinkaloud.v1 import conversation_service_pb2 as conversation_pb
from thinkaloud.v1 import run_service_pb2 as run_pb
from thinkaloud_server.core.event import Error, Progress, Start, ToolCallEvent
from thinkaloud_server.core.message import Message, ReasoningState, TextPart
from thinkaloud_server.core.run import Append, Closing, Conversation, NewRun, Run, StoredMessage
from thinkaloud_server.core.usage import Usage

pytestmark = pytest.mark.usefixtures("channel_kind")

CANARY = "canary-of-the-reasoning"
STATE = "canary-of-the-state"
CONVERSATION = "conv_" + "c" * 32


def chat(**fields: Any) -> chat_pb.ChatRequest:
    return chat_pb.ChatRequest(text="hi", **fields)


# Every method that answers with events, messages or results, and its request with or without the wish. Methods
# whose answers can carry none are listed below, so that a new method must be put into one of the two.
ASKED: dict[str, Any] = {
    "ChatService/Chat": lambda run_id, **wish: chat(**wish),
    "ChatService/SendMessage": lambda run_id, **wish: chat_pb.SendMessageRequest(request=chat(**wish)),
    "ChatService/BatchChat": lambda run_id, **wish: chat_pb.BatchChatRequest(requests=[chat(**wish)]),
    "RunService/WatchRun": lambda run_id, **wish: run_pb.WatchRunRequest(run_id=run_id, **wish),
    "RunService/GetRun": lambda run_id, **wish: run_pb.GetRunRequest(run_id=run_id, **wish),
    "RunService/StopRun": lambda run_id, **wish: run_pb.StopRunRequest(run_id=run_id, **wish),
    "ConversationService/GetHistory": lambda run_id, **wish: conversation_pb.GetHistoryRequest(
        conversation_id=CONVERSATION, include_reasoning=wish.get("include_reasoning", False)
    ),
}
# A list has no results; a conversation has no messages.
NEVER: dict[str, Any] = {
    "RunService/ListRuns": lambda run_id, **wish: run_pb.ListRunsRequest(),
    "ConversationService/GetConversation": lambda run_id, **wish: conversation_pb.GetConversationRequest(
        conversation_id=CONVERSATION
    ),
    "ConversationService/ListConversations": lambda run_id, **wish: conversation_pb.ListConversationsRequest(),
    "ConversationService/UpdateConversation": lambda run_id, **wish: conversation_pb.UpdateConversationRequest(
        conversation_id=CONVERSATION
    ),
}
# These make or change something else, or are about the server.
OTHERS = {
    "ConversationService/CreateConversation",
    "ConversationService/DeleteConversation",
    *(f"ModelService/{name}" for name in ("ListModels", "GetCurrentModel", "SwitchModel")),
    *(f"SystemService/Get{name}" for name in ("Health", "Info", "Status", "Capabilities", "TokenUsage")),
    *(f"IdentityService/{name}" for name in ("GetIdentity", "CreateSocketToken", "HoldSocket")),
    *(f"UploadService/{name}" for name in ("Upload", "GetUpload", "ListUploads", "DeleteUpload")),
}


async def fill(engine: FakeEngine) -> None:
    """A stored conversation whose assistant thought aloud, and whose provider left opaque state."""
    run = Run(
        run_id="run_" + "d" * 32,
        tenant="default",
        kind="chat",
        state="running",
        conversation_id=CONVERSATION,
        message_id="msg_" + "e" * 32,
        model="fake/m",
        request_id="r",
        last_sequence=1,
        created_at=1.0,
    )
    start = Start(run.run_id, CONVERSATION, run.message_id, "fake/m", "fake", "r", True)
    question = StoredMessage("msg_" + "f" * 32, CONVERSATION, "", Message("user", (TextPart("hi"),)), run.run_id, 1.0)
    conversation = Conversation(CONVERSATION, "default", "hi", 1.0, 1.0)
    await engine.store.create_run("default", NewRun(run, start, question, conversation))
    said = Message("assistant", (TextPart("391"),), CANARY, ReasoningState("fake", "m", STATE))
    stored = StoredMessage(run.message_id, CONVERSATION, question.message_id, said, run.run_id, 2.0, model="fake/m")
    end = complete("391", CANARY)
    closing = Closing(end, "completed", "stop", 2.0, stored, Usage(1, 1), "fake/m")
    await engine.store.append([Append("default", run.run_id, run.epoch, 2, (end,), closing)])


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    engine = FakeEngine(thinking(CANARY, "391"))
    await fill(engine)
    async with serving(engine) as found:
        yield found


async def raw(served: Served, name: str, request: Proto) -> bytes:
    """All the bytes of the answer, as they came over the wire, with the status."""
    path = f"/thinkaloud.v1.{name}"
    method = served.server.methods[path]
    data = request.SerializeToString()
    channel: Any = served.channel
    got: list[bytes] = []
    try:
        if method.stream is not None:
            call: Any = channel.unary_stream(path)(data)
            async for each in call:
                got.append(each)  # noqa: PERF401 - what came before a failure counts
        else:
            got.append(await channel.unary_unary(path)(data))
    except grpc.aio.AioRpcError as error:
        got.append(f"{error!r} {error.trailing_metadata()!r}".encode())
    return b"".join(got)


async def test_every_method_is_judged_here(served: Served) -> None:
    ours = {path.removeprefix("/thinkaloud.v1.") for path in served.server.methods if "/thinkaloud." in path}
    assert ours == {*ASKED, *NEVER, *OTHERS}


@pytest.mark.parametrize("name", [*ASKED, *NEVER])
@pytest.mark.parametrize("fallback", [None, True, False], ids=["unset", "fallback", "no-fallback"])
async def test_no_reasoning_reaches_a_caller_who_did_not_ask(served: Served, name: str, fallback: bool | None) -> None:
    run = served.engine.add(thinking(CANARY, "391"))
    wish = {} if fallback is None else {"reasoning_only_fallback": fallback}
    answer = await raw(served, name, {**ASKED, **NEVER}[name](run.run_id, **wish))
    assert answer or name.endswith("UpdateConversation")
    assert CANARY.encode() not in answer
    assert STATE.encode() not in answer


@pytest.mark.parametrize("name", ASKED)
async def test_reasoning_reaches_a_caller_who_asked_and_opaque_state_nobody(served: Served, name: str) -> None:
    run = served.engine.add(thinking(CANARY, "391"))
    answer = await raw(served, name, ASKED[name](run.run_id, include_reasoning=True))
    assert CANARY.encode() in answer
    assert STATE.encode() not in answer


@pytest.mark.parametrize("name", [each for each in ASKED if each != "ConversationService/GetHistory"])
async def test_a_reasoning_only_answer_shows_it_as_the_response_under_the_fallback_alone(
    served: Served, name: str
) -> None:
    script = (*thinking(CANARY)[:1], complete("", CANARY, reasoning_only=True))
    served.engine.script = script
    run = served.engine.add(script)
    hidden = await raw(served, name, ASKED[name](run.run_id))
    assert CANARY.encode() not in hidden
    shown = await raw(served, name, ASKED[name](run.run_id, reasoning_only_fallback=True))
    assert shown.count(CANARY.encode()) == 1
    without = await raw(served, name, ASKED[name](run.run_id, include_reasoning=True, reasoning_only_fallback=False))
    assert without.count(CANARY.encode()) == (2 if name in ("ChatService/Chat", "RunService/WatchRun") else 1)


@pytest.mark.parametrize("name", [each for each in ASKED if each != "ConversationService/GetHistory"])
async def test_a_failed_run_that_thought_tells_nothing_of_it(served: Served, name: str) -> None:
    script = (
        Progress(1, 5),
        *thinking(CANARY)[:1],
        ToolCallEvent("c", "t", "{}"),
        Error("UPSTREAM_TRUNCATED", "cut off", "r", True),
    )
    served.engine.script = script
    run = served.engine.add(script)
    answer = await raw(served, name, ASKED[name](run.run_id))
    assert b"UPSTREAM_TRUNCATED" in answer
    assert CANARY.encode() not in answer


async def test_a_replay_shows_each_caller_what_that_caller_asked_for(served: Served) -> None:
    run = served.engine.add(thinking(CANARY, "391"))
    for wish in (False, True, False):
        answer = await raw(
            served, "RunService/WatchRun", ASKED["RunService/WatchRun"](run.run_id, include_reasoning=wish)
        )
        assert (CANARY.encode() in answer) is wish


async def test_hidden_reasoning_is_still_told_to_have_been(served: Served) -> None:
    run = served.engine.add(thinking(CANARY, "391"))
    got = (await served.runs.GetRun(run_pb.GetRunRequest(run_id=run.run_id))).run
    assert got.complete.reasoning_used
    assert replace(run).run_id == got.run_id
