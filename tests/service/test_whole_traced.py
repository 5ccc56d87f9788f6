"""One trace of one run, as a collector receives it: OTLP over HTTP, from a whole server to a real socket."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakes.chat_wire import chat_reply, error_reply
from fakes.collector import Collector, attributes
from fakes.provider import FakeProvider, Gate, Reply
from fakes.stubs import Stubs, stubs
from fakes.whole import whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import system_service_pb2 as system_pb

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
INCOMING = (("traceparent", f"00-{TRACE}-{CALLER}-01"),)
CANARY = "canary-8f3b1c"
CLIENT, SERVER, INTERNAL = 3, 2, 1


@asynccontextmanager
async def traced(folder: Path, collector: Collector, *replies: Reply) -> AsyncIterator[tuple[Stubs, FakeProvider]]:
    async with FakeProvider(*replies) as provider:
        section = {"base_url": provider.base_url, "models": ["thinker"]}
        traces = {"endpoint": collector.endpoint}
        async with (
            whole_server(folder, {"first": section}, traces=traces) as server,
            stubs(server.address) as caller,
        ):
            yield caller, provider
            await server.engine.drain(5.0)


async def test_a_run_is_one_trace_from_its_caller_to_its_provider(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "thinkaloud.run")
    answer = chat_reply("it is 391", reasoning="hm seventeen", usage=(12, 9, 5))
    async with Collector().listening() as collector:
        async with traced(tmp_path, collector, error_reply(500, CANARY), answer) as (caller, provider):
            asked = pb.ChatRequest(text=CANARY, model="first/thinker")
            complete = [each.event async for each in caller.chat.Chat(asked, metadata=INCOMING)][-1].complete
        (call,) = collector.named("thinkaloud.v1.ChatService/Chat")
        (run,) = collector.named("chat first/thinker")
        refused, answered = collector.named("attempt thinker")

    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert (call.parent_span_id.hex(), run.parent_span_id) == (CALLER, call.span_id)
    assert refused.parent_span_id == answered.parent_span_id == run.span_id
    assert (call.kind, run.kind, answered.kind) == (SERVER, INTERNAL, CLIENT)
    carried = [request.headers["traceparent"] for request in provider.requests if request.method == "POST"]
    assert carried == [f"00-{TRACE}-{span.span_id.hex()}-01" for span in (refused, answered)]

    assert attributes(call)["rpc.response.status_code"] == "OK"
    assert attributes(call)["thinkaloud.run_id"] == attributes(run)["thinkaloud.run_id"] == complete.run_id
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "first",
        "gen_ai.response.model": "first/thinker",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 9,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "thinkaloud.attempts": 2,
    }
    assert {name: attributes(run)[name] for name in expected} == expected
    assert attributes(refused)["error.type"] == "UPSTREAM_ERROR"
    assert [attributes(span)["http.response.status_code"] for span in (refused, answered)] == [500, 200]
    assert [event.name for event in answered.events][-2:] == ["first_byte", "first_token"]
    moments = [event.time_unix_nano for event in answered.events]
    assert [answered.start_time_unix_nano, *moments, answered.end_time_unix_nano] == sorted(
        [answered.start_time_unix_nano, *moments, answered.end_time_unix_nano]
    )

    (record,) = [vars(each) for each in caplog.records if each.getMessage() == "run_completed"]
    assert record["run_id"] == attributes(run)["thinkaloud.run_id"]
    assert record["first_token_ms"] / 1000 == attributes(run)["gen_ai.response.time_to_first_chunk"]
    lasted_ms = (run.end_time_unix_nano - run.start_time_unix_nano) / 1e6
    assert lasted_ms == pytest.approx(record["total_ms"], abs=250)
    assert CANARY.encode() not in collector.raw


async def test_a_run_outlives_its_callers_span_and_stays_in_its_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    async with Collector().listening() as collector:
        async with traced(tmp_path, collector, chat_reply("it is 391", hold=gate, hold_at=2)) as (caller, _):
            stream = caller.chat.Chat(pb.ChatRequest(text="hi", model="first/thinker", detach=-1), metadata=INCOMING)
            await gate.reached.wait()
            async for each in stream:
                if each.event.WhichOneof("event") == "token":
                    break
            stream.cancel()
            gate.open()
        (call,), (run,) = collector.named("thinkaloud.v1.ChatService/Chat"), collector.named("chat first/thinker")
    assert attributes(call)["rpc.response.status_code"] == "CANCELLED"
    assert (run.parent_span_id, run.trace_id.hex()) == (call.span_id, TRACE)
    assert attributes(run)["gen_ai.response.finish_reasons"] == ["stop"]
    # The library logs what it could not put back; our observers' bugs are logged, too.
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("traceparent", ["", "nonsense", f"00-{'0' * 32}-{CALLER}-01"])
async def test_a_call_without_a_good_traceparent_begins_a_trace(tmp_path: Path, traceparent: str) -> None:
    async with Collector().listening() as collector:
        async with traced(tmp_path, collector) as (caller, _):
            metadata = (("traceparent", traceparent),) if traceparent else ()
            await caller.system.GetStatus(system_pb.GetStatusRequest(), metadata=metadata)
        (call,) = collector.spans
    assert call.name == "thinkaloud.v1.SystemService/GetStatus"
    assert (len(call.trace_id), call.parent_span_id) == (16, b"")


async def test_a_caller_that_keeps_no_trace_is_kept_none_for(tmp_path: Path) -> None:
    async with Collector().listening() as collector:
        async with traced(tmp_path, collector, chat_reply("it is 391")) as (caller, provider):
            unsampled = (("traceparent", f"00-{TRACE}-{CALLER}-00"),)
            [
                each
                async for each in caller.chat.Chat(pb.ChatRequest(text="hi", model="first/thinker"), metadata=unsampled)
            ]
        assert collector.spans == []
    (carried,) = [request.headers["traceparent"] for request in provider.requests if request.method == "POST"]
    assert carried.startswith(f"00-{TRACE}-")
    assert carried.endswith("-00")


async def test_a_collector_that_is_away_costs_spans_and_nothing_else(tmp_path: Path) -> None:
    collector = Collector()
    async with collector.listening():
        pass
    async with traced(tmp_path, collector, chat_reply("it is 391")) as (caller, _):
        events = [each.event async for each in caller.chat.Chat(pb.ChatRequest(text="hi", model="first/thinker"))]
    assert events[-1].complete.response == "it is 391"
