"""Usage, from the counts of both APIs."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.gemini.chunk import Counts
from thinkaloud_server.providers.gemini.counts import usage_of


@pytest.mark.parametrize(
    ("prompt", "candidates", "thoughts", "total", "usage"),
    [
        (7, 2, None, 9, Usage(7, 2)),
        (7, None, None, 7, Usage(7, 0)),
        (7, 2, 40, 49, Usage(7, 42, 40)),
        (7, None, 40, 47, Usage(7, 40, 40)),
        # The vendor's sum has the thoughts among the candidates.
        (7, 42, 40, 49, Usage(7, 42, 40)),
        # No sum to tell by: apart, as both APIs document it.
        (7, 42, 40, None, Usage(7, 82, 40)),
        (2**40, 2, 0, 0, Usage(0, 2)),
        (-1, 2, None, 1, Usage(0, 2)),
    ],
)
def test_thoughts_are_part_of_the_output_once(
    prompt: int | None, candidates: int | None, thoughts: int | None, total: int | None, usage: Usage
) -> None:
    assert usage_of(Counts(prompt, candidates, thoughts, total_token_count=total)) == usage


def test_cached_tokens_are_part_of_the_prompt_and_those_of_tools_are_input() -> None:
    counts = Counts(1000, 5, cached_content_token_count=900, tool_use_prompt_token_count=30, total_token_count=1035)
    assert usage_of(counts) == Usage(1030, 5, 0, 900)


def test_no_counts_are_no_usage() -> None:
    assert usage_of(Counts()) is None
    assert usage_of(Counts(0, 0, 0)) is None
