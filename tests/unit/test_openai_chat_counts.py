"""Token counts under the names of many vendors."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.openai_chat.counts import usage_of

CASES: dict[str, tuple[object, Usage | None]] = {
    "openai": (
        {
            "prompt_tokens": 19,
            "completion_tokens": 149,
            "total_tokens": 168,
            "completion_tokens_details": {"reasoning_tokens": 128},
            "prompt_tokens_details": {"cached_tokens": 4},
        },
        Usage(19, 149, 128, 4),
    ),
    "deepseek": ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 8}, Usage(9, 2, 0, 8)),
    "mistral": ({"prompt_tokens": 10, "completion_tokens": 142, "num_cached_tokens": 64}, Usage(10, 142, 0, 64)),
    "moonshot": ({"prompt_tokens": 10, "completion_tokens": 1, "cached_tokens": 6}, Usage(10, 1, 0, 6)),
    "perplexity": ({"prompt_tokens": 5, "completion_tokens": 9, "reasoning_tokens": 4}, Usage(5, 9, 4, 0)),
    "responses' names": (
        {"input_tokens": 3, "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 1}},
        Usage(3, 4, 1, 0),
    ),
    "xai, reasoning not in the completion": (
        {
            "prompt_tokens": 28,
            "completion_tokens": 10,
            "total_tokens": 318,
            "completion_tokens_details": {"reasoning_tokens": 280},
        },
        Usage(28, 290, 280, 0),
    ),
    "vercel, gemini's reasoning in no count": (
        {
            "prompt_tokens": 9,
            "completion_tokens": 2,
            "total_tokens": 11,
            "completion_tokens_details": {"reasoning_tokens": 25},
        },
        Usage(9, 25, 25, 0),
    ),
    "details are null": (
        {"prompt_tokens": 43, "completion_tokens": 2, "completion_tokens_details": None, "prompt_tokens_details": None},
        Usage(43, 2, 0, 0),
    ),
    "floats": ({"prompt_tokens": 43.0, "completion_tokens": 2.0}, Usage(43, 2, 0, 0)),
    "wrong types": (
        {"prompt_tokens": "43", "completion_tokens": True, "completion_tokens_details": 3, "reasoning_tokens": -1},
        None,
    ),
    "too large for int32": ({"prompt_tokens": 2**31, "completion_tokens": 1}, Usage(0, 1)),
    "not a number": ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, None),
    "zeros": ({"prompt_tokens": 0, "completion_tokens": 0}, None),
    "empty": ({}, None),
    "null": (None, None),
    "text": ("many", None),
}


@pytest.mark.parametrize(("value", "expected"), CASES.values(), ids=CASES)
def test_counts(value: object, expected: Usage | None) -> None:
    assert usage_of(value) == expected


TOKENS = {"prompt_tokens": 10, "completion_tokens": 5}
COSTS: dict[str, tuple[dict[str, object], float | None]] = {
    "openrouter": (
        {"cost": 0.001156, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.001156}},
        0.001156,
    ),
    "openrouter, own key": (
        {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}},
        0.0021,
    ),
    "vercel": ({"cost": 0.0000702, "market_cost": 0.0000702, "is_byok": False}, 0.0000702),
    "vercel, own key": ({"cost": 0, "market_cost": 0.003, "is_byok": True, "cost_details": None}, 0.003),
    "perplexity": ({"cost": {"input_tokens_cost": 0.00009, "request_cost": 0.006, "total_cost": 0.00921}}, 0.00921),
    "perplexity, before its last chunk": ({"cost": {"input_tokens_cost": 0, "total_cost": 0}}, None),
    "xai": ({"cost_in_usd_ticks": 37756000}, 0.0037756),
    "xai at azure": ({"cost_in_usd_ticks": 0}, None),
    "nobody says": ({}, None),
    "negative": ({"cost": -1, "cost_in_usd_ticks": -5}, None),
    "text": ({"cost": "0.5"}, 0.5),
    "wrong types": ({"cost": [1], "cost_in_usd_ticks": "many", "is_byok": "yes", "cost_details": 3}, None),
    "not a number": ({"cost": float("nan"), "cost_in_usd_ticks": float("inf")}, None),
    "beyond all floats": ({"cost": 10**400, "cost_in_usd_ticks": 10**400}, None),
    "a flag is no sum": ({"cost": True, "cost_in_usd_ticks": True}, None),
}


@pytest.mark.parametrize(("fields", "cost"), COSTS.values(), ids=COSTS)
def test_the_vendors_word_on_what_it_cost(fields: dict[str, object], cost: float | None) -> None:
    usage = usage_of({**TOKENS, **fields})
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (10, 5)
    assert usage.cost_usd == (None if cost is None else pytest.approx(cost))
