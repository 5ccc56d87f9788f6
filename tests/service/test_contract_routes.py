"""Every RPC has a face on HTTP, and every route that the contract promises answers with its shape.

The table of rows is that of the contract: what a real server answers is held against the fields that are promised there
and against the schema that the server itself publishes. Promised routes whose RPC is yet to come stand at the end with
what they wait for; the day they answer, their test fails here and they become rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from google.protobuf.descriptor import MethodDescriptor
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs
from websockets.sync.client import connect

from fakes.served import Served
from thinkaloud_server.web.file import file_of
from thinkaloud_server.web.route import holds_socket, routes_of, services_of_contract

TABLE = routes_of(services_of_contract())
METHODS = [method for service in services_of_contract() for method in service.methods]

TURN = {"text": "What is 17*23?", "model": "demo/plain"}
COMPLETE = {
    *("response", "action_results", "iterations", "max_iterations", "finish_reason", "model", "provider", "usage"),
    *("reasoning_used", "reasoning_only", "timing", "attempts", "conversation_id", "message_id", "run_id"),
}
RUN = {"run_id", "kind", "state", "conversation_id", "model", "last_sequence", "created_at", "ended_at", "complete"}
CONVERSATION = {"conversation_id", "title", "metadata", "message_count", "created_at", "updated_at"}
MODEL = {"id", "name", "provider", "current", "context_length", "reasoning"}
INFO = {"name", "version", "api_version", "current_model", "providers"}
HEALTH = {
    *("status", "timestamp", "uptime", "resource_usage", "performance_metrics", "components"),
    *(f"agent_capacity.{name}" for name in ("max", "active", "available", "utilization")),
}
EVENTS = ("start", "complete")
FILE = b"What is 17*23?"


@dataclass(frozen=True)
class Row:
    """A route, what is asked of it, and which fields its answer has: names with dots are inside, `[]` is the first of a
    list. An answer that is a stream has its first and last event instead, one that is a file its bytes.
    """

    route: str
    shape: set[str] | tuple[str, str] | bytes
    query: str = ""
    body: dict[str, Any] | None = None
    file: bytes | None = None

    @property
    def verb(self) -> str:
        return self.route.split()[0]

    @property
    def template(self) -> str:
        return f"/api/v1/{self.route.split()[1]}"


ROWS = [
    Row("POST chat/message", COMPLETE, body=TURN),
    Row("POST chat/message", COMPLETE | {"reasoning"}, body={**TURN, "model": "demo/tags", "include_reasoning": True}),
    Row("POST chat/stream-sse", EVENTS, body=TURN),
    Row("GET chat/stream-sse", EVENTS, "text=hello&model=demo/plain&idempotency_key=row"),
    Row("POST chat/batch", {"results[].index", "results[].complete.response"}, body={"requests": [TURN]}),
    Row("GET runs", {"runs[].run_id", "runs[].state", "next_page_token"}),
    Row("GET runs/{run_id}", RUN),
    Row("GET runs/{run_id}/events", EVENTS, "after_sequence=0"),
    Row("POST runs/{run_id}/stop", RUN, body={}),
    Row("GET conversations", {"conversations[].conversation_id", "next_page_token"}),
    Row("POST conversations/create", CONVERSATION, body={"title": "A row"}),
    Row("GET conversations/{conversation_id}", CONVERSATION),
    Row("PATCH conversations/{conversation_id}", CONVERSATION, body={"title": "Another"}),
    Row("GET conversations/{conversation_id}/history", {"conversation_id", "messages[].role", "messages[].parts"}),
    Row("DELETE conversations/{conversation_id}", set()),
    Row("GET models", {*(f"models[].{name}" for name in MODEL), "notes"}),
    Row("GET models/discover", {"models[].id", "notes"}, "provider=demo&search=reason&min_context=1"),
    Row("GET models/current", MODEL),
    Row("POST models/switch", {"ok", "status", "model_id", "current_model"}, body={"model_id": "demo/plain"}),
    Row("POST models/load", {"ok", "status", "model_id", "current_model"}, body={"model_id": "demo/plain"}),
    Row("GET health", HEALTH),
    Row("GET system/info", INFO),
    Row("GET system-info", INFO),
    Row("GET system/status", {"status", "streaming_active", "live_runs", "watchers", "timestamp"}),
    Row("GET capabilities", {"capabilities", "current_model", "api_version", "version", "limits.text_chars"}),
    Row("GET identity", {"tenant", "key_id", "scopes", "models"}),
    Row("POST identity/socket-tokens", {"token"}, body={"path": "/api/v1/chat/stream"}),
    Row("POST upload", {"upload_id", "path", "filename", "content_type", "size_bytes"}, file=FILE),
    Row("GET uploads", {"uploads[].upload_id", "next_page_token"}),
    Row("GET uploads/{upload_id}", FILE),
    Row("DELETE uploads/{upload_id}", set()),
    Row("GET token-usage", {"total.runs", "total.reasoning", "models", "last"}),
]

WAITING = {
    "RunMode": ["POST run/start", "GET run/status", "POST run/stop", "WS run/stream"],
    "tasks": ["POST tasks/execute", "POST tasks/execute-sync", "WS tasks/stream", "GET tasks", "GET tasks/{id}"],
    "checkpoints": [
        *("GET checkpoints", "POST checkpoints/create", "POST checkpoints/{id}/rollback"),
        *("POST checkpoints/{id}/branch", "GET checkpoints/stats", "POST checkpoints/cleanup"),
    ],
    "files of the workspace": ["GET context-files", "POST context-files/load"],
    "projects": ["POST projects/create", "GET projects", "GET projects/{id}", "DELETE projects/{id}"],
    "other people's wires": ["POST /v1/chat/completions", "POST /v1/responses", "GET /v1/models"],
}


@dataclass(frozen=True)
class Server:
    """A server with one run in one conversation, its document, and where its admin port is."""

    client: httpx.Client
    http: str
    admin: str
    document: dict[str, Any]
    ids: dict[str, str]

    def made(self) -> dict[str, str]:
        """A conversation and an upload that nobody needs."""
        conversation = self.client.post("/api/v1/conversations/create", json={}).json()
        upload = self.client.post("/api/v1/upload", files={"file": ("question.txt", FILE, "text/plain")}).json()
        return {"conversation_id": conversation["conversation_id"], "upload_id": upload["upload_id"]}

    def path(self, template: str, ids: dict[str, str] | None = None) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: (ids or self.ids).get(found[1], "x"), template)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    flags = ("--admin-address", "127.0.0.1:0")
    with (
        Served(tmp_path_factory.mktemp("rows"), *flags) as served,
        httpx.Client(base_url=f"http://{served.http}", timeout=30) as client,
    ):
        document = client.get("/api/openapi.json").json()
        server = Server(client, served.http, served.ready.split("admin=")[1].strip(), document, {})
        run = client.post("/api/v1/chat/message", json=TURN).json()
        server.ids.update(server.made() | {name: run[name] for name in ("run_id", "conversation_id")})
        yield server


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_rpc_has_a_face_on_http(method: MethodDescriptor) -> None:
    routes = [route for route in TABLE.routes if route.method is method]
    if holds_socket(method):  # for whoever serves WebSockets, and nobody else
        assert routes == []
        return
    assert routes, f"{method.full_name} has no route"
    if method.server_streaming and file_of(method) is None:
        assert [socket for socket in TABLE.sockets if socket.method is method], f"{method.full_name} has no WebSocket"


def test_every_route_is_a_row() -> None:
    assert {(row.verb, row.template) for row in ROWS} == {(each.verb, each.template.text) for each in TABLE.routes}


def missing(shape: set[str], answer: Any) -> set[str]:
    """The names that the answer lacks."""
    return {name for name in shape if not _has(answer, name.replace("[]", ".[]").split("."))}


def _has(value: Any, steps: list[str]) -> bool:
    for step in steps:
        if step == "[]":
            if not isinstance(value, list) or not value:
                return False
            value = value[0]
        elif not isinstance(value, dict) or step not in value:
            return False
        else:
            value = value[step]
    return True


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route)
def test_a_route_answers_with_its_shape(row: Row, server: Server) -> None:
    path = server.path(row.template, server.made() if row.verb == "DELETE" else None)
    files = {"file": ("question.txt", row.file, "text/plain")} if row.file is not None else None
    answer = server.client.request(row.verb, path, params=row.query or None, json=row.body, files=files)
    assert answer.status_code == 200, answer.text
    if isinstance(row.shape, tuple):
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        names = re.findall(r"^event: (\w+)$", answer.text, re.M)
        assert (names[0], names[-1]) == row.shape
        return
    if isinstance(row.shape, bytes):
        assert answer.content == row.shape
        return
    assert answer.headers["cache-control"] == "no-store"
    assert missing(row.shape, answer.json()) == set()
    described = server.document["paths"][row.template][row.verb.lower()]["responses"]["200"]
    schema = {**described["content"]["application/json"]["schema"], "components": server.document["components"]}
    assert [error.message for error in Draft202012Validator(schema).iter_errors(answer.json())] == []


def test_an_answer_that_lacks_a_field_is_found() -> None:
    assert missing({"a", "b.c", "d[].e", "f"}, {"a": 1, "b": {}, "d": []}) == {"b.c", "d[].e", "f"}


def test_two_names_of_one_route_say_the_same(server: Server) -> None:
    both = [server.client.get(f"/api/v1/{path}").json() for path in ("system/info", "system-info")]
    assert both[0] == both[1]


def test_a_switch_says_ok_by_either_name(server: Server) -> None:
    for name in ("switch", "load"):
        answer = server.client.post(f"/api/v1/models/{name}", json={"model_id": "demo/plain"}).json()
        assert (answer["ok"], answer["current_model"]) == (True, "demo/plain")


def test_a_turn_with_the_field_for_old_clients_says_that_it_is_retired(server: Server) -> None:
    for path in ("chat/message", "chat/stream-sse"):
        answer = server.client.post(f"/api/v1/{path}", json={**TURN, "streaming": False})
        assert answer.headers["deprecation"].startswith("@")
        assert "deprecation" not in server.client.post(f"/api/v1/{path}", json=TURN).headers


def test_a_turn_over_its_websocket_is_a_stream(server: Server) -> None:
    with connect(f"ws://{server.http}/api/v1/chat/stream", proxy=None) as socket:
        socket.send(json.dumps(TURN))
        names = [json.loads(socket.recv(timeout=20))["event"]]
        while names[-1] not in ("complete", "error"):
            names.append(json.loads(socket.recv(timeout=20))["event"])
    assert (names[0], names[-1]) == EVENTS


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/", "text/html", "text/html; charset=utf-8"),
        ("/", "application/json", "application/json"),
        ("/api/docs", "text/html", "text/html; charset=utf-8"),
        ("/api/redoc", "text/html", "text/html; charset=utf-8"),
        ("/api/openapi.json", "*/*", "application/json"),
    ],
)
def test_a_page_is_there(path: str, accept: str, kind: str, server: Server) -> None:
    answer = server.client.get(path, headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    if path == "/" and kind == "application/json":
        assert {"name", "version", "capabilities", "links"} <= set(answer.json())


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_the_admin_port_has_what_watches(path: str, server: Server) -> None:
    assert httpx.get(f"http://{server.admin}{path}", timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("what", "route"), [(what, route) for what, routes in WAITING.items() for route in routes], ids=lambda each: each
)
def test_a_route_that_waits_is_not_there_yet(what: str, route: str, server: Server) -> None:
    verb, path = route.split()
    where = server.path(path if path.startswith("/") else f"/api/v1/{path}")
    answer = server.client.request("GET" if verb == "WS" else verb, where, json={} if verb == "POST" else None)
    assert answer.json()["error"]["code"] == "NOT_FOUND", f"{what} came: make {route} a row"
    assert where not in {socket.template.text for socket in TABLE.sockets}
