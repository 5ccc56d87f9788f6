"""RX04 and RX05: a key that has too much is refused on every face, and a chat that passes its budget ends there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from fakes.abused import check_told
from fakes.chat_wire import chat_reply
from fakes.keyed import AS, key, keyed_server
from fakes.provider import FakeProvider, Gate
from fakes.rpc import collect, refused, until
from fakes.sockets import CHAT, client_of
from fakes.stubs import stubs
from fakes.whole import Whole
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import run_service_pb2 as run_pb

MODEL = "local/thinker"
RUNS = 3
BUDGET = 500
CALLERS = {"few": key("few", runs=RUNS), "poor": key("poor", tokens_per_day=BUDGET), "other": key("other")}
ASK: dict[str, Any] = {"text": "go", "model": MODEL}
DAY_S = 86_400


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[tuple[Whole, FakeProvider]]:
    async with FakeProvider(chat_reply("it is 391")) as provider:
        section = {"base_url": provider.base_url, "models": ["thinker"], "api_key": "k"}
        async with keyed_server(data_dir, CALLERS, {"local": section}) as whole:
            yield whole, provider


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Whole, FakeProvider]]:
    async with serving(tmp_path) as found:
        yield found


def http(whole: Whole, caller: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{whole.http}", headers={AS: caller}, timeout=30)


# Begin a chat as this caller and drop the connection then; the code of the refusal, and when to come again.
Begun = tuple[str, float | None]


async def drop_grpc(whole: Whole, caller: str) -> Begun:
    async with stubs(whole.address) as stub:
        call = stub.chat.Chat(pb.ChatRequest(**ASK, detach=60), metadata=((AS, caller),))
        try:
            await call.read()
        except grpc.aio.AioRpcError as error:
            return refused(error).reason, refused(error).retry_after_s
        call.cancel()
    return "", None


async def drop_sse(whole: Whole, caller: str) -> Begun:
    async with (
        http(whole, caller) as client,
        client.stream("POST", "/api/v1/chat/stream-sse", json={**ASK, "detach": 60}) as answer,
    ):
        if answer.status_code == 200:
            async for line in answer.aiter_lines():
                if line.startswith("event: start"):
                    return "", None
        return told(answer, (await answer.aread()).decode())


async def drop_rest(whole: Whole, caller: str) -> Begun:
    async with http(whole, caller) as client:
        try:
            answer = await client.post("/api/v1/chat/message", json={**ASK, "detach": 60}, timeout=0.3)
        except httpx.ReadTimeout:
            return "", None
        return ("", None) if answer.status_code == 200 else told(answer, answer.text)


async def drop_ws(whole: Whole, caller: str) -> Begun:
    async with client_of(f"ws://{whole.http}{CHAT}", additional_headers={AS: caller}) as client:
        await client.say(**ASK, detach=60)
        frame = await client.hear()
        if frame["event"] == "error":
            return frame["data"]["code"], frame["data"]["details"]["retry_after_s"]
    return "", None


def told(answer: httpx.Response, text: str) -> Begun:
    assert answer.status_code == 429, text
    check_told(text, code := json.loads(text)["error"]["code"])
    return code, float(answer.headers["retry-after"])


DROPS: dict[str, Callable[[Whole, str], Awaitable[Begun]]] = {
    "grpc": drop_grpc,
    "sse": drop_sse,
    "rest": drop_rest,
    "ws": drop_ws,
}


@pytest.mark.parametrize(("face", "times"), [("grpc", 1000), ("sse", 100), ("rest", 20), ("ws", 100)])
async def test_who_begins_chats_and_leaves_them_has_soon_all_that_the_key_may_have(
    served: tuple[Whole, FakeProvider], face: str, times: int
) -> None:
    whole, provider = served
    gate = Gate()
    provider.answer(chat_reply("it is 391", hold=gate, hold_at=2))
    became = [await DROPS[face](whole, "few") for _ in range(times)]
    assert became[:RUNS] == [("", None)] * RUNS
    assert set(became[RUNS:]) == {("TOO_MANY_RUNS", 1.0)}
    await provider.wait_requests(RUNS)
    assert (len(provider.requests), whole.engine.status().live_runs) == (RUNS, RUNS)
    assert await DROPS[face](whole, "other") == ("", None)
    async with stubs(whole.address) as stub:
        live = (await stub.runs.ListRuns(run_pb.ListRunsRequest(state="running"))).runs
        for run in live:
            await stub.runs.StopRun(run_pb.StopRunRequest(run_id=run.run_id))
    await until(lambda: not whole.engine.status().live_runs)
    assert await DROPS[face](whole, "few") == ("", None)
    gate.open()
    await until(lambda: not whole.engine.status().live_runs)


@pytest.mark.parametrize("face", DROPS)
async def test_a_key_that_has_spent_its_budget_is_refused_until_midnight(
    served: tuple[Whole, FakeProvider], face: str
) -> None:
    whole, provider = served
    provider.answer(chat_reply("it is 391", usage=(BUDGET, 5, 0)))
    async with http(whole, "poor") as client:
        assert (await client.post("/api/v1/chat/message", json=ASK)).status_code == 200
        code, retry_after_s = await DROPS[face](whole, "poor")
        assert code == "BUDGET_EXCEEDED"
        assert retry_after_s is not None
        assert 0 < retry_after_s <= DAY_S
        budget = (await client.get("/api/v1/token-usage")).json()["budget"]
        assert (budget["tokens_per_day"], budget["tokens_today"]) == (BUDGET, BUDGET + 5)
        batch = await client.post("/api/v1/chat/batch", json={"requests": [ASK, ASK]})
        assert {each["error"]["code"] for each in batch.json()["results"]} == {"BUDGET_EXCEEDED"}
    assert len(provider.requests) == 1
    assert await DROPS[face](whole, "other") == ("", None)
    await until(lambda: not whole.engine.status().live_runs)


# A whole chat as the poor caller: what was said, and the error at its end.


async def chat_grpc(whole: Whole) -> tuple[str, dict[str, Any]]:
    async with stubs(whole.address) as stub:
        responses, error = await collect(stub.chat.Chat(pb.ChatRequest(**ASK), metadata=((AS, "poor"),)))
    assert error is not None
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = refused(error)
    assert status.retry_after_s is not None
    assert 0 < status.retry_after_s <= DAY_S
    end = responses[-1].event.error
    assert status.reason == end.code
    said = "".join(each.event.token.token for each in responses if each.event.HasField("token"))
    return said, {"code": end.code, "partial": end.partial, "retryable": end.retryable}


async def chat_sse(whole: Whole) -> tuple[str, dict[str, Any]]:
    async with http(whole, "poor") as client:
        answer = await client.post("/api/v1/chat/stream-sse", json=ASK)
    assert answer.status_code == 200
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    return "".join(each.get("token", "") for each in events), events[-1]


async def chat_ws(whole: Whole) -> tuple[str, dict[str, Any]]:
    async with client_of(f"ws://{whole.http}{CHAT}", additional_headers={AS: "poor"}) as client:
        frames = await client.turn(**ASK)
    return "".join(each["data"]["token"] for each in frames if each["event"] == "token"), frames[-1]["data"]


@pytest.mark.parametrize("chat", [chat_grpc, chat_sse, chat_ws])
async def test_a_chat_that_passes_the_budget_ends_there_and_keeps_what_was_said(
    served: tuple[Whole, FakeProvider], chat: Callable[[Whole], Awaitable[tuple[str, dict[str, Any]]]]
) -> None:
    whole, provider = served
    provider.answer(chat_reply("four " * 2000, pace_s=0.0001, ending="hang"))
    said, end = await chat(whole)
    assert (end["code"], end["partial"], end["retryable"]) == ("BUDGET_EXCEEDED", True, True)
    assert BUDGET * 4 - 100 <= len(said) <= BUDGET * 4 + 4000
    await provider.wait_for(lambda each: not each.busy_connections)
    async with http(whole, "poor") as client:
        (run,) = (await client.get("/api/v1/runs")).json()["runs"]
        history = (await client.get(f"/api/v1/conversations/{run['conversation_id']}/history")).json()
        kept = history["messages"][-1]
        assert (kept["parts"][0]["text"], kept["partial"]) == (said, True)
        answer = await client.post("/api/v1/chat/message", json=ASK)
        assert told(answer, answer.text)[0] == "BUDGET_EXCEEDED"


async def test_what_was_spent_is_spent_after_a_restart_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as (whole, provider), http(whole, "poor") as client:
        provider.answer(chat_reply("it is 391", usage=(BUDGET - 5, 5, 0)))
        assert (await client.post("/api/v1/chat/message", json=ASK)).status_code == 200
    async with serving(tmp_path) as (whole, provider), http(whole, "poor") as client:
        answer = await client.post("/api/v1/chat/message", json=ASK)
        assert told(answer, answer.text)[0] == "BUDGET_EXCEEDED"
        assert not provider.requests
