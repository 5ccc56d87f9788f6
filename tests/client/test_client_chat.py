"""chat(), chunks() and the unary calls of both clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message as ProtoMessage

from fakes.chat_server import ChatServer, FallSilent, HangUp, Refuse, Script, answer, failure, reasoning, token
from fakes.client_driver import AsyncDriver, Driver, until
from thinkaloud import (
    Client,
    DeadlineExceededError,
    NotFoundError,
    Page,
    RunInterruptedError,
    SyncClient,
    UpstreamError,
    calls,
)
from thinkaloud.v1 import conversation_service_pb2 as conversation_pb2
from thinkaloud.v1 import message_pb2, run_service_pb2, system_service_pb2
from thinkaloud.v1 import model_service_pb2 as model_pb2

ANSWER, THOUGHT = "It is 391.", "let me see"


async def test_chat_returns_the_whole_result(driver: Driver) -> None:
    async with ChatServer(answer(ANSWER, THOUGHT)) as server:
        result = await driver.chat(server.address, include_reasoning=True)
    assert (result.response, result.reasoning, result.action_results) == (ANSWER, THOUGHT, ())
    assert (result.usage.input_tokens, result.finish_reason, result.model) == (7, "stop", "fake/one")
    assert (result.run_id, result.conversation_id) == (server.run.run_id, "conv_1")


async def test_chat_hands_over_each_piece_with_its_type(driver: Driver) -> None:
    seen: list[tuple[str, str]] = []
    async with ChatServer(answer(ANSWER, THOUGHT)) as server:
        server.next("Chat", HangUp(after=3))
        await driver.chat(
            server.address, include_reasoning=True, on_chunk=lambda chunk, kind: seen.append((chunk, kind))
        )
    thought = [("let ", "reasoning"), ("me ", "reasoning"), ("see", "reasoning")]
    assert seen == [*thought, ("It ", "assistant"), ("is ", "assistant"), ("391.", "assistant")]


async def test_chat_awaits_a_coroutine_before_the_next_piece() -> None:
    seen: list[str] = []

    async def show(chunk: str, message_type: str) -> None:
        seen.append(f"<{chunk}")
        await asyncio.sleep(0.001)
        seen.append(f"{chunk}>")

    async with ChatServer(answer(ANSWER)) as server:
        await AsyncDriver().chat(server.address, on_chunk=show)
    assert seen == ["<It ", "It >", "<is ", "is >", "<391.", "391.>"]


async def test_chunks_are_pairs_of_a_type_and_a_piece(driver: Driver) -> None:
    async with ChatServer(answer("It is", "hm")) as server:
        chunks = await driver.chunks(server.address, include_reasoning=True)
    assert chunks == [("reasoning", "hm"), ("assistant", "It "), ("assistant", "is")]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("UPSTREAM_TRUNCATED", UpstreamError),
        ("EMPTY_RESPONSE", UpstreamError),
        ("RUN_INTERRUPTED", RunInterruptedError),
    ],
)
async def test_a_run_that_fails_is_raised_with_what_it_had_said(
    driver: Driver, code: str, kind: type[Exception]
) -> None:
    script = Script([reasoning("hm"), token("It "), failure(code, "it broke", retryable=True)])
    async with ChatServer(script) as server:
        with pytest.raises(kind) as caught:
            await driver.chat(server.address, include_reasoning=True)
        error: Any = caught.value
        assert (error.code, error.message, error.request_id, error.retryable) == (code, "it broke", "req_run", True)
        assert (error.result.response, error.result.reasoning, error.run_id) == ("It ", "hm", server.run.run_id)
        with pytest.raises(kind):
            await driver.chunks(server.address)
        assert not server.requests["StopRun"]


UNARY: list[tuple[str, Callable[[Any], Any], ProtoMessage, ProtoMessage, Any]] = [
    (
        "ListRuns",
        lambda client: client.runs(conversation_id="c", state="running", page_size=3, page_token="t"),
        run_service_pb2.ListRunsRequest(conversation_id="c", state="running", page_size=3, page_token="t"),
        run_service_pb2.ListRunsResponse(runs=[run_service_pb2.Run(run_id="r")], next_page_token="n"),
        Page((run_service_pb2.Run(run_id="r"),), "n"),
    ),
    (
        "CreateConversation",
        lambda client: client.conversations.create("A title", metadata={"a": "b"}),
        conversation_pb2.CreateConversationRequest(title="A title", metadata={"a": "b"}),
        conversation_pb2.CreateConversationResponse(conversation=conversation_pb2.Conversation(title="A title")),
        conversation_pb2.Conversation(title="A title"),
    ),
    (
        "GetConversation",
        lambda client: client.conversations.get("c"),
        conversation_pb2.GetConversationRequest(conversation_id="c"),
        conversation_pb2.GetConversationResponse(conversation=conversation_pb2.Conversation(conversation_id="c")),
        conversation_pb2.Conversation(conversation_id="c"),
    ),
    (
        "ListConversations",
        lambda client: client.conversations.list(page_size=2),
        conversation_pb2.ListConversationsRequest(page_size=2),
        conversation_pb2.ListConversationsResponse(conversations=[conversation_pb2.Conversation(title="x")]),
        Page((conversation_pb2.Conversation(title="x"),), ""),
    ),
    (
        "UpdateConversation",
        lambda client: client.conversations.update("c", title=""),
        conversation_pb2.UpdateConversationRequest(conversation_id="c", title=""),
        conversation_pb2.UpdateConversationResponse(),
        conversation_pb2.Conversation(),
    ),
    (
        "DeleteConversation",
        lambda client: client.conversations.delete("c"),
        conversation_pb2.DeleteConversationRequest(conversation_id="c"),
        conversation_pb2.DeleteConversationResponse(),
        None,
    ),
    (
        "GetHistory",
        lambda client: client.conversations.history("c", include_reasoning=True, page_size=9, page_token="t"),
        conversation_pb2.GetHistoryRequest(conversation_id="c", include_reasoning=True, page_size=9, page_token="t"),
        conversation_pb2.GetHistoryResponse(messages=[message_pb2.Message(text="hi")]),
        Page((message_pb2.Message(text="hi"),), ""),
    ),
    (
        "ListModels",
        lambda client: client.models(provider="p", search="s", min_context=5),
        model_pb2.ListModelsRequest(provider="p", search="s", min_context=5),
        model_pb2.ListModelsResponse(models=[model_pb2.Model(id="p/m")], notes=["down"]),
        calls.ModelList((model_pb2.Model(id="p/m"),), ("down",)),
    ),
    (
        "GetCurrentModel",
        lambda client: client.current_model(),
        model_pb2.GetCurrentModelRequest(),
        model_pb2.GetCurrentModelResponse(model=model_pb2.Model(id="p/m")),
        model_pb2.Model(id="p/m"),
    ),
    (
        "SwitchModel",
        lambda client: client.switch_model("p/m"),
        model_pb2.SwitchModelRequest(model_id="p/m"),
        model_pb2.SwitchModelResponse(ok=True, current_model="p/m"),
        "p/m",
    ),
    *(
        (method, call, request, response, response)
        for method, call, request, response in (
            (
                "GetHealth",
                lambda client: client.health(),
                system_service_pb2.GetHealthRequest(),
                system_service_pb2.GetHealthResponse(status="healthy"),
            ),
            (
                "GetInfo",
                lambda client: client.info(),
                system_service_pb2.GetInfoRequest(),
                system_service_pb2.GetInfoResponse(name="thinkaloud"),
            ),
            (
                "GetStatus",
                lambda client: client.status(),
                system_service_pb2.GetStatusRequest(),
                system_service_pb2.GetStatusResponse(status="active"),
            ),
            (
                "GetCapabilities",
                lambda client: client.capabilities(),
                system_service_pb2.GetCapabilitiesRequest(),
                system_service_pb2.GetCapabilitiesResponse(api_version="v1"),
            ),
            (
                "GetTokenUsage",
                lambda client: client.token_usage(),
                system_service_pb2.GetTokenUsageRequest(),
                system_service_pb2.GetTokenUsageResponse(total=system_service_pb2.TokenTotals(runs=1)),
            ),
        )
    ),
]


@pytest.mark.parametrize(("method", "call", "request_", "response", "value"), UNARY, ids=[row[0] for row in UNARY])
async def test_each_unary_call_sends_what_it_was_given_and_answers_with_the_value(
    driver: Driver, method: str, call: Callable[[Any], Any], request_: Any, response: Any, value: Any
) -> None:
    async with ChatServer() as server:
        server.answers[method] = response
        assert await driver.unary(server.address, call) == value
        assert server.requests[method] == [request_]


async def test_a_run_can_be_read_and_stopped(driver: Driver) -> None:
    async with ChatServer(answer(ANSWER, THOUGHT, hold_at=1)) as server:
        await driver.events(server.address, take=2, detach=-1, include_reasoning=True)
        run_id = server.run.run_id
        run = await driver.unary(server.address, lambda client: client.get_run(run_id))
        assert (run.run_id, run.state) == (run_id, "running")
        run = await driver.unary(server.address, lambda client: client.stop(run_id, include_reasoning=True))
        assert (run.state, run.finish_reason, run.complete.reasoning) == ("completed", "stopped", "let ")


async def test_a_failing_unary_call_raises_what_the_server_said(driver: Driver) -> None:
    async with ChatServer() as server:
        with pytest.raises(NotFoundError) as caught:
            await driver.unary(server.address, lambda client: client.get_run("run_0"))
    assert (caught.value.code, caught.value.message, caught.value.request_id) == ("NOT_FOUND", "no such run", "req_1")
    assert caught.value.details == {"near": ["a/b"]}


async def test_a_unary_call_has_a_limit_of_time() -> None:
    async with ChatServer() as server, Client(server.address, call_timeout_s=0.1) as client:
        server.next("GetHealth", FallSilent(0))
        with pytest.raises(DeadlineExceededError):
            await client.health()


async def test_a_refusal_without_a_reason_gets_the_name_of_its_status(driver: Driver) -> None:
    async with ChatServer() as server:
        server.next("GetInfo", Refuse(grpc.StatusCode.UNIMPLEMENTED, metadata=(("x-request-id", "req_9"),)))
        with pytest.raises(Exception, match="UNIMPLEMENTED: refused") as caught:
            await driver.unary(server.address, lambda client: client.info())
    assert (getattr(caught.value, "code", ""), getattr(caught.value, "request_id", "")) == ("UNIMPLEMENTED", "req_9")


async def test_a_sync_client_can_be_closed_twice_and_says_so_afterwards() -> None:
    async with ChatServer() as server:

        def run() -> None:
            with SyncClient(server.address) as client:
                client.health()
            client.close()
            with pytest.raises(RuntimeError, match="closed"):
                client.health()

        await asyncio.to_thread(run)
        await until(lambda: server.open_calls == 0)
