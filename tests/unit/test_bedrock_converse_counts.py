"""Token counts of Bedrock: what stood in a cache is part of the input, once."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.bedrock_converse.counts import usage_of


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        ({"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}, Usage(7, 5)),
        # Counted apart: Claude.
        ({"inputTokens": 4, "outputTokens": 5, "totalTokens": 29, "cacheReadInputTokens": 20}, Usage(24, 5, 0, 20)),
        (
            {
                "inputTokens": 4,
                "outputTokens": 5,
                "totalTokens": 29,
                "cacheReadInputTokens": 15,
                "cacheWriteInputTokens": 5,
            },
            Usage(24, 5, 0, 15),
        ),
        # Apart, and not in the sum either: more than the whole input cannot be part of it.
        ({"inputTokens": 4, "outputTokens": 5, "totalTokens": 9, "cacheReadInputTokens": 20}, Usage(24, 5, 0, 20)),
        # In it already, as the sum says.
        ({"inputTokens": 24, "outputTokens": 5, "totalTokens": 29, "cacheReadInputTokens": 20}, Usage(24, 5, 0, 20)),
        ({"inputTokens": 80, "outputTokens": 9, "serverToolUsage": {}, "totalTokens": 89}, Usage(80, 9)),
        ({"inputTokens": "7", "outputTokens": None}, None),
        ({}, None),
        (None, None),
        ([], None),
    ],
)
def test_what_is_counted(value: object, usage: Usage | None) -> None:
    assert usage_of(value) == usage
