"""Amazon's exceptions, named: over HTTP in a header, in a stream by the message that they come in.

What a name means is in the common rules (providers/failure.py); the status that a stream does not have is here.
Source: botocore, bedrock-runtime 2023-09-30, the errors of ConverseStream and InvokeModelWithResponseStream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from thinkaloud_server.core.event_stream import EventFrame
from thinkaloud_server.providers.error_body import ErrorBody, read_error, read_error_value

# That a model failed (424 over HTTP) is no fault of the request: it has no status here, and its name says so.
_STATUSES = {
    "validationexception": 400,
    "servicequotaexceededexception": 400,
    "accessdeniedexception": 403,
    "resourcenotfoundexception": 404,
    # 408 over HTTP, but the model did work on it.
    "modeltimeoutexception": 504,
    "throttlingexception": 429,
    "modelnotreadyexception": 429,
    "internalserverexception": 500,
    "serviceunavailableexception": 503,
}


def named_body(headers: Mapping[str, str], body: bytes) -> bytes:
    """An error's body with the exception's name in it, which Amazon has in a header ("Name:http://...")."""
    name = headers.get("x-amzn-errortype", "").partition(":")[0].strip()
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    if not name or not isinstance(value, dict):
        return body
    return msgspec.json.encode({"code": name, **value})


def frame_error(frame: EventFrame) -> ErrorBody:
    """What an exception, or an error without a payload, says."""
    if frame.kind == "error":
        body = read_error_value({"message": frame.headers.get(":error-message", "")})
    else:
        body = read_error(frame.payload)
    name = frame.name.lower()
    return replace(
        body,
        message=body.message or frame.name,
        codes=body.codes | ({name} if name else set()),
        status=body.status or _STATUSES.get(name, 0),
    )
