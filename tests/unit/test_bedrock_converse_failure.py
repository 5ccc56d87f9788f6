"""Amazon's exceptions, over HTTP and in a stream."""

from __future__ import annotations

import json

import pytest

from bedrock_vectors import exception
from event_stream import event, message
from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.event_stream import EventFrame, EventStreamFramer
from thinkaloud_server.providers.bedrock_converse import BEDROCK_CONVERSE
from thinkaloud_server.providers.bedrock_converse.failure import frame_error, named_body
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import vendor_named

ENDPOINT = Endpoint("it", "https://bedrock.example", vendor_named("bedrock", "bedrock-converse"), api_key="canary-k3y")


def failure(status: int, name: str, words: str, *, sent: bool = False) -> Failure:
    headers = {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"} if name else {}
    body = json.dumps({"message": words}).encode()
    return BEDROCK_CONVERSE.failure(ENDPOINT, status, headers, body, reasoning_sent=sent)


HTTP = [
    (400, "ValidationException", "The provided model identifier is invalid.", ErrorReason.MODEL_NOT_FOUND),
    (400, "ValidationException", "Input is too long for requested model.", ErrorReason.CONTEXT_TOO_LONG),
    (
        400,
        "ValidationException",
        "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum.",
        ErrorReason.CONTEXT_TOO_LONG,
    ),
    (400, "ValidationException", "A conversation must start with a user message.", ErrorReason.VALIDATION_FAILED),
    (403, "AccessDeniedException", "You don't have access to the model.", ErrorReason.UPSTREAM_AUTH),
    (403, "", "The security token included in the request is invalid.", ErrorReason.UPSTREAM_AUTH),
    (403, "InvalidSignatureException", "Signature expired: 20251117T063822Z", ErrorReason.UPSTREAM_AUTH),
    (
        404,
        "ResourceNotFoundException",
        "This model version has reached the end of its life.",
        ErrorReason.MODEL_NOT_FOUND,
    ),
    (408, "ModelTimeoutException", "Processing time exceeded the model timeout.", ErrorReason.UPSTREAM_TIMEOUT),
    (424, "ModelErrorException", "The model failed.", ErrorReason.UPSTREAM_ERROR),
    (
        429,
        "ThrottlingException",
        "Too many tokens, please wait before trying again.",
        ErrorReason.UPSTREAM_RATE_LIMITED,
    ),
    (
        429,
        "ThrottlingException",
        "Too many tokens per day, please wait before trying again.",
        ErrorReason.UPSTREAM_RATE_LIMITED,
    ),
    (429, "ModelNotReadyException", "Model is not ready for inference.", ErrorReason.UPSTREAM_RATE_LIMITED),
    (500, "InternalServerException", "An internal server error occurred.", ErrorReason.UPSTREAM_ERROR),
    (503, "ServiceUnavailableException", "Try again.", ErrorReason.UPSTREAM_RATE_LIMITED),
]


@pytest.mark.parametrize(("status", "name", "words", "reason"), HTTP)
def test_over_http(status: int, name: str, words: str, reason: ErrorReason) -> None:
    it = failure(status, name, words)
    assert (it.reason, it.status) == (reason, status)


@pytest.mark.parametrize(
    "words",
    [
        "extraneous key [thinking] is not permitted",
        "reasoningConfig: Extra inputs are not permitted",
        "This model doesn't support the reasoning_effort field. Remove reasoning_effort and try again.",
        'The model returned the following errors: "thinking.type.enabled" is not supported for this model.',
    ],
)
def test_a_refused_control_is_known(words: str) -> None:
    assert failure(400, "ValidationException", words, sent=True).reasoning_refused
    assert not failure(400, "ValidationException", words).reasoning_refused


@pytest.mark.parametrize("words", ["This model doesn't support the s3Uri field. Remove s3Uri and try again."])
def test_the_refusal_of_another_field_is_not_one_of_a_control(words: str) -> None:
    assert not failure(400, "ValidationException", words, sent=True).reasoning_refused


def test_a_body_without_a_name_or_that_is_no_object_stays_as_it_is() -> None:
    assert named_body({}, b'{"message":"x"}') == b'{"message":"x"}'
    assert named_body({"x-amzn-errortype": "E"}, b"<html>") == b"<html>"
    assert named_body({"x-amzn-errortype": "E"}, b"[1]") == b"[1]"
    assert json.loads(named_body({"x-amzn-errortype": "E:http://x"}, b'{"message":"x"}')) == {
        "code": "E",
        "message": "x",
    }


def framed(data: bytes) -> EventFrame:
    (frame,) = EventStreamFramer(frame_bytes_max=1 << 20).feed(data)
    return frame


STREAMED = [
    ("throttlingException", 429),
    ("validationException", 400),
    ("internalServerException", 500),
    ("serviceUnavailableException", 503),
    ("modelTimeoutException", 504),
    ("modelStreamErrorException", 0),
    ("somethingNewException", 0),
]


@pytest.mark.parametrize(("name", "status"), STREAMED)
def test_in_a_stream(name: str, status: int) -> None:
    it = frame_error(framed(exception(name, "words")))
    assert (it.message, it.status) == ("words", status)
    assert name.lower() in it.codes


def test_an_exception_without_words_is_told_by_its_name() -> None:
    assert frame_error(framed(event("throttlingException", b"", "exception"))).message == "throttlingException"
    assert frame_error(framed(message({":message-type": "error", ":error-code": "E"}))).message == "E"
    words = frame_error(framed(message({":message-type": "error", ":error-code": "E", ":error-message": "why"})))
    assert (words.message, words.codes) == ("why", frozenset({"e"}))
