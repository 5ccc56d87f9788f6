"""What can go wrong, as responses: every HTTP status of the table of errors with its codes and what they mean."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from google.protobuf.descriptor import Descriptor

from thinkaloud.v1 import errors_pb2
from thinkaloud_server.web.error import FACES
from thinkaloud_server.web.media import JSON
from thinkaloud_server.web.openapi.comment import Comments
from thinkaloud_server.web.openapi.schema import ENVELOPE_NAME
from thinkaloud_server.web.words import AFTER, KEY, has

_REASON = errors_pb2.ErrorReason.DESCRIPTOR
_PREFIX = "ERROR_REASON_"
_UNSPECIFIED = "UNSPECIFIED"
# Sent with `Retry-After` where it is known when another try may do.
_RETRY_AFTER = {429, 503}

ENVELOPE: dict[str, Any] = {
    "type": "object",
    "title": ENVELOPE_NAME,
    "description": "Every answer that is an error. The `error` event of a stream has the same fields.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "request_id"],
            "properties": {
                "code": {"type": "string", "description": "What programs read; the responses list the codes."},
                "message": {"type": "string", "description": "What was wrong and what would be right, for people."},
                "details": {
                    "type": "object",
                    "description": "More, by code: `field_violations` of a request, `retry_after_s` where it is known.",
                    "additionalProperties": True,
                },
                "request_id": {"type": "string", "description": "What the server's log has this under."},
            },
        }
    },
}


def codes_by_status() -> dict[int, list[str]]:
    """The HTTP statuses of the table of errors, each with its codes in the order of the enum."""
    codes = defaultdict(list)
    for code, face in FACES.items():
        if code != _UNSPECIFIED:
            codes[face.http].append(code)
    return dict(sorted(codes.items()))


def failures(comments: Comments) -> dict[str, Any]:
    """A component response for each status."""
    return {_name(status): _response(status, codes, comments) for status, codes in codes_by_status().items()}


def statuses(request: Descriptor, *, has_body: bool) -> dict[str, Any]:
    """The failures of an operation, by reference.

    What the descriptors do not tell (whether a method asks a provider, say) rules nothing out: gateways and services
    answer with statuses of their own.
    """
    # 405 is the answer of a path without this operation; the others need something of the request.
    ruled_out = {FACES["METHOD_NOT_ALLOWED"].http}
    if not has_body:
        ruled_out.add(FACES["UNSUPPORTED_MEDIA_TYPE"].http)
    if not takes_key(request):
        ruled_out.add(FACES["IDEMPOTENCY_KEY_REUSED"].http)
    if not has(request, AFTER):
        ruled_out.add(FACES["EVENTS_EXPIRED"].http)
    return {
        str(status): {"$ref": f"#/components/responses/{_name(status)}"}
        for status in codes_by_status()
        if status not in ruled_out
    }


def takes_key(request: Descriptor) -> bool:
    """True when the request, or a message that it carries once, has an idempotency key."""
    carried = (field.message_type for field in request.fields if field.message_type and not field.is_repeated)
    return has(request, KEY) or any(has(message, KEY) for message in carried)


# Of every answer, by reference; document.py says what they are.
HEADERS: dict[str, Any] = {
    name: {"$ref": f"#/components/headers/{name}"}
    for name in ("X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
}


def _name(status: int) -> str:
    return f"Error{status}"


def _response(status: int, codes: list[str], comments: Comments) -> dict[str, Any]:
    said = {code: comments.text(f"{_REASON.full_name}.{_PREFIX}{code}") for code in codes}
    headers = HEADERS
    if status in _RETRY_AFTER:
        headers = {**HEADERS, "Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return {
        "description": "\n".join(f"* `{code}`: {text}" for code, text in said.items()),
        "headers": headers,
        "content": {
            JSON: {
                "schema": {"$ref": f"#/components/schemas/{ENVELOPE_NAME}"},
                "examples": {code: {"summary": text, "value": _example(code, text)} for code, text in said.items()},
            }
        },
    }


def _example(code: str, text: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": text, "details": {}, "request_id": "req-1"}}
