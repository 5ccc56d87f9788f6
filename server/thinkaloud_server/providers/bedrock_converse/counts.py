"""Token counts of Converse. What was read from a cache, or written to it, is counted apart; with us it is input too.

Some models' `inputTokens` might hold it already: then the vendor's own sum says so.
"""

from __future__ import annotations

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.fact import count

_NOTHING = Usage()


def usage_of(value: object) -> Usage | None:
    """The usage in a `usage` object; None for what holds no count."""
    inputs, outputs = count(value, "inputTokens"), count(value, "outputTokens")
    read = count(value, "cacheReadInputTokens")
    cached = read + count(value, "cacheWriteInputTokens")
    if cached and (cached > inputs or count(value, "totalTokens") != inputs + outputs):
        inputs += cached
    usage = Usage(inputs, outputs, cached_tokens=read)
    return usage if usage != _NOTHING else None
