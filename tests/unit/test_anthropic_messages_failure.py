"""What the errors of `anthropic-messages` mean: every body that Anthropic documents or was seen to send, in a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.anthropic_messages import ANTHROPIC_MESSAGES
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.error_body import read_error
from thinkaloud_server.providers.failure import stream_failure
from thinkaloud_server.providers.table import vendor_named

TABLE = Path(__file__).parents[1] / "vectors" / "errors" / "anthropic-messages.jsonl"
CASES = [json.loads(line) for line in TABLE.read_text().rstrip("\n").split("\n")]
ENDPOINT = Endpoint("it", "https://api.anthropic.com", vendor_named("anthropic"), api_key="canary-k3y")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_body_means_what_the_table_says(case: dict[str, Any]) -> None:
    """A status of 0 is an error inside a stream."""
    body = json.dumps(case["body"]).encode()
    if case["status"]:
        failure = ANTHROPIC_MESSAGES.failure(ENDPOINT, case["status"], {}, body, reasoning_sent=True)
    else:
        request = ModelRequest("claude-opus-4-8", (), reasoning=ReasoningControl("high"))
        failure = stream_failure(ENDPOINT, request, read_error(body))
    assert failure.reason == case["reason"]
    assert failure.reasoning_refused is case.get("reasoning_refused", False)


def test_the_table_holds_both_answers() -> None:
    assert len(CASES) > 50
    assert sum(case.get("reasoning_refused", False) for case in CASES) > 10


def test_a_request_that_said_nothing_of_reasoning_is_never_refused_for_it() -> None:
    for case in CASES:
        body = json.dumps(case["body"]).encode()
        failure = ANTHROPIC_MESSAGES.failure(ENDPOINT, case["status"] or 400, {}, body, reasoning_sent=False)
        assert not failure.reasoning_refused
