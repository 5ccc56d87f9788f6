"""Token counts and what they cost, wherever in a chunk they stand and whatever the vendor calls them."""

from __future__ import annotations

from typing import Any

from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.fact import amount, at, count

# docs.x.ai/developers/cost-tracking, November 2026: 1 USD = 10^10 ticks.
_TICKS_PER_USD = 1e10


def usage_of(value: object) -> Usage | None:
    """The usage in a `usage` object; None for what holds no count.

    With us reasoning is part of the output. xAI leaves it out of `completion_tokens` and into `total_tokens`: it is
    added where the vendor's own sum shows that it is not in yet. Where it is more than all of the output, two counts
    disagree (by one token at OpenRouter, by the whole of Gemini's reasoning at Vercel): the larger one counts.
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
    usage = Usage(inputs, max(outputs, reasoning), reasoning, cached, _cost(value))
    return usage if usage != _NOTHING else None


def _cost(value: dict[str, Any]) -> float | None:
    """What the vendor says that the request cost; None where it does not say.

    A cost of 0 says nothing: Perplexity sends it with every chunk until the last, and Azure always. What is really
    free has prices of 0.
    """
    said = value.get("cost")
    if isinstance(said, dict):
        said = said.get("total_cost")  # Perplexity
    cost = (amount(said) or 0.0) if said else 0.0
    if value.get("is_byok") is True:
        # With the caller's own key a gateway charges its fee alone; what the provider charges stands beside it
        # (OpenRouter; Vercel gives the market's price).
        upstream = amount(at(value, "cost_details.upstream_inference_cost")) or amount(value.get("market_cost"))
        cost += upstream or 0.0
    ticks = value.get("cost_in_usd_ticks")
    # No sum comes near 2^63 ticks; beyond a float's reach an integer cannot even be divided.
    if not cost and isinstance(ticks, int | float) and not isinstance(ticks, bool) and 0 < ticks < 2**63:
        cost = amount(ticks / _TICKS_PER_USD) or 0.0
    return cost or None


_NOTHING = Usage()
