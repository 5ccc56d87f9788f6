"""Token counts of `usageMetadata`: the sums so far, which replace those before."""

from __future__ import annotations

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.gemini.chunk import Counts


def usage_of(counts: Counts) -> Usage | None:
    """The usage in these counts; None where there are none.

    Thoughts are counted apart from the candidates, and with us they are part of the output; where the vendor's own sum
    shows that they are among the candidates already, they are not added. Tokens of built-in tools are input.
    """
    inputs = _counted(counts.prompt_token_count) + _counted(counts.tool_use_prompt_token_count)
    outputs = _counted(counts.candidates_token_count)
    thoughts = _counted(counts.thoughts_token_count)
    if thoughts and not (outputs >= thoughts and counts.total_token_count == inputs + outputs):
        outputs += thoughts
    cached = _counted(counts.cached_content_token_count)
    return Usage(inputs, outputs, thoughts, cached) if inputs or outputs or cached else None


def _counted(value: int | None) -> int:
    # Counters are int32 on every face.
    return value if value is not None and 0 < value < 2**31 else 0
