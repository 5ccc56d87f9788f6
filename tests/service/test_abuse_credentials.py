"""Credentials that are none, over every face: the same word for all of them, and no secret in what anybody reads."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from websockets.exceptions import InvalidStatus

from fakes.abused import MODEL, check_told
from fakes.guarded import GUARDED, ask
from fakes.rpc import collect, refused
from fakes.sockets import client_of, names
from fakes.tenants import House, by, header, other_last, refusal, tenants
from fakes.whole import made_key, revoke_key
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.rpc.status import FACES as RPC_FACES
from thinkaloud_server.web.error import FACES

ASK: dict[str, Any] = {"text": "go", "model": MODEL}
STREAM = "/api/v1/chat/stream-sse"


@pytest.fixture
async def house(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    caplog.set_level(logging.INFO)
    async with tenants(tmp_path, caplog) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a caller was told, as text, by its code; whether it was told how credentials are sent."""

    code: str
    text: str
    challenged: bool = True


async def over_grpc(house: House, *authorization: str) -> Refusal:
    """Bytes for a method that no stub stands in front of: what stubs would not let through is sent as it is."""
    metadata = (("x-request-id", "req-1"), *(("authorization", each) for each in authorization))
    message = pb.ChatRequest(**ASK).SerializeToString()
    _, error = await collect(
        house.caller.channel.unary_stream("/thinkaloud.v1.ChatService/Chat")(message, metadata=metadata)
    )
    assert error is not None
    status = refused(error)
    assert status.code is RPC_FACES[status.reason].code is grpc.StatusCode.UNAUTHENTICATED
    return Refusal(status.reason, str(status))


def of_answer(answer: httpx.Response) -> Refusal:
    code = answer.json()["error"]["code"]
    assert answer.status_code == FACES[code].http == 401
    return Refusal(code, answer.text, answer.headers.get("www-authenticate") == "Bearer")


def lines(*authorization: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-request-id", b"req-1"), *((b"authorization", each.encode()) for each in authorization)]


async def over_rest(house: House, *authorization: str) -> Refusal:
    return of_answer(await house.http.post("/api/v1/chat/message", json=ASK, headers=lines(*authorization)))


async def over_sse(house: House, *authorization: str) -> Refusal:
    return of_answer(await house.http.post(STREAM, json=ASK, headers=lines(*authorization)))


async def over_ndjson(house: House, *authorization: str) -> Refusal:
    headers = [*lines(*authorization), (b"accept", b"application/x-ndjson")]
    return of_answer(await house.http.post(STREAM, json=ASK, headers=headers))


async def over_eventsource(house: House, *authorization: str) -> Refusal:
    query = {**ASK, "idempotency_key": "k"}
    return of_answer(await house.http.get(STREAM, params=query, headers=lines(*authorization)))


async def over_handshake(house: House, *authorization: str) -> Refusal:
    if not authorization:  # then it is a socket of nobody, which cannot be spoken on
        async with client_of(house.ws) as client:
            await client.say(**ASK)
            return of_frames(*await client.closed())
    with pytest.raises(InvalidStatus) as denied:
        async with client_of(house.ws, additional_headers=[("authorization", each) for each in authorization]):
            pass
    answer = denied.value.response
    return of_answer(
        httpx.Response(answer.status_code, headers=list(answer.headers.raw_items()), content=bytes(answer.body or b""))
    )


async def over_message(house: House, *authorization: str) -> Refusal:
    async with client_of(house.ws) as client:
        for each in authorization:
            await client.say(type="auth", credential=each.removeprefix("Bearer "))
        if not authorization:
            await client.say(**ASK)
        return of_frames(*await client.closed())


def of_frames(frames: list[dict[str, Any]], close: int, reason: str) -> Refusal:
    error = frames[0]
    assert error["event"] == "error"
    assert (close, reason) == (4401, error["data"]["code"])
    return Refusal(reason, json.dumps(error))


OVER = {
    "gRPC": over_grpc,
    "REST": over_rest,
    "SSE": over_sse,
    "NDJSON": over_ndjson,
    "EventSource": over_eventsource,
    "handshake": over_handshake,
    "message": over_message,
}
on_every_face = pytest.mark.parametrize("face", OVER)


@on_every_face
async def test_who_brings_nothing_is_asked_for_a_credential(face: str, house: House) -> None:
    """AU01."""
    told = await OVER[face](house)
    check_told(told.text, "AUTH_REQUIRED")
    assert (told.code, told.challenged) == ("AUTH_REQUIRED", True)


async def test_without_a_credential_all_routes_answer_with_the_same_bytes(house: House) -> None:
    """AU01."""
    answers = [await ask(house.http, route, **{"x-request-id": "req-1"}) for route in GUARDED]
    ((status, body, challenge),) = {
        (each.status_code, each.content, each.headers["www-authenticate"]) for each in answers
    }
    assert (status, challenge) == (401, "Bearer")
    check_told(body.decode(), json.loads(body)["error"]["code"])


@on_every_face
async def test_a_key_that_is_not_known_and_one_that_is_wrong_are_told_the_same(face: str, house: House) -> None:
    """AU02."""
    unknown = made_key(house.data_dir / "elsewhere", "acme", "read")
    keys = (unknown, other_last(house.hers), house.hers[:14] + unknown[14:])
    told = [await OVER[face](house, f"Bearer {key}") for key in keys]
    assert {each.code for each in told} == {"AUTH_INVALID"}
    assert len({each.text for each in told}) == 1
    check_told(told[0].text, told[0].code)
    assert all(key not in told[0].text for key in keys)


ODD = {
    "of nothing": "",
    "a bare scheme": "Bearer",
    "another scheme": "Basic YTpi",
    "a key of no scheme": "tk_x",
    "too long": "Bearer tk_" + "x" * 4000,
    "a tab in it": "Bearer tk_\tx",
    "not ASCII": "Bearer tk_é",
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("face", ["REST", "SSE", "EventSource"])
async def test_what_no_credential_looks_like_is_not_a_good_one(face: str, odd: str, house: House) -> None:
    """AU03: it is not taken for none either, whatever of it gRPC could carry."""
    told = await OVER[face](house, ODD[odd])
    check_told(told.text, "AUTH_INVALID")
    assert (told.code, told.challenged) == ("AUTH_INVALID", True)


@pytest.mark.parametrize("odd", [each for each in ODD if ODD[each].isascii() and "\t" not in ODD[each]])
async def test_over_grpc_it_is_the_same(odd: str, house: House) -> None:
    """AU03."""
    assert (await over_grpc(house, ODD[odd])).code == "AUTH_INVALID"


@pytest.mark.parametrize("credential", ["x" * 600, "tk_" + "x" * 100_000, "tk_\x00", "tk_\nx", "tk_é", " ", "a b"])
async def test_as_a_message_it_is_the_same(credential: str, house: House) -> None:
    """AU03: a message can carry what no header can."""
    told = await over_message(house, credential)
    check_told(told.text, "AUTH_INVALID")
    assert told.code == "AUTH_INVALID"


@pytest.mark.parametrize("name", ["api_key", "API-Key", "apikey", "access_token", "authorization", "x-api-key"])
async def test_a_key_in_an_address_is_refused_though_it_is_good(name: str, house: House) -> None:
    """AU04, also beside a good credential: whoever does it must be told, for addresses are kept in logs."""
    house.told.append(house.hers)
    for verb, path, more in (
        ("GET", "/api/v1/runs", {}),
        ("GET", STREAM, {**ASK, "idempotency_key": "k"}),
        ("POST", STREAM, {}),
    ):
        for headers in ({}, header(house.hers)):
            answer = await house.http.request(
                verb, path, params={**more, name: house.hers}, headers=headers, json=None if verb == "GET" else ASK
            )
            told = of_answer(answer)
            assert told.code == "AUTH_REQUIRED"
            check_told(told.text, told.code)
            assert house.hers not in told.text
    with pytest.raises(InvalidStatus) as denied:
        async with client_of(f"{house.ws}?{name}={house.hers}"):
            pass
    assert denied.value.response.status_code == 401
    assert b"AUTH_REQUIRED" in (denied.value.response.body or b"")


@pytest.mark.parametrize("good_first", [True, False])
@pytest.mark.parametrize("face", ["gRPC", "REST", "SSE", "NDJSON", "EventSource", "handshake"])
async def test_of_two_credentials_neither_counts(face: str, good_first: bool, house: House) -> None:
    """AU05."""
    both = [f"Bearer {house.hers}", "Bearer x"]
    assert (await OVER[face](house, *(both if good_first else both[::-1]))).code == "AUTH_INVALID"


async def test_a_key_that_is_revoked_ends_all_that_it_opened(house: House) -> None:
    """AU06: a stream on every face, sockets in a turn and idle, opened by header, message and token; at most 5 s."""
    going: dict[str, Any] = {"text": "go on", "model": "demo/slow", "detach": 0}
    key = house.theirs
    stream = house.caller.chat.Chat(pb.ChatRequest(**going), metadata=by(key))
    assert (await stream.read()).event.HasField("start")
    token = await house.token(key)
    async with (
        house.http.stream("POST", STREAM, json=going, headers=header(key)) as sse,
        client_of(house.ws, additional_headers=header(key)) as busy,
        client_of(f"{house.ws}?token={token}") as idle,
        client_of(house.ws) as late,
    ):
        told = sse.aiter_lines()
        assert await anext(told)
        await busy.say(**going)
        assert (await busy.hear())["event"] == "start"
        await late.say(type="auth", credential=key)
        assert (await late.hear())["event"] == "authenticated"
        revoke_key(house.data_dir, key)
        began = time.monotonic()
        async with asyncio.timeout(6):
            _, error = await collect(stream)
            rest = [line async for line in told]
            ends = [await each.closed() for each in (busy, idle, late)]
        assert time.monotonic() - began < 5
    assert error is not None
    assert refused(error).reason == "AUTH_REVOKED"
    data = [json.loads(line.removeprefix("data: ")) for line in rest if line.startswith("data: ")]
    assert data[-1]["code"] == "AUTH_REVOKED"
    for frames, close, reason in ends:
        assert (close, reason) == (4401, "AUTH_REVOKED")
        assert names(frames)[-2:] == ["error", "warning"]
    for face in OVER:
        assert (await OVER[face](house, f"Bearer {key}")).code == "AUTH_REVOKED", face
    again = await refusal(house.caller.chat.SendMessage(pb.SendMessageRequest(), metadata=by(key)))
    assert again.reason == "AUTH_REVOKED"
