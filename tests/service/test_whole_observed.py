"""Metrics, the records of the log and the caller's own `complete`, of the same run of a whole server: they agree."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fakes.chat_wire import chat_reply, error_reply
from fakes.provider import FakeProvider, Gate
from fakes.stubs import stubs
from fakes.whole import Whole, whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import system_service_pb2 as system_pb

ADMIN = {"admin_address": "127.0.0.1:0"}
CANARY = "canary-8f3b1c"
AT = {"provider": "first", "model": "first/thinker"}
CHAT = "/thinkaloud.v1.ChatService/Chat"


async def scraped(server: Whole) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{server.admin}/metrics") as response:
        assert response.status == 200
        text = await response.text()
    assert CANARY not in text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def value(server: Whole, name: str, **labels: str) -> float:
    return (await scraped(server)).get((f"thinkaloud_{name}", frozenset(labels.items())), 0.0)


def record(caplog: pytest.LogCaptureFixture, event: str) -> dict[str, Any]:
    (found,) = [
        vars(each)
        for each in caplog.records
        if each.getMessage() == event and "Chat" in vars(each).get("method", "Chat")
    ]
    return found


async def test_metrics_records_and_the_callers_answer_agree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "thinkaloud")
    answer = chat_reply("it is 391", reasoning="hm seventeen times twenty three", usage=(12, 9, 5))
    async with FakeProvider(error_reply(500, CANARY), answer) as provider:
        section = {"base_url": provider.base_url, "models": ["thinker"]}
        async with whole_server(tmp_path, {"first": section}, server=ADMIN) as server, stubs(server.address) as caller:
            asked = pb.ChatRequest(text=CANARY, include_reasoning=True, model="first/thinker")
            complete = [each.event async for each in caller.chat.Chat(asked)][-1].complete
            await server.engine.drain(5.0)  # the run's task has ended, and told so
            samples = await scraped(server)

    def counted(name: str, **labels: str) -> float:
        return samples.get((f"thinkaloud_{name}", frozenset(labels.items())), 0.0)

    ended, call = record(caplog, "run_completed"), record(caplog, "rpc_completed")
    assert ended["run_id"] == call["run_id"] == complete.run_id
    for each in (ended, call):
        assert (each["provider"], each["model"], each["finish_reason"]) == ("first", "first/thinker", "stop")
        assert each["attempts"] == len(complete.attempts) == 2
        told = (each["input_tokens"], each["output_tokens"], each["reasoning_tokens"], each["cached_tokens"])
        assert told == (12, 9, 5, 0)
    assert (complete.usage.input_tokens, complete.usage.output_tokens, complete.usage.reasoning_tokens) == (12, 9, 5)
    assert ended["total_ms"] == call["run_total_ms"] == pytest.approx(complete.timing.total_ms)
    assert ended["first_token_ms"] == call["provider_first_token_ms"]

    assert counted("runs_total", **AT, state="completed", reason="stop") == 1
    assert counted("run_seconds_sum", **AT) == pytest.approx(ended["total_ms"] / 1000)
    assert counted("first_token_seconds_sum", **AT) == pytest.approx(ended["first_token_ms"] / 1000)
    for kind in ("input", "output", "reasoning"):
        assert counted("run_tokens_total", provider="first", kind=kind) == ended[f"{kind}_tokens"]
    assert counted("provider_attempts_total", provider="first", code="UPSTREAM_ERROR") == 1
    assert counted("provider_attempts_total", provider="first", code="OK") == 1
    assert counted("retries_total", provider="first") == 1
    assert counted("streamed_tokens_total", kind="answer") == 3
    assert counted("streamed_tokens_total", kind="reasoning") == 5
    assert counted("requests_total", method=CHAT, code="OK") == 1
    assert counted("request_seconds_sum", method=CHAT) == pytest.approx(call["duration_ms"] / 1000, abs=1e-6)
    assert counted("breaker_state", provider="first", state="closed") == 1
    assert counted("log_commit_seconds_count", store="sqlite") == counted("log_batch_runs_count", store="sqlite") > 0
    assert counted("store_info", kind="sqlite") == 1


async def test_what_is_under_way_is_seen_and_gone_after(tmp_path: Path) -> None:
    gate = Gate()
    async with FakeProvider(chat_reply("it is 391", hold=gate, hold_at=2)) as provider:
        section = {"base_url": provider.base_url, "models": ["thinker"]}
        async with whole_server(tmp_path, {"first": section}, server=ADMIN) as server, stubs(server.address) as caller:
            call = caller.chat.Chat(pb.ChatRequest(text="hi", model="first/thinker"))
            await gate.reached.wait()
            async for each in call:
                if each.event.WhichOneof("event") == "token":
                    break
            under_way = [await value(server, name) for name in ("live_runs", "watchers", "open_calls")]
            gate.open()
            [each async for each in call]
            await server.engine.drain(5.0)
            after = [await value(server, name) for name in ("live_runs", "watchers")]
    assert under_way == [1, 1, 1]
    assert after == [0, 0]


async def test_a_made_up_model_is_no_label(tmp_path: Path) -> None:
    async with FakeProvider(error_reply(404, "no such model", code="model_not_found")) as provider:
        section = {"base_url": provider.base_url}
        async with whole_server(tmp_path, {"first": section}, server=ADMIN) as server, stubs(server.address) as caller:
            with pytest.raises(Exception, match="model"):
                [each async for each in caller.chat.Chat(pb.ChatRequest(text="hi", model=f"first/{CANARY}"))]
            await server.engine.drain(5.0)
            labels = {"provider": "first", "model": "other", "state": "failed", "reason": "MODEL_NOT_FOUND"}
            assert await value(server, "runs_total", **labels) == 1


async def test_readiness_ends_where_draining_begins(tmp_path: Path) -> None:
    async with whole_server(tmp_path, server=ADMIN) as server, aiohttp.ClientSession() as session:
        async with session.get(f"http://{server.admin}/readyz") as response:
            assert response.status == 200
        server.engine.refuse()
        async with session.get(f"http://{server.admin}/readyz") as response:
            assert (response.status, await response.text()) == (503, "draining\n")
        assert await value(server, "draining") == 1


async def test_nothing_listens_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server, stubs(server.address) as caller:
        assert (await caller.system.GetStatus(system_pb.GetStatusRequest())).status == "active"
        assert server.admin == ""
