"""What the errors of AI Studio and of Vertex mean: documented and reported wordings, one a line of the vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.gemini import GEMINI
from thinkaloud_server.providers.table import vendor_named

VECTORS = Path(__file__).parents[1] / "vectors" / "errors" / "gemini.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().rstrip("\n").split("\n")]
ENDPOINT = Endpoint("it", "http://provider.example/v1", vendor_named("gemini"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["body"])[:60])
def test_a_wording_means_what_it_says(case: dict[str, Any]) -> None:
    body = json.dumps(case["body"]).encode()
    it = GEMINI.failure(ENDPOINT, case["status"], {}, body, reasoning_sent=True)
    assert it.reason == case["reason"]
    assert it.reasoning_refused is case.get("reasoning_refused", False)
    assert it.retry_after_s == case.get("retry_after_s")
    assert it.status == case["status"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["body"])[:60])
def test_nothing_is_refused_that_was_not_sent(case: dict[str, Any]) -> None:
    body = json.dumps(case["body"]).encode()
    assert not GEMINI.failure(ENDPOINT, case["status"], {}, body, reasoning_sent=False).reasoning_refused
