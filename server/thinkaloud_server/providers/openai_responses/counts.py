"""Token counts and what they cost, as the vendors of this format tell them: nearly as those of openai-chat do."""

from __future__ import annotations

from dataclasses import replace

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.openai_chat import counts


def usage_of(value: object) -> Usage | None:
    """The usage in a `usage` object; None for what holds no count.

    Cached tokens are part of the input: where there are more of them, as xAI counts, they were left out of it.
    """
    usage = counts.usage_of(value)
    if usage is not None and usage.cached_tokens > usage.input_tokens:
        return replace(usage, input_tokens=usage.input_tokens + usage.cached_tokens)
    return usage
