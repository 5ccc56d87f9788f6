"""Prices in listings: each vendor's fields and its unit in a row. Whatever the unit, a Price is dollars a token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from thinkaloud_server.core.request import Price
from thinkaloud_server.providers.fact import amount, at, number

_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class _Fields:
    """Where the prices stand. `unit` is the number of tokens that they are for; 0: as the listing or the size says."""

    input: str
    output: str
    cached: tuple[str, ...] = ()
    reasoning: str = ""
    unit: float = 0


_ROWS = (
    # OpenRouter, Groq, and who copies them: text, dollars a token; Chutes and NanoGPT copy all but the unit.
    _Fields("pricing.prompt", "pricing.completion", ("pricing.input_cache_read",), "pricing.internal_reasoning"),
    _Fields(
        *("model_spec.pricing.input.usd", "model_spec.pricing.output.usd"),
        ("model_spec.pricing.cache_input.usd",),
        unit=_MILLION,
    ),
    _Fields(
        *("metadata.pricing.input_tokens", "metadata.pricing.output_tokens"),
        ("metadata.pricing.cache_read_tokens",),
        unit=_MILLION,
    ),
    # Together and Perplexity for a million, Vercel for one.
    _Fields(
        *("pricing.input", "pricing.output"),
        ("pricing.cache_read", "pricing.input_cache_read", "pricing.cached_input"),
    ),
    # Hyperbolic for a million, Requesty for one.
    _Fields("input_price", "output_price", ("cached_price",)),
    _Fields("pricePerToken.input", "pricePerToken.output", ("pricePerToken.cacheRead",), unit=1),
    _Fields("model_info.input_cost_per_token", "model_info.output_cost_per_token", unit=1),
    # Novita in hundredths of a cent for a million tokens, xAI in cents for a hundred million: the same.
    _Fields("input_token_price_per_m", "output_token_price_per_m", unit=1e4 * _MILLION),
    _Fields(
        *("prompt_text_token_price", "completion_text_token_price"),
        ("cached_prompt_text_token_price",),
        unit=1e4 * _MILLION,
    ),
)
_UNITS: Mapping[object, float] = MappingProxyType(
    {"usd_per_1m_tokens": _MILLION, "per_million_tokens": _MILLION, "usd_per_token": 1.0}
)
# Without a unit the size tells: no token costs a tenth of a cent, and no million of them less than that.
_MOST_A_TOKEN = 1e-3


def price_of(item: object) -> Price | None:
    """What this model of a listing costs; None where the listing does not say, or says that it depends."""
    if amount(at(item, "pricing.hourly")):
        return None  # Together's machines for rent: their tokens say 0
    if at(item, "pricing.currency") not in (None, "USD", "usd"):
        return None
    return next((price for row in _ROWS if (price := _read(row, item)) is not None), None)


def _read(row: _Fields, item: object) -> Price | None:
    given, taken = amount(at(item, row.input)), amount(at(item, row.output))
    if given is None or taken is None:
        return None
    unit = row.unit or _UNITS.get(at(item, "pricing.unit"), 0)
    if not unit:
        if at(item, "pricing.unit") is not None:
            return None
        unit = _MILLION if max(given, taken) >= _MOST_A_TOKEN else 1.0
    cached = next((found for path in row.cached if (found := amount(at(item, path))) is not None), None)
    reasoning = amount(at(item, row.reasoning)) if row.reasoning else None
    return Price(
        given / unit,
        taken / unit,
        None if cached is None else cached / unit,
        # OpenRouter says 0 where it is not priced apart.
        reasoning / unit if reasoning and reasoning != taken else None,
        _dearer_above(item),
    )


def _dearer_above(item: object) -> int:
    """The longest prompt that costs so: OpenRouter's and Venice's ways to say that longer ones cost more."""
    overrides = at(item, "pricing.overrides")
    limits = [number(each, ("min_prompt_tokens",)) for each in overrides] if isinstance(overrides, list) else []
    limits.append(number(item, ("model_spec.pricing.extended.context_token_threshold",)))
    return min((limit for limit in limits if limit), default=0)
