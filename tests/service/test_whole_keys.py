"""Two tenants on one whole server, over gRPC and HTTP: what each is answered, and what neither sees of the other."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from fakes.abused import MODEL
from fakes.rpc import collect, refused
from fakes.tenants import House, by, header, other_last, refusal, tenants
from fakes.whole import made_key, revoke_key
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import conversation_service_pb2 as conversation_pb
from thinkaloud.v1 import run_service_pb2 as run_pb
from thinkaloud.v1 import system_service_pb2 as system_pb

NOWHERE: dict[str, Any] = {"conversation_id": "conv_" + "0" * 32, "run_id": "run_" + "0" * 32}


@pytest.fixture
async def house(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    caplog.set_level(logging.INFO)
    async with tenants(tmp_path, caplog) as found:
        yield found


# AU: credentials.

ROUTES = ["/api/v1/models", "/api/v1/runs", "/api/v1/conversations", "/api/v1/system/status", "/api/v1/identity"]
LIST = "/thinkaloud.v1.RunService/ListRuns"


async def listed(house: House, metadata: Any) -> Any:
    """The refusal of a plain call with this metadata; what no stub lets through is sent as it is."""
    return await refusal(house.caller.channel.unary_unary(LIST)(b"", metadata=metadata))


async def test_without_a_credential_every_route_answers_the_same(house: House) -> None:
    found = await listed(house, by())
    assert (found.code, found.reason) == (grpc.StatusCode.UNAUTHENTICATED, "AUTH_REQUIRED")
    answers = [await house.http.get(route, headers={"x-request-id": "req-1"}) for route in ROUTES]
    assert {(each.status_code, each.text) for each in answers} == {(401, answers[0].text)}
    assert answers[0].json()["error"]["code"] == "AUTH_REQUIRED"


async def test_an_unknown_key_and_a_changed_one_are_told_apart_by_nobody(house: House, tmp_path: Path) -> None:
    unknown = made_key(tmp_path / "elsewhere", "acme", "read")
    keys = (unknown, other_last(house.hers), house.hers + "x", house.hers[:14] + unknown[14:], "tk_", "x", "a.b.c")
    told = [await listed(house, by(key)) for key in keys]
    assert {each.raw for each in told} == {told[0].raw}
    assert told[0].reason == "AUTH_INVALID"
    answers = [await house.http.get(ROUTES[0], headers=header(key)) for key in keys]
    assert {(each.status_code, each.text) for each in answers} == {(401, answers[0].text)}


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Basic abc", "tk_x", "Bearer " + "x" * 4000], ids=["empty", "bare", "basic", "key", "long"]
)
async def test_what_is_no_credential_is_refused(house: House, value: str) -> None:
    metadata = (("authorization", value),)
    assert (await listed(house, metadata)).reason == "AUTH_INVALID"
    answer = await house.http.get(ROUTES[0], headers={"authorization": value} if value else {})
    assert (answer.status_code, answer.json()["error"]["code"][:5]) == (401, "AUTH_")


async def test_a_key_of_a_megabyte_is_refused_by_the_frame(house: House) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await house.caller.channel.unary_unary(LIST)(b"", metadata=by("tk_" + "x" * 1_000_000))
    assert caught.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
    with pytest.raises(httpx.HTTPError):  # or an answer before all was sent
        (await house.http.get(ROUTES[0], headers=header("tk_" + "x" * 1_000_000))).raise_for_status()


@pytest.mark.parametrize("good_first", [True, False])
async def test_of_two_credentials_none_counts(house: House, good_first: bool) -> None:
    keys = (house.hers, "x") if good_first else ("x", house.hers)
    assert (await listed(house, by(*keys))).reason == "AUTH_INVALID"
    answer = await house.http.get(ROUTES[0], headers=[("authorization", f"Bearer {key}") for key in keys])
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AUTH_INVALID")


async def test_a_key_in_a_query_is_none(house: House) -> None:
    answer = await house.http.get(ROUTES[1], params={"api_key": house.hers})
    assert answer.status_code in (400, 401)
    assert house.hers not in answer.text


async def test_revoking_ends_open_streams_on_every_face_within_five_seconds(house: House) -> None:
    ask: dict[str, Any] = {"text": "go on", "model": "demo/slow", "detach": 0}
    stream = house.caller.chat.Chat(pb.ChatRequest(**ask), metadata=by(house.theirs))
    assert (await stream.read()).event.HasField("start")
    run_id = (await house.caller.runs.ListRuns(run_pb.ListRunsRequest(), metadata=by(house.theirs))).runs[0].run_id
    watch = house.caller.runs.WatchRun(run_pb.WatchRunRequest(run_id=run_id), metadata=by(house.theirs))
    assert await watch.read()
    async with house.http.stream("POST", "/api/v1/chat/stream-sse", json=ask, headers=header(house.theirs)) as sse:
        lines = sse.aiter_lines()
        assert await anext(lines)
        revoke_key(house.data_dir, house.theirs)
        began = time.monotonic()
        async with asyncio.timeout(5):
            for each in (stream, watch):
                _, error = await collect(each)
                assert error is not None
                assert (error.code(), refused(error).reason) == (grpc.StatusCode.UNAUTHENTICATED, "AUTH_REVOKED")
            rest = [line async for line in lines]
    assert time.monotonic() - began < 5
    data = [json.loads(line.removeprefix("data: ")) for line in rest if line.startswith("data: ")]
    assert data[-1]["code"] == "AUTH_REVOKED"
    assert (await listed(house, by(house.theirs))).reason == "AUTH_REVOKED"
    answer = await house.http.get(ROUTES[0], headers=header(house.theirs))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AUTH_REVOKED")


async def test_a_key_that_only_reads_changes_nothing(house: House) -> None:
    reader = made_key(house.data_dir, "acme", "read")
    conversation_id = (await house.asked(house.hers)).conversation_id
    await house.noticed(reader)
    deletion = conversation_pb.DeleteConversationRequest(conversation_id=conversation_id)
    for call in (
        house.caller.conversations.DeleteConversation(deletion, metadata=by(reader)),
        house.caller.chat.Chat(pb.ChatRequest(text="hi"), metadata=by(reader)),
        house.caller.system.GetStatus(system_pb.GetStatusRequest(), metadata=by(reader)),
    ):
        found = await refusal(call)
        assert (found.code, found.reason) == (grpc.StatusCode.PERMISSION_DENIED, "SCOPE_DENIED")
    for verb, path in (
        ("DELETE", f"/api/v1/conversations/{conversation_id}"),
        ("POST", "/api/v1/chat/message"),
        ("GET", "/api/v1/system/status"),
    ):
        body = {"text": "hi"} if verb == "POST" else None
        answer = await house.http.request(verb, path, json=body, headers=header(reader))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "SCOPE_DENIED")
    answer = await house.http.get(f"/api/v1/conversations/{conversation_id}", headers=header(house.hers))
    assert answer.json()["message_count"] == 2


async def test_nothing_that_is_kept_holds_a_key(house: House) -> None:
    await house.asked(house.hers)
    kept = {file.name: file.read_bytes() for file in house.data_dir.rglob("*") if file.is_file()}
    assert "keys.db" in kept
    for key in (house.hers, house.theirs):
        assert [name for name, data in kept.items() if key[14:].encode() in data] == []
        assert key[:13].encode() in kept["keys.db"] + kept.get("keys.db-wal", b"")


# IS: what is another's.


def calls_at(conversation_id: str, run_id: str) -> dict[str, tuple[str, Any]]:
    """Every call that names a stored thing: the method, and its request."""
    of: dict[str, Any] = {"conversation_id": conversation_id}
    return {
        "get": ("conversations.GetConversation", conversation_pb.GetConversationRequest(**of)),
        "history": ("conversations.GetHistory", conversation_pb.GetHistoryRequest(**of)),
        "rename": ("conversations.UpdateConversation", conversation_pb.UpdateConversationRequest(**of, title="mine")),
        "delete": ("conversations.DeleteConversation", conversation_pb.DeleteConversationRequest(**of)),
        "chat": ("chat.Chat", pb.ChatRequest(**of, text="hi", model=MODEL)),
        "watch": ("runs.WatchRun", run_pb.WatchRunRequest(run_id=run_id)),
        "run": ("runs.GetRun", run_pb.GetRunRequest(run_id=run_id)),
        "stop": ("runs.StopRun", run_pb.StopRunRequest(run_id=run_id)),
        "runs-of": ("runs.ListRuns", run_pb.ListRunsRequest(**of)),
    }


def http_at(conversation_id: str, run_id: str) -> dict[str, tuple[str, str, Any]]:
    conversation, run = f"/api/v1/conversations/{conversation_id}", f"/api/v1/runs/{run_id}"
    return {
        "get": ("GET", conversation, None),
        "history": ("GET", f"{conversation}/history", None),
        "rename": ("PATCH", conversation, {"title": "mine"}),
        "delete": ("DELETE", conversation, None),
        "chat": ("POST", "/api/v1/chat/message", {"text": "hi", "model": MODEL, "conversation_id": conversation_id}),
        "chat-sse": ("POST", "/api/v1/chat/stream-sse", {"text": "hi", "conversation_id": conversation_id}),
        "watch": ("GET", f"{run}/events", None),
        "run": ("GET", run, None),
        "stop": ("POST", f"{run}/stop", {}),
    }


async def everything(house: House, key: str, conversation_id: str, run_id: str) -> list[str]:
    """What this caller is shown of a conversation and its run."""
    shown = []
    for name, (method, request) in calls_at(conversation_id, run_id).items():
        if name in ("get", "history", "run", "runs-of"):
            service, _, rpc = method.partition(".")
            shown.append(str(await getattr(getattr(house.caller, service), rpc)(request, metadata=by(key))))
    return shown


async def test_another_ones_things_are_answered_like_those_that_are_not_there(house: House) -> None:
    mine = await house.asked(house.hers)
    of: dict[str, Any] = {"conversation_id": mine.conversation_id, "run_id": mine.run_id}
    before = await everything(house, house.hers, **of)
    there, nowhere = calls_at(**of), calls_at(**NOWHERE)
    for name, (method, request) in there.items():
        if name == "runs-of":
            continue
        service, _, rpc = method.partition(".")
        call = getattr(getattr(house.caller, service), rpc)
        found = await refusal(call(request, metadata=by(house.theirs)))
        assert (found.code, found.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND"), name
        assert found.raw == (await refusal(call(nowhere[name][1], metadata=by(house.theirs)))).raw, name
    listed_runs = run_pb.ListRunsRequest(conversation_id=mine.conversation_id)
    assert not (await house.caller.runs.ListRuns(listed_runs, metadata=by(house.theirs))).runs
    lists = conversation_pb.ListConversationsRequest()
    assert not (await house.caller.conversations.ListConversations(lists, metadata=by(house.theirs))).conversations
    assert await everything(house, house.hers, **of) == before


async def test_over_http_it_is_the_same(house: House) -> None:
    mine = await house.asked(house.hers)
    of: dict[str, Any] = {"conversation_id": mine.conversation_id, "run_id": mine.run_id}
    before = await everything(house, house.hers, **of)
    there, nowhere = http_at(**of), http_at(**NOWHERE)
    for name in there:
        answers = [
            await house.http.request(verb, path, json=body, headers=header(house.theirs))
            for verb, path, body in (there[name], nowhere[name])
        ]
        assert (answers[0].status_code, answers[0].json()["error"]["code"]) == (404, "NOT_FOUND"), name
        assert answers[0].content == answers[1].content, name
    for path in ("/api/v1/conversations", "/api/v1/runs"):
        answer = (await house.http.get(path, headers=header(house.theirs))).json()
        assert not answer[path.rpartition("/")[2]]
    assert await everything(house, house.hers, **of) == before


async def test_an_idempotency_key_is_its_tenants_own(house: House) -> None:
    turn = {"idempotency_key": "one-and-the-same"}
    mine, again, theirs = [await house.asked(key, **turn) for key in (house.hers, house.hers, house.theirs)]
    assert mine.run_id == again.run_id != theirs.run_id
    body = {"text": "What is 6*7?", "model": MODEL, **turn}
    answer = await house.http.post("/api/v1/chat/message", json=body, headers=header(house.theirs))
    assert answer.json()["run_id"] == theirs.run_id


async def test_a_page_token_leads_on_for_its_own_tenant_and_list_alone(house: House) -> None:
    for _ in range(2):
        await house.asked(house.hers)
        await house.asked(house.theirs)
    lists = house.caller.runs.ListRuns
    first = await lists(run_pb.ListRunsRequest(page_size=1), metadata=by(house.hers))
    token = first.next_page_token
    second = await lists(run_pb.ListRunsRequest(page_size=1, page_token=token), metadata=by(house.hers))
    assert second.runs[0].run_id != first.runs[0].run_id
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    for key, asked in (
        (house.theirs, {"page_token": token}),
        (house.hers, {"page_token": token, "state": "completed"}),
        (house.hers, {"page_token": forged}),
        (house.hers, {"page_token": token.partition(".")[0]}),
    ):
        found = await refusal(lists(run_pb.ListRunsRequest(**asked), metadata=by(key)))
        assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")
        answer = await house.http.get("/api/v1/runs", params=asked, headers=header(key))
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_PAGE_TOKEN")
    others = conversation_pb.ListConversationsRequest(page_token=token)
    call = house.caller.conversations.ListConversations(others, metadata=by(house.hers))
    assert (await refusal(call)).reason == "INVALID_PAGE_TOKEN"


async def test_where_providers_are_is_told_to_admins_alone(house: House) -> None:
    admin = made_key(house.data_dir, "acme", "read", "admin")
    await house.noticed(admin)
    for key in (house.hers, admin):
        info = await house.caller.system.GetInfo(system_pb.GetInfoRequest(), metadata=by(key))
        assert {each.name: each.base_url for each in info.providers} == {
            "demo": "",
            "local": house.provider.base_url if key is admin else "",
        }
    assert (await house.http.get("/api/v1/health")).json()["uptime"] == 0
    assert (await house.http.get("/api/v1/health", headers=header(house.hers))).json()["uptime"] > 0
