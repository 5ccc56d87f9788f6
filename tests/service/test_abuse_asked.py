"""Chats that ask for what cannot be, over every face: one verdict, told in the way of each, and no run for it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.protobuf import json_format

from fakes.abused import TEXT, House, check_told, filled, house, vectors, waiting
from fakes.rpc import collect, refused
from fakes.sockets import client_of
from fakes.stubs import stubs
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.rpc.status import FACES as RPC_FACES
from thinkaloud_server.web.error import FACES

Verdict = tuple[str | None, str]
CASES = [
    pytest.param(face, case, id=f"{case['row']}-{case['name']}-{face}", marks=waiting(case))
    for case in vectors("asked")
    for face in case.get("faces", ("grpc", "rest", "sse", "ws"))
]


@pytest.fixture
async def abused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    with caplog.at_level(logging.INFO):
        async with house(tmp_path, caplog) as found:
            yield found


async def over_grpc(abused: House, request: dict[str, Any]) -> Verdict:
    message = json_format.ParseDict(request, pb.ChatRequest())
    async with stubs(abused.whole.address) as caller:
        responses, error = await collect(caller.chat.Chat(message))
    if error is None:
        return None, responses[-1].event.complete.response
    status = refused(error)
    assert status.code is RPC_FACES[status.reason].code
    return status.reason, f"{status}"


async def over_rest(abused: House, request: dict[str, Any]) -> Verdict:
    async with httpx.AsyncClient(base_url=abused.http, timeout=30) as client:
        answer = await client.post("/api/v1/chat/message", json=request)
    if answer.status_code == 200:
        return None, answer.json()["response"]
    code = answer.json()["error"]["code"]
    assert answer.status_code == FACES[code].http
    return code, answer.text


async def over_sse(abused: House, request: dict[str, Any]) -> Verdict:
    async with httpx.AsyncClient(base_url=abused.http, timeout=30) as client:
        answer = await client.post("/api/v1/chat/stream-sse", json=request)
    if answer.status_code == 200:
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        return None, events[-1]["response"]
    assert answer.status_code == FACES[answer.json()["error"]["code"]].http
    return answer.json()["error"]["code"], answer.text


async def over_ws(abused: House, request: dict[str, Any]) -> Verdict:
    async with client_of(abused.ws) as client:
        frames = await client.turn(**request)
        if frames[-1]["event"] == "complete":
            return None, frames[-1]["data"]["response"]
        # The socket is not lost with it: the next turn is served.
        good = await client.turn(text="go", model="local/thinker")
        assert good[-1]["event"] == "complete"
    return frames[-1]["data"]["code"], json.dumps(frames[-1])


ASK = {"grpc": over_grpc, "rest": over_rest, "sse": over_sse, "ws": over_ws}


@pytest.mark.parametrize(("face", "case"), CASES)
async def test_a_chat_that_asks_for_too_much_has_one_verdict_on_every_face(
    face: str, case: dict[str, Any], abused: House
) -> None:
    request = filled(case["request"])
    began = time.perf_counter()
    code, told = await ASK[face](abused, request)
    took_ms = (time.perf_counter() - began) * 1000
    assert code == case["code"], told
    if code is None:
        assert told == TEXT
        content = abused.provider.requests[-1].json["messages"][-1]["content"]
        assert content == request["text"], "what is accepted arrives as it was"
    else:
        check_told(told, code)
        assert not abused.provider.requests or face == "ws"
    assert took_ms <= case.get("within_ms", 5000)
