"""Answers and refusals as ASGI messages, and the header that is an idempotency key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from fakes.toy import toy_message, toy_service
from thinkaloud.v1 import chat_service_pb2, model_service_pb2
from thinkaloud_server.web import rest
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.route import RouteTable, routes_of, services_of_contract

OURS, TOY = routes_of(services_of_contract()), routes_of([toy_service()])


class Sent:
    """What was sent, as an HTTP answer."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def __call__(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.messages[0]["headers"]}


def asked(*keys: str) -> Asked:
    headers = Headers(raw=[(b"idempotency-key", key.encode("latin-1")) for key in keys])
    return Asked("POST", "/", "", headers, "r", "")


async def test_an_answer_says_its_length_and_is_not_kept() -> None:
    sent = Sent()
    await rest.respond(sent, 200, b"{}", "application/json", [("x-request-id", "r")])
    assert sent.messages[0]["status"] == 200
    assert sent.headers == {
        "x-request-id": "r",
        "content-type": "application/json",
        "content-length": "2",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    assert sent.messages[1] == {"type": "http.response.body", "body": b"{}", "more_body": False}


async def test_no_content_has_no_type() -> None:
    sent = Sent()
    await rest.respond(sent, 204, b"", "", [])
    assert not {"content-type", "content-length"} & set(sent.headers)


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (HttpError("RATE_LIMITED", "slow", retry_after_s=0.2), 429, {"retry-after": "1"}),
        (HttpError("DRAINING", "bye", retry_after_s=0), 503, {"retry-after": "0"}),
        (HttpError("AUTH_REQUIRED", "who"), 401, {"www-authenticate": "Bearer"}),
        (HttpError("METHOD_NOT_ALLOWED", "no", headers=[("allow", "GET")]), 405, {"allow": "GET"}),
        (HttpError("INTERNAL", "internal error"), 500, {}),
    ],
)
async def test_a_refusal_has_its_headers_and_the_envelope(
    error: HttpError, status: int, headers: dict[str, str]
) -> None:
    sent = Sent()
    await rest.refuse(sent, error, "r", [])
    assert sent.messages[0]["status"] == status
    assert headers.items() <= sent.headers.items()
    assert json.loads(sent.messages[1]["body"])["error"]["code"] == error.code


def test_an_answer_is_the_message_or_one_field_of_it() -> None:
    switched = model_service_pb2.SwitchModelResponse(ok=True, model_id="a/b")
    status, body = rest.answer_of(switched, "")
    assert (status, json.loads(body)["ok"]) == (200, True)
    assert rest.answer_of(switched, "model_id") == (200, b'"a/b"')
    listed = model_service_pb2.ListModelsResponse(models=[model_service_pb2.Model(id="a/b")], notes=["n"])
    assert rest.answer_of(listed, "notes") == (200, b'["n"]')
    assert json.loads(rest.answer_of(listed, "models")[1])[0]["id"] == "a/b"
    current = model_service_pb2.GetCurrentModelResponse()
    assert json.loads(rest.answer_of(current, "model")[1])["id"] == ""


@pytest.mark.parametrize(
    ("message", "table", "path", "where"),
    [
        (chat_service_pb2.ChatRequest(), OURS, "/api/v1/chat/stream-sse", ""),
        (chat_service_pb2.SendMessageRequest(), OURS, "/api/v1/chat/message", "request"),
        (toy_message("Everything"), TOY, "/toy/echo", ""),
    ],
)
def test_the_key_of_the_header_goes_where_the_message_has_a_place(
    message: Any, table: RouteTable, path: str, where: str
) -> None:
    route, _ = table.find("POST", path)
    owner = getattr(message, where) if where else message
    assert rest.take_key(message, route.body, asked()) == ""
    assert rest.take_key(message, route.body, asked("k1")) == "k1"
    assert owner.idempotency_key == "k1"
    assert rest.take_key(message, route.body, asked("k1")) == "k1"
    assert rest.take_key(message, route.body, asked()) == "k1"
    for keys, code in (
        (("k2",), "VALIDATION_FAILED"),
        (("k1", "k1"), "IDEMPOTENCY_KEY_INVALID"),
        (("",), "IDEMPOTENCY_KEY_INVALID"),
    ):
        with pytest.raises(HttpError) as refused:
            rest.take_key(message, route.body, asked(*keys))
        assert refused.value.code == code


def test_a_message_without_a_place_for_a_key_ignores_it() -> None:
    route, _ = OURS.find("GET", "/api/v1/models/current")
    message = model_service_pb2.GetCurrentModelRequest()
    assert rest.take_key(message, route.body, asked("k")) == ""
    assert not message.ListFields()
