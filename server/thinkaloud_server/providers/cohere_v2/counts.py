"""Token counts of `usage`."""

from __future__ import annotations

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.fact import count


def usage_of(value: object) -> Usage | None:
    """The usage in a `usage` object; None for what holds no count.

    `tokens` is what was read and written, thoughts included; `billed_units`, without what the provider adds to a
    prompt, only stands in where that is missing.
    """
    if not isinstance(value, dict):
        return None
    tokens = value.get("tokens") or value.get("billed_units")
    usage = Usage(
        count(tokens, "input_tokens"),
        count(tokens, "output_tokens"),
        count(tokens, "reasoning_tokens"),
        count(value, "cached_tokens") or count(tokens, "cached_tokens"),
    )
    return usage if usage != _NOTHING else None


_NOTHING = Usage()
