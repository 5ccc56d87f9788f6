"""Token counts, wherever in a chunk they stand and whatever the vendor calls them."""

from __future__ import annotations

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.fact import count


def usage_of(value: object) -> Usage | None:
    """The usage in a `usage` object; None for what holds no count.

    xAI leaves the reasoning out of `completion_tokens` and into `total_tokens`; with us reasoning is part of the
    output, so it is added where the vendor's own sum shows that it is not in yet.
    """
    if not isinstance(value, dict):
        return None
    written = value.get("completion_tokens_details") or value.get("output_tokens_details")
    read = value.get("prompt_tokens_details") or value.get("input_tokens_details")
    inputs = count(value, "prompt_tokens", "input_tokens")
    outputs = count(value, "completion_tokens", "output_tokens")
    reasoning = count(written, "reasoning_tokens") or count(value, "reasoning_tokens")
    cached = count(read, "cached_tokens") or count(
        value, "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens"
    )
    if reasoning and count(value, "total_tokens") == inputs + outputs + reasoning:
        outputs += reasoning
    usage = Usage(inputs, outputs, reasoning, cached)
    return usage if usage != _NOTHING else None


_NOTHING = Usage()
