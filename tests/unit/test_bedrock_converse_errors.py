"""What Bedrock's errors mean: wordings of Amazon and of the models behind it, one a line of the vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.providers.bedrock_converse import BEDROCK_CONVERSE
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import vendor_named

VECTORS = Path(__file__).parents[1] / "vectors" / "errors" / "bedrock-converse.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().rstrip("\n").split("\n")]
ENDPOINT = Endpoint("it", "https://bedrock.example", vendor_named("bedrock", "bedrock-converse"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["body"])[:90])
def test_a_wording_means_what_it_says(case: dict[str, Any]) -> None:
    body, headers = json.dumps(case["body"]).encode(), case.get("headers", {})
    it = BEDROCK_CONVERSE.failure(ENDPOINT, case["status"], headers, body, reasoning_sent=True)
    assert it.reason == case["reason"]
    assert it.reasoning_refused is case.get("reasoning_refused", False)
    assert it.status == case["status"]
    plain = BEDROCK_CONVERSE.failure(ENDPOINT, case["status"], headers, body, reasoning_sent=False)
    assert not plain.reasoning_refused
