"""REST over the whole server, on real sockets: what its calls do, and everything that is refused."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.web import WholeWeb, raw, whole_web
from thinkaloud_server.web.app import WebSettings

JSON = {"content-type": "application/json"}


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[WholeWeb]:
    async with whole_web(tmp_path) as served:
        yield served


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[WholeWeb]:
    settings = WebSettings(origins=("https://good.example",), body_bytes=1000, body_timeout_s=0.3, head_bytes=4096)
    async with whole_web(tmp_path, settings=settings) as served:
        yield served


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error of a refusal, which is always the one envelope."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) == {"error"}
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"code", "message", "details", "request_id"}
    assert error["code"] == code
    assert error["request_id"] == answer.headers["x-request-id"]
    return error


async def test_a_turn_answers_with_the_data_of_complete(web: WholeWeb) -> None:
    asked = {"text": "What is 17*23?", "model": "demo/plain", "streaming": True}
    answer = (await web.client.post("/api/v1/chat/message", json=asked)).json()
    assert "391" in answer["response"]
    assert (answer["finish_reason"], answer["action_results"], answer["reasoning_only"]) == ("stop", [], False)
    assert "reasoning" not in answer
    run = (await web.client.get(f"/api/v1/runs/{answer['run_id']}")).json()
    assert run["complete"]["response"] == answer["response"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", run["created_at"])
    history = (await web.client.get(f"/api/v1/conversations/{answer['conversation_id']}/history")).json()
    assert [message["role"] for message in history["messages"]] == ["user", "assistant"]


async def test_a_conversation_is_made_changed_and_deleted(web: WholeWeb) -> None:
    made = (await web.client.post("/api/v1/conversations/create", json={"title": "One"})).json()
    path = f"/api/v1/conversations/{made['conversation_id']}"
    changed = await web.client.patch(path, json={"title": "Zwei", "metadata": {"k": "v"}})
    assert (changed.json()["title"], changed.json()["metadata"]) == ("Zwei", {"k": "v"})
    assert (await web.client.delete(path)).json() == {}
    refused(await web.client.get(path), 404, "NOT_FOUND")


async def test_the_header_is_the_idempotency_key(web: WholeWeb) -> None:
    headers = {"idempotency-key": "once"}
    asked = {"text": "What is 2+2?", "model": "demo/plain"}
    first = await web.client.post("/api/v1/chat/message", json=asked, headers=headers)
    second = await web.client.post("/api/v1/chat/message", json=asked | {"idempotency_key": "once"})
    assert first.json()["run_id"] == second.json()["run_id"]
    other = await web.client.post("/api/v1/chat/message", json={"text": "3+3?"}, headers=headers)
    refused(other, 422, "IDEMPOTENCY_KEY_REUSED")
    both = await web.client.post("/api/v1/chat/message", json=asked | {"idempotency_key": "two"}, headers=headers)
    refused(both, 400, "VALIDATION_FAILED")
    empty = await web.client.post("/api/v1/chat/message", json=asked, headers={"idempotency-key": ""})
    refused(empty, 400, "IDEMPOTENCY_KEY_INVALID")


async def test_a_refusal_names_the_field_and_a_near_model(web: WholeWeb) -> None:
    error = refused(
        await web.client.post("/api/v1/chat/message", json={"text": "a", "temperature": 3}), 400, "VALIDATION_FAILED"
    )
    assert error["details"]["field_violations"][0]["field"] == "temperature"
    near = refused(
        await web.client.post("/api/v1/chat/message", json={"text": "a", "model": "demo/reasonr"}),
        404,
        "MODEL_NOT_FOUND",
    )
    assert "demo/reasoner" in near["details"]["near"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "MALFORMED_REQUEST"),
        (b"\xff\xfe{\x00}\x00", 400, "MALFORMED_REQUEST"),
        (b"\xef\xbb\xbf{}", 400, "MALFORMED_REQUEST"),
        (b'{"text":"a","text":"b"}', 400, "MALFORMED_REQUEST"),
        (b'{"temperature":NaN}', 400, "MALFORMED_REQUEST"),
        (b'{"temperature":1e400}', 400, "MALFORMED_REQUEST"),
        (b'{"seed":' + b"9" * 1_000_000 + b"}", 400, "MALFORMED_REQUEST"),
        (b"[" * 100_000, 400, "MALFORMED_REQUEST"),
        (b"[]", 400, "VALIDATION_FAILED"),
        (b'{"tenant":"x","text":"a"}', 400, "UNKNOWN_FIELD"),
        (b'{"text":"a","max_iterations":"many"}', 400, "VALIDATION_FAILED"),
        (b'{"text":"\\ud800"}', 400, "VALIDATION_FAILED"),
        (b'{"text":"a","context":' + b'{"a":' * 90 + b"1" + b"}" * 90 + b"}", 400, "VALIDATION_FAILED"),
        (b'{"text":"' + b"a" * 500_001 + b'"}', 413, "TEXT_TOO_LONG"),
    ],
)
async def test_a_bad_body_is_refused_and_the_next_one_served(
    web: WholeWeb, body: bytes, status: int, code: str
) -> None:
    refused(await web.client.post("/api/v1/chat/message", content=body, headers=JSON), status, code)
    good = await web.client.post("/api/v1/chat/message", json={"text": "2+2", "model": "demo/plain"})
    assert good.status_code == 200


@pytest.mark.parametrize("run", ["%2e%2e", "x", "run_1%00", "%F0%9F%98%80", "conv_" + "0" * 32, "'--", ""])
async def test_a_bad_id_is_refused(web: WholeWeb, run: str) -> None:
    refused(await web.client.get(f"/api/v1/runs/{run}"), 400, "INVALID_ID")


async def test_dots_in_a_path_lead_nowhere(web: WholeWeb) -> None:
    head = b"GET /api/v1/runs/.. HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answer = await raw(web.url, head)
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"INVALID_ID" in answer


async def test_a_path_of_bad_bytes_is_refused(web: WholeWeb) -> None:
    refused(await web.client.get("/api/v1/runs/%ff"), 400, "MALFORMED_REQUEST")
    refused(await web.client.get("/api/v1/runs?state=%ff"), 400, "MALFORMED_REQUEST")
    refused(await web.client.get("/api/v1/runs?state=a&state=b"), 400, "VALIDATION_FAILED")
    refused(await web.client.get("/api/v1/runs?nothing=1"), 400, "UNKNOWN_FIELD")


@pytest.mark.parametrize(
    ("verb", "path", "allow"),
    [
        ("PUT", "/api/v1/health", "GET, HEAD, OPTIONS"),
        ("TRACE", "/api/v1/health", "GET, HEAD, OPTIONS"),
        ("HEAD", "/api/v1/chat/stream-sse", "POST, GET, OPTIONS"),
        ("GET", "/api/v1/chat/message", "POST, OPTIONS"),
    ],
)
async def test_another_verb_is_told_which_are_allowed(web: WholeWeb, verb: str, path: str, allow: str) -> None:
    answer = await web.client.request(verb, path, headers={"x-http-method-override": "GET"})
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


async def test_head_is_get_without_its_body_and_options_tells_the_verbs(web: WholeWeb) -> None:
    head, got = await web.client.head("/api/v1/models/current"), await web.client.get("/api/v1/models/current")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
    options = await web.client.options("/api/v1/runs/x/stop")
    assert (options.status_code, options.headers["allow"], options.content) == (204, "POST, OPTIONS", b"")
    refused(await web.client.options("/nowhere"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("application/vnd.thinkaloud.v1+json", "application/vnd.thinkaloud.v1+json"),
        ("application/vnd.thinkaloud.v99+json", None),
        ("application/vnd.thinkaloud.v99+json, application/*;q=0.1", "application/json"),
        ("text/event-stream", None),
    ],
)
async def test_what_is_accepted_is_sent(web: WholeWeb, accept: str, kind: str | None) -> None:
    answer = await web.client.get("/api/v1/health", headers={"accept": accept})
    if kind is None:
        refused(answer, 406, "NOT_ACCEPTABLE")
    else:
        assert answer.headers["content-type"] == kind


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {},
    ],
)
async def test_a_body_that_is_not_said_to_be_json_is_refused(web: WholeWeb, headers: dict[str, str]) -> None:
    answer = await web.client.post("/api/v1/chat/message", content=b'{"text":"a"}', headers=headers)
    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


async def _stream_of(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b" " * 100


async def test_a_body_over_the_limit_is_refused_declared_or_not(strict: WholeWeb) -> None:
    for body in (b" " * 1001, _stream_of(5000)):
        answer = await strict.client.post("/api/v1/chat/message", content=body, headers=JSON)
        refused(answer, 413, "MESSAGE_TOO_LARGE")
        assert answer.headers["connection"] == "close"


async def test_a_body_that_does_not_come_is_not_waited_for(strict: WholeWeb) -> None:
    head = b"POST /api/v1/chat/message HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    answer = await raw(strict.url, head + b"content-length: 100\r\n\r\n{")
    assert b" 408 " in answer.partition(b"\r\n")[0]
    assert b"REQUEST_TIMEOUT" in answer


@pytest.mark.parametrize(
    "headers",
    [{"x-long": "a" * 5000}, {f"x-{number}": "a" for number in range(200)}],
)
async def test_a_head_over_the_limit_is_refused(strict: WholeWeb, headers: dict[str, str]) -> None:
    refused(await strict.client.get("/api/v1/health", headers=headers), 431, "HEADERS_TOO_LARGE")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::2]:80"])
async def test_another_host_is_refused(web: WholeWeb, host: str) -> None:
    refused(await web.client.get("/api/v1/health", headers={"host": host}), 400, "HOST_NOT_ALLOWED")


@pytest.mark.parametrize("hosts", [b"", b"host: localhost\r\nhost: localhost\r\n"])
async def test_no_host_and_two_hosts_are_refused(web: WholeWeb, hosts: bytes) -> None:
    answer = await raw(web.url, b"GET /api/v1/health HTTP/1.1\r\nconnection: close\r\n" + hosts + b"\r\n")
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"HOST_NOT_ALLOWED" in answer


@pytest.mark.parametrize(
    "origin", ["null", "https://good.example.evil.com", "https://evilgood.example", "http://good.example"]
)
async def test_no_page_of_another_origin_may_read_or_change_anything(strict: WholeWeb, origin: str) -> None:
    headers = {"origin": origin}
    got = await strict.client.get("/api/v1/health", headers=headers)
    assert not [name for name in got.headers if name.startswith("access-control")]
    refused(await strict.client.post("/api/v1/conversations/create", headers=headers), 403, "ORIGIN_NOT_ALLOWED")
    asking = headers | {"access-control-request-method": "POST"}
    answer = await strict.client.options("/api/v1/conversations/create", headers=asking)
    refused(answer, 403, "ORIGIN_NOT_ALLOWED")
    assert "access-control-allow-origin" not in answer.headers


async def test_a_page_of_an_allowed_origin_may(strict: WholeWeb) -> None:
    headers = {"origin": "https://good.example"}
    asking = headers | {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    preflight = await strict.client.options("/api/v1/conversations/create", headers=asking)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "content-type"
    made = await strict.client.post("/api/v1/conversations/create", json={}, headers=headers)
    assert made.headers["access-control-allow-origin"] == "https://good.example"
    assert made.headers["vary"] == "origin"


@pytest.mark.parametrize("given", ["a" * 129, "<b>", "a b", "ä"])
async def test_an_unfit_request_id_is_replaced(web: WholeWeb, given: str) -> None:
    answer = await web.client.get("/api/v1/health", headers={b"x-request-id": given.encode()})
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_a_fit_request_id_goes_through_everything(web: WholeWeb) -> None:
    headers = {"x-request-id": "mine-1", "x-correlation-id": "corr-1"}
    answer = await web.client.get("/api/v1/runs/run_x", headers=headers)
    assert refused(answer, 400, "INVALID_ID")["request_id"] == "mine-1"
    assert answer.headers["x-correlation-id"] == "corr-1"
    alone = await web.client.get("/api/v1/health", headers={"x-correlation-id": "corr-2"})
    assert alone.headers["x-request-id"] == "corr-2"
