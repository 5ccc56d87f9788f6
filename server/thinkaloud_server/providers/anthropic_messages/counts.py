"""Token counts: some at the start of a message, the rest at its end, cumulative."""

from __future__ import annotations

from typing import Any

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.fact import count

_INT32_MAX = 2**31 - 1


class Counts:
    """The counts of one message; what comes later counts, but never a nought or a null that stands for "unsaid"."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def add(self, usage: object) -> Usage | None:
        """The counts with those of this `usage` object; None where it holds nothing."""
        if not isinstance(usage, dict):
            return None
        self._known.update((name, value) for name, value in usage.items() if value)
        known = self._known
        cached = count(known, "cache_read_input_tokens")
        # Anthropic counts what it read from its cache, and wrote into it, beside `input_tokens`.
        inputs = count(known, "input_tokens") + cached + count(known, "cache_creation_input_tokens")
        found = Usage(
            min(inputs, _INT32_MAX),
            count(known, "output_tokens"),
            count(known.get("output_tokens_details"), "thinking_tokens"),
            cached,
        )
        return found if found != _NOTHING else None


_NOTHING = Usage()
