"""Why the model stopped: the status of a response, and the reason that an incomplete one gives."""

from __future__ import annotations

from thinkaloud_server.core.delta import Failure, Finish
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.providers.openai_chat.chunk import text_of
from thinkaloud_server.providers.openai_chat.finish import finish_of
from thinkaloud_server.providers.openai_responses.event import Response

_BROKEN_OFF = frozenset({"cancelled", "canceled", "aborted"})


def finish_of_response(response: Response, status: str, *, calls: bool) -> Finish | Failure:
    """The end that this response came to. `calls` says that tools were called."""
    if status in _BROKEN_OFF:
        return Failure(ErrorReason.UPSTREAM_TRUNCATED, "the provider broke the answer off")
    if status == "incomplete":
        details = response.incomplete_details
        reason = text_of(details.get("reason") if isinstance(details, dict) else details)
        known = finish_of(reason)
        # An incomplete answer has not stopped by itself, whatever word says why.
        return Finish("length", reason or status) if known.reason in ("stop", "tool_calls") else known
    return Finish("tool_calls" if calls else "stop", status)
