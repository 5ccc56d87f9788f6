"""Usage, from what is counted and what is billed."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.cohere_v2.counts import usage_of

BILLED = {"input_tokens": 8, "output_tokens": 3}


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        ({"tokens": {"input_tokens": 100, "output_tokens": 5}, "billed_units": BILLED}, Usage(100, 5)),
        ({"tokens": {"input_tokens": 1.0, "output_tokens": 50.0, "reasoning_tokens": 40.0}}, Usage(1, 50, 40)),
        ({"tokens": {"input_tokens": 100, "output_tokens": 5}, "cached_tokens": 64}, Usage(100, 5, 0, 64)),
        ({"billed_units": BILLED}, Usage(8, 3)),
        ({"tokens": {}, "billed_units": BILLED}, Usage(8, 3)),
        ({"tokens": {"input_tokens": "x", "output_tokens": -1}}, None),
        ({"tokens": [1]}, None),
        ({}, None),
        (None, None),
        (7, None),
    ],
)
def test_what_was_read_and_written_counts(value: object, usage: Usage | None) -> None:
    assert usage_of(value) == usage
