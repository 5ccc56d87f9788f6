"""The Envoy that users are given, real and in front of real servers: routes, health, retries, and its transcoder."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from fakes.envoy import CONFIG, envoy_before, needs_envoy
from fakes.served import Served
from fakes.stubs import stubs
from thinkaloud import Client, Complete, Reasoning, Start
from thinkaloud.errors import ThinkaloudError
from thinkaloud.v1 import chat_service_pb2

pytestmark = needs_envoy

TURN = {"text": "What is 17*23?", "model": "demo/plain"}
ADMIN = ("--admin-address", "127.0.0.1:0")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("behind"), *ADMIN) as server:
        yield server


def json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines() if line]


async def test_a_chat_through_it_is_the_chat_and_can_be_watched_again(served: Served, tmp_path: Path) -> None:
    async with envoy_before(tmp_path, [served]) as envoy, Client(envoy.front) as client:
        async with client.stream("What is 17*23? think first", include_reasoning=True) as stream:
            events = [event async for event in stream]
        first, last = events[0], events[-1]
        assert isinstance(first, Start)
        assert isinstance(last, Complete)
        assert last.response == "17*23 = 391."
        assert any(isinstance(event, Reasoning) for event in events)
        async with client.watch(first.run_id, include_reasoning=True) as again:
            assert [event async for event in again] == events


async def test_a_refusal_through_it_is_the_refusal(served: Served, tmp_path: Path) -> None:
    async with envoy_before(tmp_path, [served]) as envoy, Client(envoy.front) as client:
        with pytest.raises(ThinkaloudError) as caught:
            await client.chat("hello", model="demo/nothing")
        assert caught.value.code == "MODEL_NOT_FOUND"


@pytest.mark.skipif(shutil.which("grpcurl") is None, reason="grpcurl is not on PATH")
async def test_grpcurl_talks_through_it(served: Served, tmp_path: Path) -> None:
    async with envoy_before(tmp_path, [served]) as envoy:
        for words in (("list",), ("thinkaloud.v1.SystemService/GetInfo",), ("grpc.health.v1.Health/Check",)):
            line = ("grpcurl", "-plaintext", envoy.front, *words)
            done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True, timeout=30, check=True)
            assert done.stdout
        line = ("grpcurl", "-protoset", "thinkaloud.binpb", "list")
        done = await asyncio.to_thread(
            subprocess.run, line, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
        )
        assert "thinkaloud.v1.ChatService" in done.stdout.split()


async def test_rest_sse_and_websocket_go_through_the_same_port(served: Served, tmp_path: Path) -> None:
    async with envoy_before(tmp_path, [served]) as envoy, httpx.AsyncClient(timeout=30) as http:
        base = f"http://{envoy.front}/api/v1"
        whole = await http.post(f"{base}/chat/message", json=TURN, headers={"x-request-id": "mine"})
        assert (whole.json()["response"], whole.headers["x-request-id"]) == ("17*23 = 391.", "mine")
        stream = await http.post(f"{base}/chat/stream-sse", json=TURN)
        assert re.findall(r"^event: (\w+)$", stream.text, re.M)[-1] == "complete"
        async with connect(f"ws://{envoy.front}/api/v1/chat/stream", proxy=None) as socket:
            await socket.send(json.dumps(TURN))
            names = [json.loads(await socket.recv())["event"]]
            while names[-1] not in ("complete", "error"):
                names.append(json.loads(await socket.recv())["event"])
            assert (names[0], names[-1]) == ("start", "complete")


async def test_a_draining_server_is_taken_out_and_keeps_its_streams(tmp_path: Path) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(Served(_folder(tmp_path, name), *ADMIN)) for name in ("one", "two")]
        async with envoy_before(tmp_path, servers) as envoy, Client(envoy.front) as client:
            # It is silent for so many seconds before its first word.
            async with client.stream("6", model="demo/slow") as open_stream:
                events = aiter(open_stream)
                start = await anext(events)
                assert isinstance(start, Start)
                (leaving,) = [server for server in servers if await _has(server, start.run_id)]
                (staying,) = [server for server in servers if server is not leaving]
                leaving.signal(signal.SIGTERM)
                async with asyncio.timeout(20):
                    while int(leaving.address.rpartition(":")[2]) not in await envoy.unhealthy():  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                for _ in range(10):
                    assert await _has(staying, (await client.chat("2+2?", model="demo/plain")).run_id)
                async with httpx.AsyncClient(timeout=30) as http:
                    answers = [await http.post(f"http://{envoy.front}/api/v1/chat/message", json=TURN) for _ in "1234"]
                    assert {answer.status_code for answer in answers} == {200}
                assert isinstance([event async for event in events][-1], Complete)
            assert await asyncio.to_thread(leaving.wait) == 0


async def test_a_server_that_has_no_room_is_left_for_another(tmp_path: Path) -> None:
    with ExitStack() as stack:
        full = stack.enter_context(Served(_folder(tmp_path, "full"), *ADMIN, THINKALOUD_RUNS__RUNS_MAX="1"))
        free = stack.enter_context(Served(_folder(tmp_path, "free"), *ADMIN))
        # Plain stubs: our client library would repeat what is refused by itself.
        async with (
            envoy_before(tmp_path, [full, free]) as envoy,
            stubs(full.address) as direct,
            stubs(envoy.front) as through,
        ):
            taken = direct.chat.Chat(chat_service_pb2.ChatRequest(text="60", model="demo/slow"))
            await taken.read()
            for _ in range(8):
                turn = chat_service_pb2.ChatRequest(text="2+2?", model="demo/plain")
                events = [each.event async for each in through.chat.Chat(turn)]
                assert await _has(free, events[0].start.run_id)
                whole = await through.chat.SendMessage(chat_service_pb2.SendMessageRequest(request=turn))
                assert await _has(free, whole.complete.run_id)
            taken.cancel()
        assert '"OVERLOADED"' in full.log()


async def test_its_transcoder_answers_as_the_servers_do(served: Served, tmp_path: Path) -> None:
    async with envoy_before(tmp_path, [served]) as envoy, httpx.AsyncClient(timeout=30) as http:
        ours, theirs = f"http://{served.http}/api/v1", f"http://{envoy.transcoded}/api/v1"
        # One key is one run: both faces tell the same one.
        turn = {**TURN, "include_reasoning": True, "idempotency_key": "both"}
        whole = [(await http.post(f"{base}/chat/message", json=turn)).json() for base in (ours, theirs)]
        assert whole[1] == {"complete": whole[0]}
        models = [(await http.get(f"{base}/models?provider=demo")).json() for base in (ours, theirs)]
        assert models[0] == models[1]
        streams = [
            json_lines((await http.post(f"{base}/chat/stream-sse", json=turn, headers=accept)).text)
            for base, accept in ((ours, {"accept": "application/x-ndjson"}), (theirs, {}))
        ]
        numbered = [{"sequence": each["sequence"], each["event"]: each["data"]} for each in streams[0]]
        assert [each["event"] for each in streams[1]] == numbered


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "code"),
    [
        ("POST", "chat/message", {"text": ""}, 400, "VALIDATION_FAILED"),
        ("POST", "chat/message", {**TURN, "model": "demo/nothing"}, 404, "MODEL_NOT_FOUND"),
        ("POST", "chat/stream-sse", {**TURN, "model": "demo/nothing"}, 404, "MODEL_NOT_FOUND"),
        ("GET", "runs/run_1", None, 400, "INVALID_ID"),
        ("GET", f"runs/run_{'0' * 32}/events", None, 404, "NOT_FOUND"),
    ],
)
async def test_a_status_before_the_first_event_is_an_http_status(
    verb: str, path: str, body: dict[str, Any] | None, status: int, code: str, served: Served, tmp_path: Path
) -> None:
    async with envoy_before(tmp_path, [served]) as envoy, httpx.AsyncClient(timeout=30) as http:
        headers = {"x-request-id": "mine"}
        ours = await http.request(verb, f"http://{served.http}/api/v1/{path}", json=body, headers=headers)
        theirs = await http.request(verb, f"http://{envoy.transcoded}/api/v1/{path}", json=body, headers=headers)
        assert (ours.status_code, ours.json()["error"]["code"]) == (status, code)
        told = theirs.json()
        details = {each["@type"].rpartition(".")[2]: each for each in told["details"]}
        assert (theirs.status_code, told["message"]) == (status, ours.json()["error"]["message"])
        assert (details["ErrorInfo"]["reason"], details["RequestInfo"]["request_id"]) == (code, "mine")


async def test_a_status_that_is_the_contracts_own_is_that_of_its_grpc_code(served: Served, tmp_path: Path) -> None:
    cases = {"IDEMPOTENCY_KEY_REUSED": (422, 400), "UPSTREAM_RATE_LIMITED": (503, 409), "TEXT_TOO_LONG": (413, 400)}
    turns = [
        {**TURN, "idempotency_key": "used", "seed": 1},
        {**TURN, "model": "demo/rate-limited"},
        {**TURN, "text": "x" * 500_001},
    ]
    async with envoy_before(tmp_path, [served]) as envoy, httpx.AsyncClient(timeout=30) as http:
        await http.post(f"http://{served.http}/api/v1/chat/message", json={**TURN, "idempotency_key": "used"})
        for turn, (code, statuses) in zip(turns, cases.items(), strict=True):
            ours = await http.post(f"http://{served.http}/api/v1/chat/message", json=turn)
            theirs = await http.post(f"http://{envoy.transcoded}/api/v1/chat/message", json=turn)
            assert (ours.status_code, theirs.status_code) == statuses, code
            assert ours.json()["error"]["code"] == theirs.json()["details"][0]["reason"] == code


async def test_a_failure_in_the_middle_is_the_last_event(served: Served, tmp_path: Path) -> None:
    async with envoy_before(tmp_path, [served]) as envoy, httpx.AsyncClient(timeout=30) as http:
        turn = {**TURN, "model": "demo/error-mid"}
        answer = await http.post(f"http://{envoy.transcoded}/api/v1/chat/stream-sse", json=turn)
        assert answer.status_code == 200
        assert json_lines(answer.text)[-1]["event"]["error"]["code"] == "UPSTREAM_ERROR"


def test_the_transcoder_knows_every_service_but_that_of_files(served: Served) -> None:
    document = httpx.get(f"http://{served.http}/api/openapi.json").json()
    listed = re.findall(r"- thinkaloud\.v1\.(\w+)$", CONFIG.read_text(), re.M)
    assert sorted([*listed, "UploadService"]) == sorted(tag["name"] for tag in document["tags"])


def _folder(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name


async def _has(server: Served, run_id: str) -> bool:
    """True when this very server has the run."""
    async with httpx.AsyncClient(timeout=30) as http:
        return (await http.get(f"http://{server.http}/api/v1/runs/{run_id}")).status_code == 200
