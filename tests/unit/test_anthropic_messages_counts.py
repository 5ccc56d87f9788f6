"""Token counts, merged over a message."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.anthropic_messages.counts import Counts


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([{"input_tokens": 7, "output_tokens": 1}, {"output_tokens": 5}], Usage(7, 5)),
        ([{"input_tokens": 1128}, {"input_tokens": 2411, "output_tokens": 5}], Usage(2411, 5)),
        ([{"input_tokens": 7}, {"input_tokens": 0, "output_tokens": 5}], Usage(7, 5)),
        ([{"input_tokens": 7}, {"input_tokens": None, "output_tokens": 5}], Usage(7, 5)),
        (
            [{"input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}],
            Usage(127, 0, 0, 100),
        ),
        ([{"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}], Usage(0, 9, 4)),
        ([{"input_tokens": "7", "output_tokens": -1, "output_tokens_details": [1]}], None),
        ([{"input_tokens": 2**31 - 1, "cache_read_input_tokens": 2**31 - 1}], Usage(2**31 - 1, 0, 0, 2**31 - 1)),
        ([{}], None),
        ([None], None),
        (["7"], None),
    ],
)
def test_what_came_last_counts(told: list[object], expected: Usage | None) -> None:
    counts = Counts()
    assert [counts.add(usage) for usage in told][-1] == expected
