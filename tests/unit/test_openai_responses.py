"""The dialect `openai-responses`: what its errors mean, and its listing of models."""

from __future__ import annotations

import json

import pytest

from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_responses import OPENAI_RESPONSES
from thinkaloud_server.providers.table import DIALECTS, vendor_named

KEY = "canary-k3y"
ENDPOINT = Endpoint("it", "https://gpu-7.internal/v1", vendor_named("openai", "openai-responses"), api_key=KEY)


def failure(status: int, body: object, *, sent: bool = True) -> Failure:
    return OPENAI_RESPONSES.failure(ENDPOINT, status, {}, json.dumps(body).encode(), reasoning_sent=sent)


def openai(message: str, *, code: str | None = None, param: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


ITEM = "Item 'rs_68c4' of type 'reasoning' was provided without its required following item."
CALL = "Item 'fc_1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'."
GONE = (
    "Item with id 'rs_0ff68b3c170bca6e' not found. Items are not persisted when `store` is set to false. "
    "Try again with `store` set to true, or remove this item from your input."
)
UNVERIFIED = "Your organization must be verified to generate reasoning summaries. Please go to the settings."
NO_EFFORT = "Unsupported parameter: 'reasoning.effort' is not supported with this model."

ERRORS: dict[str, tuple[int, object, ErrorReason, bool]] = {
    "unknown model is 400 here": (
        400,
        openai("The requested model 'gpt-5.2-proo' does not exist.", code="model_not_found", param="model"),
        ErrorReason.MODEL_NOT_FOUND,
        False,
    ),
    "effort refused": (
        400,
        openai(NO_EFFORT, code="unsupported_parameter", param="reasoning.effort"),
        ErrorReason.VALIDATION_FAILED,
        True,
    ),
    "level refused": (
        400,
        openai("Unsupported value: 'xhigh' is not supported.", code="unsupported_value", param="reasoning.effort"),
        ErrorReason.VALIDATION_FAILED,
        True,
    ),
    "summary refused": (
        400,
        openai(UNVERIFIED, code="unsupported_value", param="reasoning.summary"),
        ErrorReason.VALIDATION_FAILED,
        True,
    ),
    "encrypted content refused": (
        400,
        openai("Encrypted content is not supported with this model.", param="include"),
        ErrorReason.VALIDATION_FAILED,
        True,
    ),
    "encrypted content refused, no field": (
        400,
        openai("Encrypted content is not supported with this model."),
        ErrorReason.VALIDATION_FAILED,
        True,
    ),
    "include refused": (
        400,
        openai("Invalid value: 'reasoning.encrypted_content'.", code="invalid_value", param="include[0]"),
        ErrorReason.VALIDATION_FAILED,
        True,
    ),
    "xai, effort refused": (
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Model grok-code-fast-1 does not support parameter reasoningEffort.",
        },
        ErrorReason.VALIDATION_FAILED,
        True,
    ),
    "xai, bad key": (
        400,
        {"code": "invalid-argument", "error": "Incorrect API key provided. You can obtain one."},
        ErrorReason.UPSTREAM_AUTH,
        False,
    ),
    "temperature refused": (
        400,
        openai("Unsupported parameter: 'temperature' is not supported with this model.", param="temperature"),
        ErrorReason.VALIDATION_FAILED,
        False,
    ),
    "reasoning without its item": (400, openai(ITEM, param="input"), ErrorReason.REASONING_STATE_INVALID, False),
    "item without its reasoning": (400, openai(CALL, param="input"), ErrorReason.REASONING_STATE_INVALID, False),
    "reasoning that is not stored": (404, openai(GONE, param="input"), ErrorReason.REASONING_STATE_INVALID, False),
    "reasoning of another": (
        400,
        openai("The encrypted content gAAA...Zw== could not be verified.", code="invalid_encrypted_content"),
        ErrorReason.REASONING_STATE_INVALID,
        False,
    ),
    "reasoning of another, in other words": (
        400,
        openai("It was minted elsewhere.", code="invalid_encrypted_content"),
        ErrorReason.REASONING_STATE_INVALID,
        False,
    ),
    "vllm takes no encrypted reasoning": (
        400,
        openai("Encrypted content is not supported."),
        ErrorReason.REASONING_STATE_INVALID,
        False,
    ),
    "deepseek misses a result": (
        400,
        openai("No tool output found for tool call call-a.", code="invalid_request_error"),
        ErrorReason.VALIDATION_FAILED,
        False,
    ),
    "lmstudio, a picture": (
        400,
        openai("Invalid type for 'input'.", code="invalid_union", param="input"),
        ErrorReason.VALIDATION_FAILED,
        False,
    ),
    "no such path": (404, {"detail": "Not Found"}, ErrorReason.UPSTREAM_ERROR, False),
}


@pytest.mark.parametrize(("status", "body", "reason", "refused"), ERRORS.values(), ids=ERRORS)
def test_what_an_error_means(status: int, body: object, reason: ErrorReason, refused: bool) -> None:
    it = failure(status, body)
    assert (it.reason, it.reasoning_refused) == (reason, refused)
    assert not failure(status, body, sent=False).reasoning_refused


def test_the_key_and_the_host_are_in_no_failure() -> None:
    it = failure(500, {"error": {"message": f"{KEY} at gpu-7.internal"}})
    assert KEY not in it.message
    assert "gpu-7" not in it.message


def test_it_is_known_by_its_name() -> None:
    assert DIALECTS["openai-responses"] is OPENAI_RESPONSES
    assert KEY not in repr(OPENAI_RESPONSES.listing(ENDPOINT))


def test_models_are_listed_as_in_openai_chat_and_have_no_more_to_say() -> None:
    request = OPENAI_RESPONSES.listing(ENDPOINT)
    assert (request.method, request.url) == ("GET", "https://gpu-7.internal/v1/models")
    (model,) = OPENAI_RESPONSES.models(ENDPOINT, b'{"data":[{"id":"gpt-5","object":"model"}]}')
    assert model == ModelInfo("gpt-5", "it")
    assert OPENAI_RESPONSES.detail(ENDPOINT, model) is None
    assert OPENAI_RESPONSES.detailed(ENDPOINT, model, b"") is model
