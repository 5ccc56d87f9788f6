"""One idempotency key over all faces of the whole server: whichever carries it first and second, it is one run."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict

from fakes.abused import check_told
from fakes.chat_wire import chat_reply
from fakes.faces import Heard
from fakes.forms import TYPE, closed, part
from fakes.provider import FakeProvider
from fakes.rpc import collect, refused
from fakes.sockets import CHAT, client_of
from fakes.stubs import Stubs, stubs
from fakes.tenants import by, header
from fakes.uploading import requests
from fakes.web import frames
from fakes.whole import ASKING, Whole, made_key, whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.rpc.status import FACES as RPC_FACES
from thinkaloud_server.web.error import FACES

BODY: dict[str, Any] = {"text": "What is 17*23?", "model": "local/thinker", "include_reasoning": True}
STREAM = "/api/v1/chat/stream-sse"
REUSED = "IDEMPOTENCY_KEY_REUSED"


@dataclass(frozen=True, slots=True)
class Place:
    """A server, the provider behind it, a key of hers and one of another tenant."""

    whole: Whole
    caller: Stubs
    http: httpx.AsyncClient
    provider: FakeProvider
    hers: str
    theirs: str

    @property
    def ws(self) -> str:
        return f"ws://{self.whole.http}{CHAT}"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with placed(tmp_path) as found:
        yield found


@asynccontextmanager
async def placed(data_dir: Path) -> AsyncIterator[Place]:
    hers, theirs = (made_key(data_dir, name, "read", "chat") for name in ("acme", "other"))
    answer = chat_reply("it is 391", reasoning="seventeen times twenty three")
    async with FakeProvider(script=lambda _: answer) as provider:
        section = {"base_url": provider.base_url, "models": ["thinker"]}
        async with (
            whole_server(data_dir, {"local": section}, identity=ASKING) as whole,
            stubs(whole.address) as caller,
            httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30, trust_env=False) as http,
        ):
            yield Place(whole, caller, http, provider, hers, theirs)


@dataclass(frozen=True, slots=True)
class Told:
    """What one face said: the code of a refusal, or the run, what it came to, and its events where they are told."""

    code: str = ""
    run_id: str = ""
    complete: dict[str, Any] = field(default_factory=dict)
    events: list[Heard] = field(default_factory=list)


def of_events(events: list[Heard]) -> Told:
    events = [each for each in events if each.sequence]
    assert (events[0].event, events[-1].event) == ("start", "complete")
    # The request that began it is each caller's own; nothing else of the start is.
    return Told("", events[0].data["run_id"], events[-1].data, events)


async def over_grpc(place: Place, key: str, body: dict[str, Any], owner: str) -> Told:
    request = pb.ChatRequest(**body, idempotency_key=key)
    responses, error = await collect(place.caller.chat.Chat(request, metadata=by(owner)))
    if error is not None:
        status = refused(error)
        assert status.code is RPC_FACES[status.reason].code
        check_told(str(status), status.reason)
        return Told(status.reason)
    options: dict[str, Any] = {"preserving_proto_field_name": True, "always_print_fields_with_no_presence": True}
    heard = [MessageToDict(each.event, **options) for each in responses]
    kinds = [each.event.WhichOneof("event") for each in responses]
    return of_events([Heard(each["sequence"], kind, each[kind]) for each, kind in zip(heard, kinds, strict=True)])


async def over_grpc_unary(place: Place, key: str, body: dict[str, Any], owner: str) -> Told:
    request = pb.SendMessageRequest(request=pb.ChatRequest(**body, idempotency_key=key))
    complete = (await place.caller.chat.SendMessage(request, metadata=by(owner))).complete
    told = MessageToDict(complete, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return Told("", complete.run_id, told)


async def over_rest(place: Place, key: str, body: dict[str, Any], owner: str) -> Told:
    answer = await place.http.post("/api/v1/chat/message", json=body, headers={**header(owner), "idempotency-key": key})
    if answer.status_code != 200:
        return of_refusal(answer)
    return Told("", answer.json()["run_id"], answer.json())


def of_refusal(answer: httpx.Response) -> Told:
    code = answer.json()["error"]["code"]
    assert answer.status_code == FACES[code].http
    check_told(answer.text, code)
    return Told(code)


async def over_sse(place: Place, key: str, body: dict[str, Any], owner: str) -> Told:
    headers = {**header(owner), "idempotency-key": key}
    return await of_stream(place.http.stream("POST", STREAM, json=body, headers=headers))


async def over_ndjson(place: Place, key: str, body: dict[str, Any], owner: str) -> Told:
    headers = {**header(owner), "accept": "application/x-ndjson"}
    answer = await place.http.post(STREAM, json={**body, "idempotency_key": key}, headers=headers)
    if answer.status_code != 200:
        return of_refusal(answer)
    said = [json.loads(line) for line in answer.text.splitlines()]
    return of_events([Heard(each["sequence"], each["event"], each["data"]) for each in said])


async def over_eventsource(place: Place, key: str, body: dict[str, Any], owner: str) -> Told:
    query = {name: "true" if value is True else value for name, value in body.items()}
    query["idempotency_key"] = key
    return await of_stream(place.http.stream("GET", STREAM, params=query, headers=header(owner)))


async def of_stream(asked: Any) -> Told:
    async with asked as answer:
        if answer.status_code != 200:
            await answer.aread()
            return of_refusal(answer)
        blocks = [each async for each in frames(answer)]
    return of_events(
        [Heard(int(each.id.rpartition(":")[2]), each.event, json.loads(each.data)) for each in blocks if each.id]
    )


async def over_websocket(place: Place, key: str, body: dict[str, Any], owner: str) -> Told:
    async with client_of(place.ws, additional_headers=header(owner)) as client:
        said = await client.turn(**body, idempotency_key=key)
        if said[-1]["event"] == "error":
            check_told(json.dumps(said), said[-1]["data"]["code"])
            await client.say(type="ping")
            assert (await client.hear())["event"] == "pong", "it is the message that was refused, not the socket"
            return Told(said[-1]["data"]["code"])
    return of_events([Heard(each["sequence"], each["event"], each["data"]) for each in said])


OVER = {
    "gRPC": over_grpc,
    "REST": over_rest,
    "SSE": over_sse,
    "NDJSON": over_ndjson,
    "EventSource": over_eventsource,
    "WebSocket": over_websocket,
}
PAIRS = [pytest.param(*pair, id="-".join(pair)) for pair in itertools.product(OVER, repeat=2)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
async def test_a_key_is_one_run_whichever_face_brings_it_first(first: str, second: str, place: Place) -> None:
    began = await OVER[first](place, "k", BODY, place.hers)
    again = await OVER[second](place, "k", BODY, place.hers)
    assert began.run_id == again.run_id != ""
    assert began.complete == again.complete
    if began.events and again.events:
        assert began.events == again.events
    assert len(place.provider.requests) == 1

    other = await OVER[second](place, "k", {**BODY, "text": "What is 17*24?"}, place.hers)
    assert other.code == REUSED
    theirs = await OVER[second](place, "k", BODY, place.theirs)
    assert theirs.run_id not in ("", began.run_id)
    assert len(place.provider.requests) == 2


async def test_the_unary_call_of_grpc_is_the_same_run(place: Place) -> None:
    began = await over_grpc_unary(place, "k", BODY, place.hers)
    for name, over in OVER.items():
        again = await over(place, "k", BODY, place.hers)
        assert (again.run_id, again.complete) == (began.run_id, began.complete), name
    assert len(place.provider.requests) == 1


@pytest.mark.parametrize("face", OVER)
async def test_what_is_only_about_the_telling_is_not_the_body(face: str, place: Place) -> None:
    """Who sees the reasoning, and how long the run outlives its watchers, may differ from one sending to the next."""
    began = await OVER["gRPC"](place, "k", BODY, place.hers)
    again = await OVER[face](place, "k", {**BODY, "include_reasoning": False, "detach": 60}, place.hers)
    assert again.run_id == began.run_id
    assert "reasoning" not in [each.event for each in again.events]
    assert "reasoning" not in again.complete
    assert len(place.provider.requests) == 1


async def test_two_hundred_at_once_over_all_faces_are_one_run(place: Place) -> None:
    faces = itertools.cycle(OVER.values())
    told = await asyncio.gather(*(next(faces)(place, "k", BODY, place.hers) for _ in range(200)))
    assert len({each.run_id for each in told}) == 1
    assert all(each.complete == told[0].complete for each in told)
    streams = [each.events for each in told if each.events]
    assert all(each == streams[0] for each in streams)
    assert len(place.provider.requests) == 1


async def sent_over_grpc(place: Place, data: bytes, key: str, owner: str) -> tuple[str, str]:
    """The upload's id, or the code of a refusal."""

    try:
        answer = await place.caller.uploads.Upload(requests(data, "a.txt", "text/plain", key), metadata=by(owner))
    except grpc.aio.AioRpcError as error:
        return "", refused(error).reason
    return answer.upload.upload_id, ""


async def sent_over_rest(place: Place, data: bytes, key: str, owner: str) -> tuple[str, str]:
    form = closed(part("file", data, "Content-Type: text/plain", filename="a.txt"))
    headers = {**header(owner), "content-type": TYPE, "idempotency-key": key}
    answer = await place.http.post("/api/v1/upload", content=form, headers=headers)
    if answer.status_code != 200:
        return "", of_refusal(answer).code
    return answer.json()["upload_id"], ""


SENT = {"gRPC": sent_over_grpc, "REST": sent_over_rest}


@pytest.mark.parametrize(("first", "second"), list(itertools.product(SENT, repeat=2)))
async def test_a_file_that_is_sent_again_is_one_upload(first: str, second: str, place: Place) -> None:
    data = b"so it was" * 30_000
    made, _ = await SENT[first](place, data, "k", place.hers)
    assert made
    assert await SENT[second](place, data, "k", place.hers) == (made, "")
    assert await SENT[second](place, data + b"!", "k", place.hers) == ("", REUSED)
    theirs, _ = await SENT[second](place, data, "k", place.theirs)
    assert theirs not in ("", made)
    listed = (await place.http.get("/api/v1/uploads", headers=header(place.hers))).json()["uploads"]
    assert [each["upload_id"] for each in listed] == [made]
