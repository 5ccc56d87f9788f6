"""Token counts and costs in the Responses format."""

from __future__ import annotations

from typing import Any

import pytest

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.openai_responses.counts import usage_of

COUNTS = {"input_tokens": 9, "output_tokens": 7}

USAGES: dict[str, tuple[object, Usage | None]] = {
    "openai": (
        {
            **COUNTS,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
            "output_tokens_details": {"reasoning_tokens": 3},
            "total_tokens": 16,
        },
        Usage(9, 7, 3, 4),
    ),
    "xai, the cached left out of the input": (
        {"input_tokens": 4, "input_tokens_details": {"cached_tokens": 192}, "output_tokens": 2},
        Usage(196, 2, 0, 192),
    ),
    "xai, the reasoning left out of the output": (
        {**COUNTS, "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 46},
        Usage(9, 37, 30, 0),
    ),
    "xai, ticks": ({**COUNTS, "cost_in_usd_ticks": 37_756_000}, Usage(9, 7, cost_usd=0.0037756)),
    "xai, no ticks: a cost of 0 says nothing": ({**COUNTS, "cost_in_usd_ticks": 0}, Usage(9, 7)),
    "openrouter": (
        {**COUNTS, "cost": 0.5, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.5}},
        Usage(9, 7, cost_usd=0.5),
    ),
    "openrouter, one's own key": (
        {**COUNTS, "cost": 0.25, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.5}},
        Usage(9, 7, cost_usd=0.75),
    ),
    "openrouter, one's own key, untold": ({**COUNTS, "cost": 0.25, "is_byok": True}, Usage(9, 7, cost_usd=0.25)),
    "a cost alone": ({"cost": 0.5}, Usage(cost_usd=0.5)),
    "beyond all floats": ({**COUNTS, "cost": 10**400, "cost_in_usd_ticks": 10**400}, Usage(9, 7)),
    "wrong costs": ({**COUNTS, "cost": "much", "cost_in_usd_ticks": True}, Usage(9, 7)),
    "no number": ({**COUNTS, "cost": float("nan")}, Usage(9, 7)),
    "below nothing": ({**COUNTS, "cost": -1}, Usage(9, 7)),
    "nothing": ({}, None),
    "null": (None, None),
    "a list": ([1], None),
}


@pytest.mark.parametrize(("value", "expected"), USAGES.values(), ids=USAGES)
def test_usage(value: Any, expected: Usage | None) -> None:
    assert usage_of(value) == expected
