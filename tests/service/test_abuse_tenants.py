"""What is another's, over every face: answered like what is not there, byte for byte, and left as it was."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from fakes.abused import check_told
from fakes.rpc import until
from fakes.sockets import CHAT, client_of, names
from fakes.tenants import House, by, header, refusal, tenants
from thinkaloud.v1 import upload_service_pb2 as upload_pb

NOWHERE = "0" * 32
RUN = "/api/v1/runs/{}/stream"


@pytest.fixture
async def house(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    caplog.set_level(logging.INFO)
    async with tenants(tmp_path, caplog) as found:
        yield found


async def settled(house: House) -> dict[str, list[Any]]:
    """Her rows, once nothing of hers is under way."""
    await until(lambda: not house.whole.engine.status().live_runs)
    return house.rows("acme")


# A message that names a stored thing of each kind.
MESSAGES: dict[str, dict[str, Any]] = {
    "IS02-chat": {"text": "go", "conversation_id": "conv"},
    "IS03-resume": {"type": "resume", "run_id": "run"},
    "IS03-resume behind it": {"type": "resume", "run_id": "run", "after_sequence": 2},
    "IS03-stop": {"type": "stop", "run_id": "run"},
    "IS03-resume with reasoning": {"type": "resume", "run_id": "run", "include_reasoning": True},
}


@pytest.mark.parametrize("said_by", ["header", "token", "message"])
@pytest.mark.parametrize("case", MESSAGES)
async def test_on_a_socket_it_is_as_if_it_were_not_there(case: str, said_by: str, house: House) -> None:
    mine = await house.asked(house.hers)
    ids = {"conv": mine.conversation_id, "run": mine.run_id}
    before = await settled(house)
    there = {name: ids.get(str(value), value) for name, value in MESSAGES[case].items()}
    nowhere = {
        name: f"{value}_{NOWHERE}" if str(value) in ids and name != "type" else value
        for name, value in MESSAGES[case].items()
    }
    url = house.ws if said_by != "token" else f"{house.ws}?token={await house.token(house.theirs)}"
    async with client_of(url, additional_headers=header(house.theirs) if said_by == "header" else {}) as client:
        if said_by == "message":
            await client.say(type="auth", credential=house.theirs)
            assert (await client.hear())["data"]["tenant"] == "other"
        told = []
        for message in (there, nowhere):
            await client.say(**message)
            told.append(await client.socket.recv())
        assert told[0] == told[1]
        assert json.loads(told[0])["event"] == "error"
        check_told(str(told[0]), "NOT_FOUND")
        assert json.loads(told[0])["data"]["code"] == "NOT_FOUND"
        assert names(await client.turn(text="go", model="demo/plain"))[-1] == "complete"
    assert await settled(house) == before


@pytest.mark.parametrize("said_by", ["header", "token"])
async def test_the_socket_of_a_run_is_closed_as_that_of_none(said_by: str, house: House) -> None:
    """IS03, where the address names it."""
    mine = await house.asked(house.hers)
    before = await settled(house)
    told = []
    for run_id in (mine.run_id, f"run_{NOWHERE}"):
        path = RUN.format(run_id)
        query = f"?token={await house.token(house.theirs, path)}" if said_by == "token" else ""
        headers = header(house.theirs) if said_by == "header" else {}
        async with client_of(house.ws.removesuffix(CHAT) + path + query, additional_headers=headers) as client:
            frames, close, reason = await client.closed()
            told.append((json.dumps(frames), close, reason))
    assert told[0] == told[1]
    assert (told[0][1], told[0][2]) == (1000, "NOT_FOUND")
    check_told(told[0][0], "NOT_FOUND")
    assert await settled(house) == before


async def test_a_token_for_anothers_run_is_worth_nothing_there(house: House) -> None:
    """Tokens are made for any path, also of a run that is not there: asking for one tells nothing."""
    mine = await house.asked(house.hers)
    with pytest.raises(InvalidStatus):
        async with client_of(f"{house.ws}?token={await house.token(house.theirs, RUN.format(mine.run_id))}"):
            pass


async def test_a_file_of_another_is_one_that_is_not_there(house: House) -> None:
    """IS05: fetched, looked at, deleted and listed, over gRPC and REST."""
    form = {"file": ("secret.txt", b"hers alone", "text/plain")}
    made = (await house.http.post("/api/v1/upload", files=form, headers=header(house.hers))).json()
    before = await settled(house)
    stub, theirs = house.caller.uploads, header(house.theirs)
    ids = (made["upload_id"], f"upl_{NOWHERE}")
    for call, request in (
        (stub.GetUpload, upload_pb.GetUploadRequest),
        (stub.DeleteUpload, upload_pb.DeleteUploadRequest),
    ):
        told = [await refusal(call(request(upload_id=each), metadata=by(house.theirs))) for each in ids]
        assert told[0].reason == "NOT_FOUND"
        assert told[0].raw == told[1].raw
        check_told(str(told[0]), told[0].reason)
    for verb in ("GET", "HEAD", "DELETE"):
        for more in ({}, {"range": "bytes=0-3"}, {"if-none-match": f'"{made["sha256"]}"'}):
            answers = [
                await house.http.request(verb, f"/api/v1/uploads/{each}", headers={**theirs, **more}) for each in ids
            ]
            assert {each.status_code for each in answers} == {404}
            assert answers[0].content == answers[1].content
            assert shown(answers[0].headers) == shown(answers[1].headers)
            if verb != "HEAD":
                check_told(answers[0].text, answers[0].json()["error"]["code"])
    assert (await house.http.get("/api/v1/uploads", headers=theirs)).json()["uploads"] == []
    assert not (await stub.ListUploads(upload_pb.ListUploadsRequest(), metadata=by(house.theirs))).uploads
    for name in ("image_path", "context_files"):
        bodies = []
        for each in ids:
            path: Any = f"uploads/{each}"
            body = {"text": "go", name: path if name == "image_path" else [path]}
            answer = await house.http.post("/api/v1/chat/message", json=body, headers=theirs)
            assert 400 <= answer.status_code < 500
            bodies.append(answer.content)
        assert bodies[0] == bodies[1]
    again = await house.http.get(f"/api/v1/uploads/{made['upload_id']}", headers=header(house.hers))
    assert again.content == b"hers alone"
    assert await settled(house) == before


def shown(headers: Any) -> dict[str, str]:
    """What does not change with the time."""
    return {name: value for name, value in headers.items() if name != "date" and not name.startswith("x-ratelimit")}
