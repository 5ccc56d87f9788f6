"""Token counts and what they cost, as the vendors of this format tell them."""

from __future__ import annotations

from dataclasses import replace

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.fact import at
from thinkaloud_server.providers.openai_chat import counts

# docs.x.ai, "Cost Tracking": 1 USD is 10^10 ticks.
_TICKS = 10_000_000_000


def usage_of(value: object) -> Usage | None:
    """The usage in a `usage` object; None for what holds no count.

    Cached tokens are part of the input: where there are more of them, as xAI counts, they were left out of it.
    """
    usage = counts.usage_of(value)
    cost = _cost(value)
    if usage is None and cost is None:
        return None
    usage = usage or Usage()
    if usage.cached_tokens > usage.input_tokens:
        usage = replace(usage, input_tokens=usage.input_tokens + usage.cached_tokens)
    return replace(usage, cost_usd=cost)


def _cost(value: object) -> float | None:
    """US dollars: xAI's ticks, or OpenRouter's `cost`, which leaves out what one's own upstream key was charged."""
    ticks = _amount(at(value, "cost_in_usd_ticks"))
    if ticks is not None:
        return ticks / _TICKS
    cost = _amount(at(value, "cost"))
    if cost is not None and at(value, "is_byok") is True:
        cost += _amount(at(value, "cost_details.upstream_inference_cost")) or 0.0
    return cost


def _amount(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # NaN fails both comparisons.
    return float(value) if 0 <= value < 2**63 else None
