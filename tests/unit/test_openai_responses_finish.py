"""Why the model stopped, in the words of the Responses format."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.delta import Failure, Finish
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.providers.openai_responses.event import Response
from thinkaloud_server.providers.openai_responses.finish import finish_of_response


@pytest.mark.parametrize(
    ("status", "details", "calls", "expected"),
    [
        ("completed", None, False, Finish("stop", "completed")),
        ("completed", None, True, Finish("tool_calls", "completed")),
        ("incomplete", {"reason": "max_output_tokens"}, False, Finish("length", "max_output_tokens")),
        ("incomplete", {"reason": "max_output_tokens"}, True, Finish("length", "max_output_tokens")),
        ("incomplete", {"reason": "content_filter"}, False, Finish("content_filter", "content_filter")),
        ("incomplete", {"reason": "max_tool_calls"}, False, Finish("length", "max_tool_calls")),
        ("incomplete", {"reason": "stop"}, False, Finish("length", "stop")),
        ("incomplete", "max_tokens", False, Finish("length", "max_tokens")),
        ("incomplete", {}, False, Finish("length", "incomplete")),
        ("incomplete", None, False, Finish("length", "incomplete")),
    ],
)
def test_a_status_and_its_reason(status: str, details: object, calls: bool, expected: Finish) -> None:
    assert finish_of_response(Response(incomplete_details=details), status, calls=calls) == expected


@pytest.mark.parametrize("status", ["cancelled", "canceled", "aborted"])
def test_an_answer_that_was_broken_off_did_not_finish(status: str) -> None:
    failure = finish_of_response(Response(), status, calls=False)
    assert isinstance(failure, Failure)
    assert failure.reason is ErrorReason.UPSTREAM_TRUNCATED
