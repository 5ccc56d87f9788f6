"""What Ollama's errors mean: wordings of server/routes.go and of its cloud, one a line of the vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.ollama import OLLAMA
from thinkaloud_server.providers.table import vendor_named

VECTORS = Path(__file__).parents[1] / "vectors" / "errors" / "ollama.jsonl"
CASES = [json.loads(line) for line in VECTORS.read_text().rstrip("\n").split("\n")]
ENDPOINT = Endpoint("it", "http://provider.example", vendor_named("ollama", "ollama"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: json.dumps(case["body"])[:60])
def test_a_wording_means_what_it_says(case: dict[str, Any]) -> None:
    it = OLLAMA.failure(ENDPOINT, case["status"], {}, json.dumps(case["body"]).encode(), reasoning_sent=True)
    assert it.reason == case["reason"]
    assert it.reasoning_refused is case.get("reasoning_refused", False)
    assert it.status == case["status"]
