"""What a provider's error means: our own bodies of every vendor, the recorded ones, and what must never happen."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.error_body import MESSAGE_CHARACTERS_MAX, ErrorBody
from thinkaloud_server.providers.failure import RULES, answer_failure, stream_failure
from thinkaloud_server.providers.refusal import reasoning_refused
from thinkaloud_server.providers.table import vendor_for, vendor_named

VECTORS = Path(__file__).parents[1] / "vectors" / "errors"
RECORDED = Path(os.environ.get("TRANSCRIPTS_DIR") or Path(__file__).parents[3] / "shared" / "transcripts") / "_errors"

OWN = [json.loads(line) for line in (VECTORS / "openai-chat.jsonl").read_text().rstrip("\n").split("\n")]
REASONING = [json.loads(line) for line in (VECTORS / "reasoning.jsonl").read_text().rstrip("\n").split("\n")]
TABLE = list(csv.DictReader((VECTORS / "recorded.tsv").read_text().splitlines(), delimiter="\t"))

_HEADERS = ("retry-after", "retry-after-ms", "date", "x-ratelimit-reset", "x-ratelimit-reset-tokens", "x-should-retry")
KEY = "canary-k3y"
ENDPOINT = Endpoint("it", "http://gpu-7.internal:8000/v1", vendor_named("generic", "openai-chat"), api_key=KEY)


def failure(status: int, body: object = "", *, headers: dict[str, str] | None = None, sent: bool = True) -> Failure:
    text = body if isinstance(body, str) else json.dumps(body)
    return answer_failure(ENDPOINT, status, headers or {}, text.encode(), reasoning_sent=sent)


@pytest.mark.parametrize("case", OWN, ids=lambda case: case["name"])
def test_our_own_bodies_mean_what_they_say(case: dict[str, Any]) -> None:
    it = failure(case["status"], case["body"], headers=case.get("headers"))
    assert it.reason == case["reason"]
    assert it.message == case["message"]
    assert it.reasoning_refused is case.get("reasoning_refused", False)
    assert it.retry_after_s == pytest.approx(case.get("retry_after_s"))
    assert it.unprocessed is case.get("unprocessed", False)


def test_our_own_bodies_cover_every_reason_and_are_many() -> None:
    assert {case["reason"] for case in OWN} >= {rule.reason.value for rule in RULES}
    assert len(OWN) >= 100


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded set is not here")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["body"])
def test_recorded_bodies_mean_what_the_table_says(row: dict[str, str]) -> None:
    meta = json.loads((RECORDED / f"{row['body']}.meta.json").read_text())
    body = (RECORDED / f"{row['body']}.body").read_bytes()
    url = meta.get("url") or ""
    endpoint = Endpoint("it", url, vendor_for(url), api_key=KEY)
    headers = {name.lower(): value for name, value in (meta.get("headers") or {}).items()}
    it = answer_failure(endpoint, meta["status"], headers, body, reasoning_sent=True)
    assert it.status == int(row["status"])
    assert it.reason == row["reason"]
    assert it.reasoning_refused is (row["reasoning_refused"] == "yes")
    assert it.retry_after_s == (pytest.approx(float(row["retry_after_s"])) if row["retry_after_s"] else None)
    assert 0 < len(it.message) <= MESSAGE_CHARACTERS_MAX


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded set is not here")
def test_every_recorded_body_is_in_the_table() -> None:
    assert {path.name.removesuffix(".body") for path in RECORDED.glob("*.body")} == {row["body"] for row in TABLE}


def test_a_refused_control_is_one_only_where_one_was_sent() -> None:
    body = {"error": {"message": "Unsupported parameter: 'reasoning_effort'", "param": "reasoning_effort"}}
    assert failure(400, body).reasoning_refused
    assert not failure(400, body, sent=False).reasoning_refused
    assert failure(400, body, sent=False).reason is ErrorReason.VALIDATION_FAILED


@pytest.mark.parametrize("status", [401, 402, 403, 408, 409, 413, 429, 500, 502, 503, 504, 529])
def test_other_statuses_never_refuse_a_control(status: int) -> None:
    body = {"error": {"message": "reasoning_effort is not supported", "param": "reasoning_effort"}}
    assert not failure(status, body).reasoning_refused


# The sentences of formats §2, and what only sounds like them.
REFUSED = [
    '"llama3.1:8b" does not support thinking',
    'think value "high" is not supported for this model',
    'invalid think value: "xhigh" (must be "high", "medium", "low", "max", true, or false)',
    "This model doesn't support reasoning",
    "Model grok-code-fast-1 does not support parameter reasoningEffort.",
    "This model does not support effort level 'xhigh'. Supported levels: high, low.",
    "Unrecognized request argument supplied: reasoning_effort",
    "extraneous key [thinking] is not permitted",
    "reasoningConfig: Extra inputs are not permitted",
    "output_config.effort: Extra inputs are not permitted",
    "`reasoning_format` is not supported with this model",
    "`reasoning_effort` must be one of `none` or `default`",
    "reasoning_effort='medium' is not supported for this model.",
    '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"',
    "adaptive thinking is not supported on this model",
    "Thinking_config.include_thoughts is only enabled when thinking is enabled",
    "Thinking is not enabled for models/x",
    "Thinking level is not supported for this model",
    "thinking budget is not supported",
    "Reasoning prompt mode is not enabled for this model",
    "Thinking mode does not support this tool_choice",
    "No endpoints found that support reasoning.",
    "No endpoints found that can handle the requested parameters.",
    "Reasoning is mandatory for this endpoint and cannot be disabled.",
    "Budget 0 is invalid. This model only works in thinking mode.",
]
NOT_REFUSED = [
    "Unsupported parameter: 'temperature' is not supported with this model.",
    "Model grok-3 does not support parameter presencePenalty.",
    "'max_tokens' is not supported with this model.",
    "No endpoints found for deepseek/deepseek-r1:free.",
    "No endpoints found that support tool use.",
    "No endpoints found that support image input",
    "No endpoints found that support the provided 'tool_choice' value.",
    "The model `x` does not exist",
    "messages.1.content.0: Invalid `signature` in `thinking` block",
    "Developer instruction is not enabled for models/x",
    "`tool calling` is not supported with this model",
    "image input is not supported",
]


@pytest.mark.parametrize("message", REFUSED)
def test_a_refusal_of_a_control_is_recognised_by_its_words(message: str) -> None:
    assert reasoning_refused(400, ErrorBody(message=message))
    assert failure(400, {"error": {"message": message}}).reason is ErrorReason.VALIDATION_FAILED


@pytest.mark.parametrize("message", NOT_REFUSED)
def test_other_refusals_are_not_taken_for_one(message: str) -> None:
    assert not failure(400, {"error": {"message": message}}).reasoning_refused


@pytest.mark.parametrize(
    ("field", "refused"),
    [
        ("reasoning_effort", True),
        ("reasoning.effort", True),
        ("generationConfig.thinkingConfig.thinkingBudget", True),
        ("body.chat_template_kwargs", True),
        ("output_config", True),
        ("messages[2].reasoning_content", False),
        ("body.messages.1.assistant.reasoning_content", False),
        ("input[2].reasoning", False),
        ("temperature", False),
        ("reasoning_of_another_kind", False),
    ],
)
def test_a_refusal_of_a_control_is_recognised_by_the_field(field: str, refused: bool) -> None:
    assert reasoning_refused(400, ErrorBody(message="not like this", fields=(field.lower(),))) is refused


@pytest.mark.parametrize(
    "message",
    [
        "The `reasoning_content` in the thinking mode must be passed back to the API.",
        "Function call is missing a thought_signature in functionCall parts.",
        "function call `x` in the 5. content block is missing a `thought_signature`",
        "messages.1.content.0.type: Expected 'thinking' or 'redacted_thinking', but found 'text'",
        "messages.1.content.0: Invalid `signature` in `thinking` block",
        "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.",
        "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
        "The encrypted content abc could not be verified.",
    ],
)
def test_a_history_that_lacks_its_reasoning_is_a_class_of_its_own(message: str) -> None:
    it = failure(400, {"error": {"message": message}})
    assert it.reason is ErrorReason.REASONING_STATE_INVALID
    assert not it.reasoning_refused


@pytest.mark.parametrize("case", REASONING, ids=lambda case: f"{case['vendor']}-{str(case['body'])[:90]}")
def test_a_refused_control_a_refused_history_and_other_refusals_are_told_apart(case: dict[str, Any]) -> None:
    """Bodies of every dialect, as documented or reported: what each means for the next request."""
    it = failure(case["status"], case["body"])
    state = it.reason is ErrorReason.REASONING_STATE_INVALID
    assert (it.reasoning_refused, state) == (case["meaning"] == "refused", case["meaning"] == "state")
    assert list(it.efforts) == case.get("efforts", [])
    # What was not sent cannot have been refused; a history is refused with or without a control.
    plain = failure(case["status"], case["body"], sent=False)
    assert not plain.reasoning_refused
    assert (plain.reason is ErrorReason.REASONING_STATE_INVALID) is state
    assert plain.efforts == ()


def test_the_table_of_refusals_has_every_dialect_with_all_that_it_can_mean() -> None:
    assert len(REASONING) >= 100
    for dialect in ("anthropic-messages", "gemini-generatecontent", "bedrock-converse", "openai-responses"):
        assert {case["meaning"] for case in REASONING if case["dialect"] == dialect} == {"refused", "state", "neither"}
    for dialect in ("cohere-v2", "ollama"):
        assert {case["meaning"] for case in REASONING if case["dialect"] == dialect} == {"refused", "neither"}


def test_a_provider_may_say_itself_whether_to_ask_again() -> None:
    assert failure(500).unprocessed
    assert not failure(500, headers={"x-should-retry": "false"}).unprocessed
    assert failure(504, headers={"x-should-retry": "true"}).unprocessed
    assert not failure(504).unprocessed
    assert not failure(400, headers={"x-should-retry": "true"}).unprocessed


def test_a_hint_is_for_what_passes_with_time() -> None:
    headers = {"retry-after": "3", "x-ratelimit-reset-requests": "6m0s"}
    assert failure(429, headers=headers).retry_after_s == 3.0
    assert failure(503, headers=headers).retry_after_s == 3.0
    assert failure(500, headers=headers).retry_after_s == 3.0
    assert failure(401, headers=headers).retry_after_s is None
    assert failure(400, headers=headers).retry_after_s is None
    assert failure(500, headers={"x-ratelimit-reset-requests": "6m0s"}).retry_after_s is None


def test_an_error_inside_a_stream_has_the_status_of_its_body() -> None:
    error = ErrorBody(message="slow down", codes=frozenset({"429"}), status=429, retry_delay="2s")
    it = stream_failure(ENDPOINT, ModelRequest("m-1", (), reasoning=ReasoningControl("high")), error)
    assert (it.reason, it.status, it.retry_after_s) == (ErrorReason.UPSTREAM_RATE_LIMITED, 429, 2.0)
    unknown = stream_failure(ENDPOINT, ModelRequest("m-1", ()), ErrorBody(message="something broke"))
    assert (unknown.reason, unknown.status) == (ErrorReason.UPSTREAM_ERROR, 0)
    assert stream_failure(ENDPOINT, ModelRequest("m-1", ()), ErrorBody()).message


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"Incorrect API key provided: {KEY}."}},
        {"error": f"{KEY}"},
        {"detail": [{"loc": ["header", KEY], "msg": f"bad {KEY}"}]},
        f"<html><title>{KEY}</title></html>",
        f"plain {KEY} text",
        {"error": {"message": "x", "metadata": {"raw": f'{{"error":"{KEY}"}}'}}},
    ],
)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 429, 500])
def test_neither_key_nor_host_is_ever_in_a_failure(status: int, body: object) -> None:
    it = failure(status, body)
    assert KEY not in repr(it)
    assert "gpu-7.internal" not in failure(status, f"cannot reach http://gpu-7.internal:8000/v1 {body}").message


def test_the_values_of_configured_headers_are_secrets_too() -> None:
    endpoint = Endpoint(
        "it", "http://h.example/v1", vendor_named("generic", "openai-chat"), headers=(("x-team-token", "t0ken-7"),)
    )
    it = answer_failure(endpoint, 401, {}, b"bad t0ken-7", reasoning_sent=False)
    assert it.message == "bad ***"


@settings(max_examples=300)
@given(st.integers(200, 599), st.binary(max_size=200), st.dictionaries(st.sampled_from(_HEADERS), st.text(max_size=20)))
def test_no_answer_makes_it_raise(status: int, body: bytes, headers: dict[str, str]) -> None:
    it = answer_failure(ENDPOINT, status, headers, body, reasoning_sent=True)
    assert it.message
    assert it.retry_after_s is None or 0 <= it.retry_after_s <= 86_400


def test_a_long_message_takes_no_long_time() -> None:
    for text in ("thinking " * 200_000, "model " * 200_000, "a" * 2_000_000, "not support " * 200_000):
        failure(400, {"error": {"message": text}})
