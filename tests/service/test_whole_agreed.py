"""Metrics, one trace and the lines of the log, of the same run of a caller with a key: over every face they agree."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf.json_format import MessageToDict
from prometheus_client.parser import text_string_to_metric_families

from fakes.chat_wire import chat_reply, error_reply
from fakes.collector import Collector, attributes
from fakes.provider import FakeProvider
from fakes.sockets import CHAT, client_of
from fakes.stubs import stubs
from fakes.whole import ASKING, Whole, made_key, whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.app.logs import JsonFormatter, Redactor
from thinkaloud_server.identity.key import key_id_of

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CANARY = "canary-8f3b1c"
ASK: dict[str, Any] = {"text": CANARY, "model": "first/thinker", "include_reasoning": True}
AT = {"provider": "first", "model": "first/thinker"}
STREAM = "/api/v1/chat/stream-sse"
Headers = dict[str, str]


async def over_grpc(whole: Whole, headers: Headers) -> dict[str, Any]:
    async with stubs(whole.address) as caller:
        call = caller.chat.Chat(pb.ChatRequest(**ASK), metadata=tuple(headers.items()))
        complete = [each.event async for each in call][-1].complete
    return MessageToDict(complete, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


async def over_rest(whole: Whole, headers: Headers) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30, trust_env=False) as client:
        told: dict[str, Any] = (await client.post("/api/v1/chat/message", json=ASK, headers=headers)).json()
        return told


async def over_sse(whole: Whole, headers: Headers) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30, trust_env=False) as client:
        text = (await client.post(STREAM, json=ASK, headers=headers)).text
    told: dict[str, Any] = json.loads([line for line in text.splitlines() if line.startswith("data: ")][-1][6:])
    return told


async def over_ndjson(whole: Whole, headers: Headers) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30, trust_env=False) as client:
        answer = await client.post(STREAM, json=ASK, headers={**headers, "accept": "application/x-ndjson"})
    told: dict[str, Any] = json.loads(answer.text.splitlines()[-1])["data"]
    return told


async def over_websocket(whole: Whole, headers: Headers) -> dict[str, Any]:
    async with client_of(f"ws://{whole.http}{CHAT}", additional_headers=headers) as client:
        told: dict[str, Any] = (await client.turn(**ASK))[-1]["data"]
        return told


OVER: dict[str, Callable[[Whole, Headers], Awaitable[dict[str, Any]]]] = {
    "gRPC": over_grpc,
    "REST": over_rest,
    "SSE": over_sse,
    "NDJSON": over_ndjson,
    "WebSocket": over_websocket,
}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the server would write to standard error."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(Redactor()))
    logger = logging.getLogger("thinkaloud")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(before)


async def scraped(whole: Whole) -> tuple[str, dict[tuple[str, frozenset[tuple[str, str]]], float]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://{whole.admin}/metrics")).text
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    return text, {(each.name, frozenset(each.labels.items())): each.value for each in samples}


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one run: by the caller, the collector, the log and the metrics."""

    complete: dict[str, Any]
    spans: Collector
    lines: list[dict[str, Any]]
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]
    carried: list[str]

    @property
    def call(self) -> Any:
        (call,) = [each for each in self.spans.spans if each.name.rpartition("/")[2] in ("Chat", "SendMessage")]
        return call

    @property
    def run(self) -> Any:
        (run,) = self.spans.named("chat first/thinker")
        return run

    @property
    def called(self) -> dict[str, Any]:
        method = "/" + attributes(self.call)["rpc.method"]
        (line,) = [each for each in self.lines if each["event"] == "rpc_completed" and each["method"] == method]
        return line

    @property
    def ended(self) -> dict[str, Any]:
        (line,) = [each for each in self.lines if each["event"] == "run_completed"]
        return line

    def counted(self, name: str, **labels: str) -> float:
        return self.samples.get((f"thinkaloud_{name}", frozenset(labels.items())), 0.0)


@pytest.mark.parametrize("face", OVER)
async def test_of_one_run_everything_says_the_same(face: str, tmp_path: Path, written: io.StringIO) -> None:
    key = made_key(tmp_path, "acme", "read", "chat")
    headers = {
        "authorization": f"Bearer {key}",
        "traceparent": f"00-{TRACE}-{CALLER}-01",
        "x-request-id": "req-1",
    }
    answer = chat_reply("it is 391", reasoning="hm seventeen times twenty three", usage=(12, 9, 5))
    async with (
        Collector().listening() as collector,
        FakeProvider(error_reply(500, CANARY), answer) as provider,
    ):
        section = {"base_url": provider.base_url, "models": ["thinker"], "api_key": f"key-{CANARY}"}
        async with whole_server(
            tmp_path,
            {"first": section},
            identity=ASKING,
            server={"admin_address": "127.0.0.1:0"},
            traces={"endpoint": collector.endpoint},
        ) as whole:
            complete = await OVER[face](whole, headers)
            await whole.engine.drain(5.0)
            metrics, samples = await scraped(whole)
        carried = [each.headers["traceparent"] for each in provider.requests]
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    known = Known(complete, collector, lines, samples, carried)
    check_the_trace(known)
    check_who_it_was(known, key_id_of(key))
    check_the_numbers(known)
    # And none of them has the key, what was asked, or the provider's key.
    for said in (written.getvalue(), metrics, collector.raw.decode("latin-1")):
        assert key[14:] not in said
        assert CANARY not in said


def check_the_trace(known: Known) -> None:
    """From the caller's span to the provider's requests."""
    call, run, attempts = known.call, known.run, known.spans.named("attempt thinker")
    assert {each.trace_id.hex() for each in known.spans.spans} == {TRACE}
    assert (call.parent_span_id.hex(), run.parent_span_id) == (CALLER, call.span_id)
    assert known.carried == [f"00-{TRACE}-{each.span_id.hex()}-01" for each in attempts]
    assert {each.parent_span_id for each in attempts} == {run.span_id}


def check_who_it_was(known: Known, key_id: str) -> None:
    """The caller, the run and how it ended."""
    complete, called = known.complete, known.called
    for line in (called, known.ended):
        assert (line["key_id"], line["tenant"]) == (key_id, "acme")
        assert line["run_id"] == complete["run_id"]
        assert (line["finish_reason"], line["attempts"]) == (complete["finish_reason"], len(complete["attempts"]))
    call, run = attributes(known.call), attributes(known.run)
    assert called["request_id"] == call["thinkaloud.request_id"] == "req-1"
    assert call["thinkaloud.run_id"] == run["thinkaloud.run_id"] == complete["run_id"]
    assert (called["code"], call["rpc.response.status_code"]) == ("OK", "OK")


def check_the_numbers(known: Known) -> None:
    """As the caller has them, in all of them."""
    complete, called, ended, counted = known.complete, known.called, known.ended, known.counted
    run, method = attributes(known.run), called["method"]
    for kind, tokens in (("input", 12), ("output", 9), ("reasoning", 5)):
        spelt = "reasoning.output" if kind == "reasoning" else kind
        assert {
            complete["usage"][f"{kind}_tokens"],
            called[f"{kind}_tokens"],
            ended[f"{kind}_tokens"],
            run[f"gen_ai.usage.{spelt}_tokens"],
            counted("run_tokens_total", provider="first", kind=kind),
        } == {tokens}
    total_ms, first_ms = complete["timing"]["total_ms"], complete["timing"]["first_token_ms"]
    assert ended["total_ms"] == called["run_total_ms"] == pytest.approx(total_ms)
    assert ended["first_token_ms"] == called["provider_first_token_ms"] == pytest.approx(first_ms)
    assert run["gen_ai.response.time_to_first_chunk"] == pytest.approx(first_ms / 1000)
    assert counted("run_seconds_sum", **AT) == pytest.approx(total_ms / 1000)
    assert counted("first_token_seconds_sum", **AT) == pytest.approx(first_ms / 1000)
    assert counted("runs_total", **AT, state="completed", reason="stop") == 1
    assert counted("requests_total", method=method, code="OK") == 1
    assert counted("request_seconds_sum", method=method) == pytest.approx(called["duration_ms"] / 1000, abs=1e-6)
