"""The fake provider over real sockets: asked by a plain HTTP client, and by our own engine's client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from fakes.asking import SystemClock
from fakes.faked import faked
from thinkaloud_server.app.fake_answer import Manner, cutting
from thinkaloud_server.app.fake_provider import Repertoire
from thinkaloud_server.app.fake_replay import Replay
from thinkaloud_server.core.assembler import Answer, Assembler
from thinkaloud_server.core.delta import Failure, Finish, ReasoningDelta, TextDelta, UsageReport
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.engine import upstream as upstream_module
from thinkaloud_server.engine.http_provider import HttpProvider
from thinkaloud_server.engine.ports import AttemptTrace
from thinkaloud_server.engine.upstream import Timeouts, Upstream
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.encoders import ENCODINGS, Pause, Step
from thinkaloud_server.providers.table import DIALECTS, vendor_for

STEPS: tuple[Step, ...] = (
    *(ReasoningDelta(word) for word in ("17*20 ", "is 340, ", "17*3 is 51")),
    *(TextDelta(word) for word in ("It ", "is ", "391 ", "— “so”.")),
    Finish("stop"),
    UsageReport(Usage(20, 7, 3)),
)
TEXT, REASONING = "It is 391 — “so”.", "17*20 is 340, 17*3 is 51"
QUESTION = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "What is 17*23?"}]}
PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic-messages": "/v1/messages",
    "gemini": "/v1beta/models/m:streamGenerateContent",
    "ollama": "/api/chat",
    "cohere-v2": "/v2/chat",
    "bedrock-converse": "/model/m/converse-stream",
}
BASES = {"gemini": "/v1beta", "ollama": "", "cohere-v2": "", "bedrock-converse": "", "anthropic-messages": ""}


@pytest.fixture(autouse=True)
def _no_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client here is closed as soon as its answer is done: no connection waits to be used again."""
    monkeypatch.setattr(upstream_module, "LINGER_S", 0.0)


async def post(url: str, body: Mapping[str, Any] = QUESTION, fault: str = "") -> httpx.Response:
    headers = {"x-thinkaloud-fault": fault} if fault else {}
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        return await client.post(url, json=body, headers=headers)


async def get(url: str) -> Any:
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        return (await client.get(url)).json()


async def ours(url: str, dialect: str = "openai-chat", model: str = "m", silence_s: float = 2.0) -> Answer:
    """Asked by the engine's own client."""
    upstream = Upstream(clock=SystemClock())
    base = url + BASES.get(dialect, "/v1")
    provider = HttpProvider(
        endpoint=Endpoint("it", base, vendor_for(base, "", dialect)),
        dialect=DIALECTS[dialect],
        upstream=upstream,
        timeouts=Timeouts(first_byte_s=silence_s, silence_s=silence_s, total_s=5.0),
    )
    assembler = Assembler(think_tags="off")
    request = ModelRequest(model, (Message("user", (TextPart("What is 17*23?"),)),))
    try:
        async with provider.stream(request, request_id="r", trace=AttemptTrace()) as batches:
            async for batch in batches:
                for delta in batch:
                    assembler.feed(delta)
        assembler.end()
    finally:
        await asyncio.sleep(0)
        await upstream.close()
    return assembler.answer


@pytest.mark.parametrize("dialect", ENCODINGS)
async def test_every_dialect_streams_at_its_own_path(dialect: str) -> None:
    async with faked(*STEPS) as url:
        answer = await post(url + PATHS[dialect])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == ENCODINGS[dialect].content_type
    assert answer.headers["transfer-encoding"] == "chunked"
    for word in ("340", "391"):
        assert word in answer.content.decode("utf-8", "replace")


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) & set(ENCODINGS)))
@pytest.mark.parametrize("cut", [None, "1", "7", "random"])
async def test_our_own_client_reads_it_however_it_is_cut(dialect: str, cut: str | None) -> None:
    manner = Manner(cut=cutting(cut, Random(7)) if cut else None)
    async with faked(*STEPS, manner=manner) as url:
        answer = await ours(url, dialect)
    assert answer.failure is None
    assert (answer.text, answer.reasoning, answer.finish) == (TEXT, REASONING, "stop")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (20, 7)


@pytest.mark.parametrize("dialect", ENCODINGS)
async def test_without_stream_the_answer_is_one_object(dialect: str) -> None:
    path = PATHS[dialect].replace(":streamGenerateContent", ":generateContent").replace("-stream", "")
    async with faked(*STEPS) as url:
        answer = await post(url + path, {**QUESTION, "stream": False})
    assert answer.headers["content-type"] == "application/json"
    assert "391" in json.dumps(answer.json())
    if dialect == "openai-chat":
        (choice,) = answer.json()["choices"]
        assert choice["message"] == {"role": "assistant", "content": TEXT, "reasoning_content": REASONING}


async def test_without_a_script_it_answers_the_prompt_always_the_same(tmp_path: Path) -> None:
    async with faked(repertoire=Repertoire(), manner=Manner(pace=5000)) as url:
        first, second = await ours(url, model="reasoner"), await ours(url, model="openai/gpt-x")
        assert first.text == second.text
        assert "391" in first.text
        assert first.reasoning
        assert (await ours(url, model="demo/long")).text.startswith("1 2 3")
        refused = await ours(url, model="rate-limited")
    assert refused.failure is not None
    assert (refused.failure.reason, refused.failure.retry_after_s) == (ErrorReason.UPSTREAM_RATE_LIMITED, 30.0)


async def test_its_listings_are_those_of_every_vendor() -> None:
    async with faked(repertoire=Repertoire()) as url:
        assert "reasoner" in [model["id"] for model in (await get(f"{url}/v1/models"))["data"]]
        assert "models/reasoner" in [model["name"] for model in (await get(f"{url}/v1beta/models"))["models"]]
        assert "reasoner" in [model["name"] for model in (await get(f"{url}/api/tags"))["models"]]
        show = await post(f"{url}/api/show", {"model": "reasoner"})
        assert "thinking" in show.json()["capabilities"]
        upstream = Upstream(clock=SystemClock())
        base = f"{url}/v1"
        endpoint = Endpoint("it", base, vendor_for(base, "", "openai-chat"))
        provider = HttpProvider(endpoint=endpoint, dialect=DIALECTS["openai-chat"], upstream=upstream)
        assert "reasoner" in [model.name for model in await provider.models()]
        await upstream.close()


async def test_paths_and_bodies_that_are_none_are_told_so() -> None:
    told: list[str] = []
    async with faked(*STEPS, repertoire=Repertoire(("openai-chat",), STEPS), told=told) as url:
        assert (await post(f"{url}/v1/embeddings")).status_code == 404
        assert (await post(f"{url}/v1/messages")).status_code == 404, "a dialect that is not served"
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(f"{url}/v1/chat/completions", content=b"[]")).status_code == 400
    assert told[-1] == "POST /v1/chat/completions -> 400"


class TestRecordings:
    BODY = b'data: {"choices":[{"delta":{"content":"recorded"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

    def folder(self, tmp_path: Path) -> Repertoire:
        meta = {"model": "org/m", "dialect": "openai-chat", "content_type": "text/event-stream", "chunk_sizes": [9, 5]}
        (tmp_path / "one.body").write_bytes(self.BODY)
        (tmp_path / "one.meta.json").write_text(json.dumps(meta))
        (tmp_path / "busy.json").write_bytes(b'{"error": {"message": "too busy"}}')
        (tmp_path / "busy.meta.json").write_text(json.dumps({"status": 429, "headers": {"retry-after": "9"}}))
        return Repertoire(replay=Replay(tmp_path))

    async def test_are_played_back_as_they_were(self, tmp_path: Path) -> None:
        async with faked(repertoire=self.folder(tmp_path)) as url:
            answer = await post(f"{url}/v1/chat/completions", {**QUESTION, "model": "org/m"})
            assert answer.content == self.BODY
            assert (await ours(url, model="org/m")).text == "recorded"
            assert [model["id"] for model in (await get(f"{url}/v1/models"))["data"]] == ["busy", "org/m"]

    async def test_may_be_refusals(self, tmp_path: Path) -> None:
        async with faked(repertoire=self.folder(tmp_path)) as url:
            failure = (await ours(url, model="busy")).failure
        assert failure is not None
        assert (failure.status, failure.message, failure.retry_after_s) == (429, "too busy", 9.0)

    async def test_that_are_not_there_are_a_model_that_is_not_there(self, tmp_path: Path) -> None:
        async with faked(repertoire=self.folder(tmp_path)) as url:
            failure = (await ours(url, model="else")).failure
        assert failure is not None
        assert failure.reason == ErrorReason.MODEL_NOT_FOUND


FAULTS = {
    "reset": (ErrorReason.UPSTREAM_ERROR, False),
    "reset;after_frames=6": (ErrorReason.UPSTREAM_TRUNCATED, True),
    "reset;after_bytes=1200": (ErrorReason.UPSTREAM_TRUNCATED, True),
    "truncated;after_frames=6": (ErrorReason.UPSTREAM_TRUNCATED, True),
    "garbage": (ErrorReason.UPSTREAM_PROTOCOL_ERROR, False),
    "garbage;after_frames=6": (ErrorReason.UPSTREAM_PROTOCOL_ERROR, True),
    "stall": (ErrorReason.UPSTREAM_TIMEOUT, False),
    "stall;after_frames=6": (ErrorReason.UPSTREAM_TIMEOUT, True),
    "status;status=401": (ErrorReason.UPSTREAM_AUTH, False),
    "status;status=429;retry_after_s=7": (ErrorReason.UPSTREAM_RATE_LIMITED, False),
    "latency;seconds=9": (ErrorReason.UPSTREAM_TIMEOUT, False),
}


class TestFaults:
    @pytest.mark.parametrize("fault", FAULTS)
    async def test_are_what_our_client_knows_them_as_and_the_next_request_is_answered(self, fault: str) -> None:
        async with faked(*STEPS, faults=((f"{fault};attempts=1", 1.0),)) as url:
            answer = await ours(url, silence_s=0.4)
            assert answer.failure is not None
            assert (answer.failure.reason, bool(answer.text)) == FAULTS[fault]
            assert TEXT.startswith(answer.text)
            assert (await ours(url)).text == TEXT

    async def test_may_be_asked_for_by_a_header(self) -> None:
        async with faked(*STEPS) as url:
            refused = await post(f"{url}/v1/chat/completions", fault="status;status=418;body=tea")
            assert (refused.status_code, refused.text) == (418, "tea")
            unknown = await post(f"{url}/v1/messages", fault="explode")
            assert unknown.status_code == 400
            assert "unknown fault" in unknown.json()["error"]["message"]

    async def test_come_as_often_as_they_are_likely(self) -> None:
        draws = Random(7)
        expected = [503 if draws.random() < 0.3 else 200 for _ in range(60)]
        async with (
            faked(*STEPS, faults=(("status", 0.3),)) as url,
            httpx.AsyncClient(timeout=5.0, trust_env=False) as client,
        ):
            found = [(await client.post(f"{url}/v1/messages", json=QUESTION)).status_code for _ in range(60)]
        assert found == expected

    async def test_that_never_end_go_on_until_the_client_leaves(self) -> None:
        upstream: list[bytes] = []
        async with (
            faked(*STEPS, faults=(("never_ending;after_frames=5", 1.0),)) as url,
            httpx.AsyncClient(timeout=5.0, trust_env=False) as client,
            client.stream("POST", f"{url}/v1/chat/completions", json=QUESTION) as answer,
        ):
            async for piece in answer.aiter_raw():
                upstream.append(piece)
                if len(upstream) > 9:
                    break
        assert upstream[-1] == upstream[-2]

    async def test_that_are_slow_take_their_time(self) -> None:
        async with faked(TextDelta("x" * 300), faults=(("slow_bytes;bytes_per_s=2000", 1.0),)) as url:
            began = time.monotonic()
            answer = await post(f"{url}/api/chat")
            assert time.monotonic() - began >= len(answer.content) / 2000


async def test_a_pace_is_tokens_a_second_and_a_script_s_pauses_are_kept() -> None:
    async with faked(*STEPS, manner=Manner(pace=50)) as url:
        began = time.monotonic()
        assert (await ours(url)).text == TEXT
        assert time.monotonic() - began >= 7 / 50
    async with faked(TextDelta("a"), Pause(0.3), TextDelta("b")) as url:
        began = time.monotonic()
        assert (await ours(url)).text == "ab"
        assert time.monotonic() - began >= 0.3


async def test_a_failure_first_is_a_status_and_later_an_error_in_the_stream() -> None:
    failure = Failure(ErrorReason.UPSTREAM_ERROR, "engine died", 529)
    async with faked(failure) as url:
        assert (await post(f"{url}/v1/messages")).json()["error"] == {
            "type": "overloaded_error",
            "message": "engine died",
        }
        assert (await post(f"{url}/v1/messages")).status_code == 529
    async with faked(TextDelta("half"), failure) as url:
        answer = await ours(url)
        assert (answer.text, answer.failure is not None) == ("half", True)


async def test_a_client_that_leaves_a_stall_is_let_go() -> None:
    told: list[str] = []
    async with faked(*STEPS, faults=(("stall;after_frames=2;attempts=2", 1.0),), told=told) as url:
        for _ in range(2):
            with pytest.raises(httpx.ReadTimeout):
                async with httpx.AsyncClient(timeout=0.2, trust_env=False) as client:
                    await client.post(f"{url}/v1/chat/completions", json=QUESTION)
        assert (await ours(url)).text == TEXT


async def test_it_stops_although_clients_are_in_the_middle_of_their_answers() -> None:
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        async with faked(*STEPS, faults=(("stall;after_frames=2", 1.0),)) as url:
            answer = await client.send(client.build_request("POST", f"{url}/v1/messages", json=QUESTION), stream=True)
            rest = answer.aiter_raw()
            assert b"message_start" in await anext(rest)
            began = time.monotonic()
        assert time.monotonic() - began < 2.0
        with pytest.raises(httpx.RemoteProtocolError):
            _ = [piece async for piece in rest]
        await answer.aclose()
