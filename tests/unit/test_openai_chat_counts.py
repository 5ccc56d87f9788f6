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
