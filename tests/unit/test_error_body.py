"""What an error body says, and what of it a caller may see."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thinkaloud_server.providers.error_body import (
    MESSAGE_CHARACTERS_MAX,
    presentable,
    read_error,
    read_error_value,
)

RAW = json.dumps({"error": {"message": "inner", "type": "t", "param": "temperature", "code": None}})
MESSAGES: dict[str, tuple[object, str]] = {
    "openai": ({"error": {"message": "m", "type": "t", "code": "c"}}, "m"),
    "error is text": ({"code": "invalid-argument", "error": "m"}, "m"),
    "error is JSON text": ({"error": '{"message":"m"}'}, "m"),
    "message": ({"id": "1", "message": "m"}, "m"),
    "detail is text": ({"detail": "m"}, "m"),
    "detail is a list": ({"detail": [{"loc": ["body", "x"], "msg": "m", "type": "extra_forbidden"}]}, "body.x: m"),
    "detail is an object": ({"detail": {"error": {"message": "m"}}}, "m"),
    "a list": ([{"error": {"message": "m"}}], "m"),
    "nested errors": ({"error": {"error": {"message": "m"}}}, "m"),
    "openrouter": ({"error": {"message": "Provider returned error", "metadata": {"raw": RAW}}}, "inner"),
    "openrouter, raw is text": ({"error": {"message": "Provider returned error", "metadata": {"raw": "m"}}}, "m"),
    "openrouter, raw is an object": ({"error": {"message": "x", "metadata": {"raw": {"message": "m"}}}}, "m"),
    "openrouter, no raw": ({"error": {"message": "m", "metadata": {"raw": None}}}, "m"),
    "minimax": ({"base_resp": {"status_code": 1004, "status_msg": "m"}}, "m"),
    "error_msg": ({"error_code": 17, "error_msg": "m"}, "m"),
    "errors": ({"errors": [{"message": "m"}]}, "m"),
    "amazon, of older services": ({"Message": "m"}, "m"),
    "white space": ({"error": {"message": " a\n\n b\t"}}, "a b"),
    "nothing": ({}, ""),
    "null": (None, ""),
    "number": (3, ""),
    "empty": ({"error": {}}, ""),
}


@pytest.mark.parametrize(("value", "message"), MESSAGES.values(), ids=MESSAGES)
def test_the_innermost_message_is_found(value: object, message: str) -> None:
    assert read_error(json.dumps(value).encode()).message == message
    assert read_error_value(value).message == message


@pytest.mark.parametrize(
    ("body", "message", "html"),
    [
        (b"", "", False),
        (b"upstream connect error", "upstream connect error", False),
        (b"<html><head><title>502 Bad\n Gateway</title></head></html>", "an HTML page: 502 Bad Gateway", True),
        (b"<!doctype html><h1 class=x>Sign in</h1>", "an HTML page: Sign in", True),
        (b"<html>", "an HTML page", True),
        (b'\n {"error": "m"} \n', "m", False),
        (b'{"error": "m', '{"error": "m', False),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2, False),
    ],
)
def test_what_is_no_json(body: bytes, message: str, html: bool) -> None:
    error = read_error(body)
    assert (error.message, error.html) == (message, html)


def test_codes_fields_status_and_hints_are_found() -> None:
    error = read_error_value(
        {
            "error": {
                "code": 400,
                "status": "INVALID_ARGUMENT",
                "param": "Reasoning_Effort",
                "details": [{"retryDelay": "37s", "loc": ["body", "messages", 1, "reasoning_content"]}],
                "metadata": {"headers": {"X-RateLimit-Reset": 5}, "error_type": "rate_limit_exceeded"},
            }
        }
    )
    assert {"400", "invalid_argument", "rate_limit_exceeded"} <= error.codes
    assert error.fields == ("reasoning_effort", "body.messages.1.reasoning_content")
    assert error.status == 400
    assert error.retry_delay == "37s"
    assert error.headers == (("x-ratelimit-reset", "5"),)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"code": 429}, 429),
        ({"code": "429"}, 429),
        ({"code": "1500", "raw_status_code": 400}, 400),
        ({"error": {"status": 503}}, 503),
        ({"error": {"code": 200}}, 0),
        ({"error": {"code": "rate_limit"}}, 0),
        ({"code": True}, 0),
    ],
)
def test_a_status_in_the_body(value: object, status: int) -> None:
    assert read_error_value(value).status == status


KEYS = [
    "sk-proj-abcDEF123456",
    "sk-fake-key",
    "sk-ant-api03-abcdefgh",
    "gsk_abcdefghijkl",
    "xai-ABCDEFGHIJKLMNOPQRST12",
    "hf_ABCDEFGHIJKLMNOPqrst",
    "AIzaSyA-1234567890abcdef",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def",
    "Bearer abc.def-ghi",
    "sk-inval************************-key",
    "****-key",
    "test-con****-key",
    "0123456789abcdef0123456789abcdef",
]


@pytest.mark.parametrize("key", KEYS)
def test_what_looks_like_a_key_is_masked(key: str) -> None:
    message = presentable(f"Incorrect API key provided: {key}. You can find your key elsewhere.")
    assert key.removeprefix("Bearer ") not in message
    assert "***" in message
    assert message.endswith("You can find your key elsewhere.")


@pytest.mark.parametrize(
    "message",
    [
        "The model `meta-llama/Llama-3.3-70B-Instruct-Turbo` does not exist",
        "see https://platform.openai.com/docs/api-reference/api-versioning",
        "Unsupported parameter: 'max_completion_tokens' is not supported with this model.",
        "No endpoints found for deepseek/deepseek-v3-base:free.",
        "context_length_exceeded: 1250074 tokens > 1048576",
        "the api-version query parameter is missing",
    ],
)
def test_what_does_not_is_left_alone(message: str) -> None:
    assert presentable(message) == message


def test_our_own_secrets_and_hosts_are_masked_whatever_they_look_like() -> None:
    message = presentable(
        "key hunter2 at http://gpu-7.internal:8000/v1 (gpu-7.internal)",
        secrets=("hunter2", ""),
        hosts=("gpu-7.internal:8000", "gpu-7.internal", ""),
    )
    assert message == "key *** at http://the provider/v1 (the provider)"


def test_a_message_holds_nothing_unprintable() -> None:
    assert presentable("a\x00b\x1b[31m\u202e") == "a\ufffdb\ufffd[31m\ufffd"


def test_a_message_is_bounded() -> None:
    assert len(presentable("word " * 10_000)) == MESSAGE_CHARACTERS_MAX
    assert len(read_error(b"x " * 5_000_000).message) <= 4_000


def test_a_secret_across_the_bound_is_masked_before_the_cut() -> None:
    key = "sk-abcdefghijklmnop"
    assert "sk-abc" not in presentable("x" * (MESSAGE_CHARACTERS_MAX - 8) + " " + key)


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.just('{"error":"x"}'),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "message", "detail", "metadata", "raw", "code", "loc", "headers", "param"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_nothing_makes_it_raise(value: object) -> None:
    read_error_value(value)
    read_error(json.dumps(value).encode())


def test_depth_is_bounded() -> None:
    read_error(b'{"error":' * 5_000 + b"1" + b"}" * 5_000)
    read_error(b"[" * 200_000)


def test_amazons_type_is_named_without_its_service() -> None:
    value = {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}
    assert "unknownoperationexception" in read_error_value(value).codes


def test_a_field_that_google_names_in_its_details_is_found() -> None:
    details = [{"@type": "x/google.rpc.BadRequest", "fieldViolations": [{"field": "contents[0].parts[1].text"}]}]
    assert read_error_value({"error": {"message": "m", "details": details}}).fields == ("contents[0].parts[1].text",)
