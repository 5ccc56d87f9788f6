"""Headers, URLs and verbatim JSON, common to the requests of all dialects."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.http import endpoint_url, json_object, request_headers
from thinkaloud_server.providers.vendors import Vendor

IT = Vendor(
    "it",
    base_url="https://api.it.example/v2",
    key_header="x-key",
    headers=(("it-version", "1"),),
    chat_path="/models/{model}:talk",
    query=(("/v2/", "alt", "sse"),),
)


def endpoint(base_url: str = "https://api.it.example/v2", **more: object) -> Endpoint:
    return Endpoint("it", base_url, IT, **more)  # type: ignore[arg-type]  # the fields' own types


def test_a_vendors_headers_go_along_and_configured_ones_win() -> None:
    it = endpoint(api_key="k3y", headers=(("It-Version", "2"), ("x-team", "a")))
    assert dict(request_headers(it, accept="text/event-stream")) == {
        "accept": "text/event-stream",
        "content-type": "application/json",
        "x-key": "k3y",
        "it-version": "2",
        "x-team": "a",
    }
    assert "content-type" not in dict(request_headers(it, accept="application/json"))


@pytest.mark.parametrize(
    ("base_url", "model", "expected"),
    [
        ("https://api.it.example/v2", "m-1", "https://api.it.example/v2/models/m-1:talk?alt=sse"),
        ("https://api.it.example", "m-1", "https://api.it.example/v2/models/m-1:talk?alt=sse"),
        ("https://api.it.example/v2/", "a/b c?d", "https://api.it.example/v2/models/a/b%20c%3Fd:talk?alt=sse"),
        ("https://h.example/v9?team=x", "m", "https://h.example/v9/models/m:talk?team=x"),
        ("https://h.example/v2?alt=json", "m", "https://h.example/v2/models/m:talk?alt=json"),
    ],
)
def test_a_url_is_the_base_the_path_the_model_and_the_query(base_url: str, model: str, expected: str) -> None:
    assert endpoint_url(endpoint(base_url), IT.chat_path, model=model) == expected


@pytest.mark.parametrize(
    ("base_url", "path", "expected"),
    [
        ("https://h.example/v1", "/v1/messages", "https://h.example/v1/messages"),
        ("https://h.example/api/v1/", "/v1/messages", "https://h.example/api/v1/messages"),
        ("https://h.example/it", "/it/v1/messages", "https://h.example/it/v1/messages"),
        ("https://h.example/it/v1", "/it/v1/messages", "https://h.example/it/v1/messages"),
        ("https://h.example/v1", "/it/v1/messages", "https://h.example/v1/it/v1/messages"),
        ("https://h.example/xv1", "/v1/messages", "https://h.example/xv1/v1/messages"),
        # A path that the base ends with wholly is a place of its own.
        ("https://h.example/models", "/models", "https://h.example/models/models"),
        ("https://h.example", "/v1/messages", "https://h.example/v2/v1/messages"),
    ],
)
def test_what_a_path_begins_with_is_not_said_twice(base_url: str, path: str, expected: str) -> None:
    vendor = Vendor("it", base_url="https://api.it.example/v2")
    assert endpoint_url(Endpoint("it", base_url, vendor), path) == expected


def test_a_query_of_the_dialect_is_added_where_it_is_not_there() -> None:
    assert endpoint_url(endpoint(), "/models", query={"page": "1"}) == (
        "https://api.it.example/v2/models?alt=sse&page=1"
    )
    assert endpoint_url(endpoint("https://h.example/v1?page=2"), "/models", query={"page": "1"}) == (
        "https://h.example/v1/models?page=2"
    )


def test_json_goes_on_verbatim_and_must_be_an_object() -> None:
    assert bytes(json_object("x", '{"b": 1,  "a": 2}')) == b'{"b": 1,  "a": 2}'
    for text in ("[]", "{", '"x"', "", "{} {}", '{"a":' + "[" * 3_000 + "]" * 3_000 + "}"):
        with pytest.raises(ChatError, match="x: must be a JSON object"):
            json_object("x", text)
