"""SSE and NDJSON over the whole server, on real sockets: order, resuming, GET for EventSource, failures, leaving."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from fakes.web import Frame, WholeWeb, frames, whole_web
from thinkaloud.v1 import run_service_pb2, run_service_pb2_grpc

PATH = "/api/v1/chat/stream-sse"
THINKING = {"text": "What is 17*23?", "include_reasoning": True}
LINES = {"accept": "application/x-ndjson"}


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[WholeWeb]:
    async with whole_web(tmp_path) as served:
        yield served


async def post(web: WholeWeb, body: dict[str, Any], **headers: str) -> list[Frame]:
    async with web.client.stream("POST", PATH, json=body, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        return [frame async for frame in frames(response)]


async def got(web: WholeWeb, path: str, params: dict[str, Any], **headers: str) -> list[Frame]:
    async with web.client.stream("GET", path, params=params, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        return [frame async for frame in frames(response)]


def numbered(found: list[Frame]) -> list[tuple[str, str, str]]:
    return [(frame.event, frame.id, frame.data) for frame in found if frame.id]


async def test_a_turn_is_a_stream_of_named_numbered_events(web: WholeWeb) -> None:
    async with web.client.stream("POST", PATH, json=THINKING) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["x-request-id"]
        found = [frame async for frame in frames(response)]
    start = json.loads(found[0].data)
    ids = [frame.id for frame in found]
    assert ids == [f"{start['run_id']}:{number}" for number in range(1, len(found) + 1)]
    events = [frame.event for frame in found]
    assert events[:2] == ["start", "progress"]
    assert events[-1] == "complete"
    assert events.index("reasoning") < events.index("token")
    assert start["request_id"] == response.headers["x-request-id"]
    text = "".join(json.loads(frame.data)["token"] for frame in found if frame.event == "token")
    assert text == json.loads(found[-1].data)["response"]
    assert found[0].retry == "1000"


async def test_without_being_asked_for_no_reasoning_comes(web: WholeWeb) -> None:
    found = await post(web, {"text": "What is 17*23?"})
    assert "reasoning" not in [frame.event for frame in found]
    assert "reasoning" not in json.loads(found[-1].data)


async def test_all_faces_tell_the_same_whenever_they_join(web: WholeWeb) -> None:
    begun = asyncio.create_task(post(web, THINKING | {"idempotency_key": "together"}))
    joined = asyncio.create_task(
        got(web, PATH, THINKING | {"include_reasoning": "true", "idempotency_key": "together"})
    )
    first = await begun
    run_id = first[0].id.partition(":")[0]
    watched = f"/api/v1/runs/{run_id}/events"
    late = await got(web, watched, {"include_reasoning": "true"})
    lines = await web.client.get(watched, params={"include_reasoning": "true"}, headers=LINES)
    told = [json.loads(line) for line in lines.text.splitlines()]
    assert numbered(first) == numbered(late)
    # `start` names the request that began the run, whichever of the two that was.
    assert numbered(first)[1:] == numbered(await joined)[1:]
    assert [(each["event"], f"{each['run_id']}:{each['sequence']}", each["data"]) for each in told] == [
        (event, place, json.loads(data)) for event, place, data in numbered(late)
    ]
    async with grpc.aio.insecure_channel(web.whole.address) as channel:
        watch: Any = run_service_pb2_grpc.RunServiceStub(channel).WatchRun(
            run_service_pb2.WatchRunRequest(run_id=run_id, include_reasoning=True)
        )
        rpc = [
            MessageToDict(response.event, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
            async for response in watch
        ]
    assert [(event["sequence"], event[each["event"]]) for event, each in zip(rpc, told, strict=True)] == [
        (each["sequence"], each["data"]) for each in told
    ]


async def test_a_stream_cut_at_any_point_goes_on_after_its_last_id(web: WholeWeb) -> None:
    chance = random.Random(7)
    whole = await post(web, THINKING)
    for url in (PATH, f"/api/v1/runs/{whole[0].id.partition(':')[0]}/events"):
        for _ in range(10):
            cut = chance.randrange(len(whole) - 1)
            params = {"include_reasoning": "true", "text": THINKING["text"], "idempotency_key": "k"}
            params = params if url == PATH else {"include_reasoning": "true"}
            rest = await got(web, url, params, **{"last-event-id": whole[cut].id})
            assert numbered(whole[: cut + 1] + rest) == numbered(whole)


async def test_a_live_stream_cut_in_the_middle_goes_on_by_the_same_url(web: WholeWeb) -> None:
    asked: dict[str, Any] = {"text": "a", "include_reasoning": "true", "idempotency_key": "live", "model": "demo/slow"}
    seen: list[Frame] = []
    async with asyncio.timeout(60):
        async with web.client.stream("GET", PATH, params=asked) as response:
            async for frame in frames(response):
                seen.append(frame)
                if len(seen) == 4:
                    break
        seen += await got(web, PATH, asked, **{"last-event-id": seen[-1].id})
    numbers = [int(frame.id.rpartition(":")[2]) for frame in seen if frame.id]
    assert numbers == list(range(1, len(numbers) + 1))
    assert seen[-1].event == "complete"


async def test_after_the_end_there_is_no_content(web: WholeWeb) -> None:
    *_, last = await post(web, THINKING)
    run_id = last.id.partition(":")[0]
    for url in (f"{PATH}?text=a&idempotency_key=k", f"/api/v1/runs/{run_id}/events"):
        answer = await web.client.get(url, headers={"last-event-id": last.id})
        assert (answer.status_code, answer.content) == (204, b"")


async def test_get_without_a_key_is_refused(web: WholeWeb) -> None:
    answer = await web.client.get(PATH, params={"text": "a"})
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]["field_violations"][0]["field"] == "idempotency_key"
    assert (await web.client.get("/api/v1/runs")).json()["runs"] == []


async def test_get_takes_scalars_only(web: WholeWeb) -> None:
    for field, value in (("context", "{}"), ("messages", "[]"), ("tools", "{}")):
        answer = await web.client.get(PATH, params={"text": "a", "idempotency_key": "k", field: value})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_FAILED")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_page_of_another_site_begins_nothing(web: WholeWeb, site: str) -> None:
    headers = {"sec-fetch-site": site, "accept": "text/event-stream"}
    answer = await web.client.get(PATH, params={"text": "a", "idempotency_key": "k"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "ORIGIN_NOT_ALLOWED")
    assert (await web.client.get("/api/v1/runs")).json()["runs"] == []


async def test_the_own_page_may(web: WholeWeb) -> None:
    headers = {"sec-fetch-site": "same-origin", "accept": "text/event-stream", "origin": web.url}
    found = await got(web, PATH, {"text": "2+2", "model": "demo/plain", "idempotency_key": "k"}, **headers)
    assert found[-1].event == "complete"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": ""}, 400, "VALIDATION_FAILED"),
        ({"text": "a", "model": "demo/nothing"}, 404, "MODEL_NOT_FOUND"),
        ({"text": "a", "conversation_id": "conv_" + "0" * 32}, 404, "NOT_FOUND"),
    ],
)
async def test_a_failure_before_start_is_a_plain_answer(
    web: WholeWeb, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await web.client.post(PATH, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("model", ["demo/error-mid", "demo/truncated", "demo/error-before"])
async def test_a_failure_after_start_is_one_terminal_error(web: WholeWeb, model: str) -> None:
    found = await post(web, THINKING | {"model": model})
    assert [frame.event for frame in found].count("error") == 1
    last = json.loads(found[-1].data)
    assert found[-1].event == "error"
    assert found[-1].id
    assert {"code", "message", "details", "request_id", "retryable", "partial"} <= set(last)


@pytest.mark.parametrize(
    ("last", "status", "code"),
    [
        ("abc", 400, "SEQUENCE_INVALID"),
        ("run_x:1", 400, "INVALID_ID"),
        ("run_" + "0" * 32 + ":1", 404, "NOT_FOUND"),
        ("{run}:999999", 400, "SEQUENCE_AHEAD"),
    ],
)
async def test_an_event_id_of_nothing_is_refused(web: WholeWeb, last: str, status: int, code: str) -> None:
    run_id = (await post(web, THINKING))[0].id.partition(":")[0]
    headers = {"last-event-id": last.replace("{run}", run_id)}
    answer = await web.client.post(PATH, json=THINKING, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_what_a_model_says_cannot_forge_a_frame(web: WholeWeb) -> None:
    forged = "\n\ndata: {}\r\revent: complete\u2028\x85"
    answer = await post(web, {"text": forged, "model": "demo/plain", "metadata": {"k": forged}})
    assert [frame.event for frame in answer].count("complete") == 1
    run_id = answer[0].id.partition(":")[0]
    assert (await web.client.get(f"/api/v1/runs/{run_id}")).json()["metadata"] == {"k": forged}


async def test_a_silent_stream_beats(tmp_path: Path) -> None:
    async with whole_web(tmp_path, server={"heartbeat_s": 0.1}) as web:
        asked = THINKING | {"model": "demo/slow", "include_reasoning": False}
        found = await post(web, asked)
        beats = [frame for frame in found if frame.event == "heartbeat"]
        assert beats
        assert all(frame.comments == ["heartbeat"] and not frame.id for frame in beats)
        assert json.loads(beats[-1].data)["last_sequence"] > 0


@pytest.mark.parametrize("path", ["message", "stream-sse"])
async def test_whoever_leaves_without_detach_ends_the_run(web: WholeWeb, path: str) -> None:
    asked = {"text": "Tell me a long story", "model": "demo/slow", "detach": 0}
    leaving = asyncio.create_task(web.client.post(f"/api/v1/chat/{path}", json=asked))
    async with asyncio.timeout(30):
        while not (runs := (await web.client.get("/api/v1/runs")).json()["runs"]):
            pass
        leaving.cancel()
        # Whoever watched it now would keep it alive.
        path = f"/api/v1/runs/{runs[0]['run_id']}"
        while (run := (await web.client.get(path)).json())["state"] == "running":
            pass
    assert run["finish_reason"] == "abandoned"
