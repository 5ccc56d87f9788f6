"""Prices in the units of many vendors."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest

from thinkaloud_server.core.request import Price
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.openai_chat.price import price_of

CASES: dict[str, tuple[dict[str, Any], Price | None]] = {
    "openrouter": (
        {"pricing": {"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003"}},
        Price(3e-6, 15e-6, 3e-7),
    ),
    "openrouter, reasoning apart": (
        {"pricing": {"prompt": "0.000001", "completion": "0.000002", "internal_reasoning": "0.000004"}},
        Price(1e-6, 2e-6, None, 4e-6),
    ),
    "openrouter, reasoning as the output, or 0 for none": (
        {"pricing": {"prompt": "0.000001", "completion": "0.000002", "internal_reasoning": "0"}},
        Price(1e-6, 2e-6),
    ),
    "openrouter, long prompts cost more": (
        {
            "pricing": {
                "prompt": "0.000003",
                "completion": "0.000015",
                "overrides": [{"min_prompt_tokens": 500000}, {"min_prompt_tokens": 200000}],
            }
        },
        Price(3e-6, 15e-6, prompt_tokens_max=200000),
    ),
    "openrouter, it depends": ({"pricing": {"prompt": "-1", "completion": "-1"}}, None),
    "openrouter, free": ({"pricing": {"prompt": "0", "completion": "0"}}, Price(0, 0)),
    "groq": (
        {"pricing": {"prompt": "0.000000075", "completion": "0.0000003", "input_cache_read": "0.0000000375"}},
        Price(7.5e-8, 3e-7, 3.75e-8),
    ),
    "together": (
        {"pricing": {"hourly": 0, "input": 0.18, "output": 0.59, "base": 0, "finetune": 0}},
        Price(1.8e-7, 5.9e-7),
    ),
    "together, a machine for rent": ({"pricing": {"hourly": 2.5, "input": 0, "output": 0}}, None),
    "perplexity": (
        {"pricing": {"input": 3, "output": 15, "cache_read": 0.3, "unit": "usd_per_1m_tokens"}},
        Price(3e-6, 15e-6, 3e-7),
    ),
    "a unit that nobody knows": ({"pricing": {"input": 3, "output": 15, "unit": "credits"}}, None),
    "vercel": (
        {"pricing": {"input": "0.0000003", "output": "0.0000025", "input_cache_read": "0.00000003"}},
        Price(3e-7, 25e-7, 3e-8),
    ),
    "venice": (
        {
            "model_spec": {
                "pricing": {
                    "input": {"usd": 0.625, "diem": 9},
                    "output": {"usd": 3.75},
                    "cache_input": {"usd": 0.0625},
                    "extended": {"context_token_threshold": 256000},
                }
            }
        },
        Price(6.25e-7, 3.75e-6, 6.25e-8, None, 256000),
    ),
    "deepinfra": (
        {"metadata": {"pricing": {"input_tokens": 0.5, "output_tokens": 2.15, "cache_read_tokens": 0.4}}},
        Price(5e-7, 2.15e-6, 4e-7),
    ),
    "chutes, OpenRouter's fields for a million": ({"pricing": {"prompt": 0.3, "completion": 1.2}}, Price(3e-7, 12e-7)),
    "nanogpt": ({"pricing": {"prompt": 3, "completion": 15, "unit": "per_million_tokens"}}, Price(3e-6, 15e-6)),
    "another currency": ({"pricing": {"prompt": 3, "completion": 15, "currency": "CNY"}}, None),
    "hyperbolic": ({"input_price": 0.2, "output_price": 0.3}, Price(2e-7, 3e-7)),
    "requesty": (
        {"input_price": 0.000003, "output_price": 0.000015, "cached_price": 0.0000003},
        Price(3e-6, 15e-6, 3e-7),
    ),
    "glama": ({"pricePerToken": {"input": "0.000003", "output": "0.000015"}}, Price(3e-6, 15e-6)),
    "novita": ({"input_token_price_per_m": 7000, "output_token_price_per_m": 25000}, Price(7e-7, 25e-7)),
    "xai": (
        {
            "prompt_text_token_price": 30000,
            "completion_text_token_price": 150000,
            "cached_prompt_text_token_price": 7500,
        },
        Price(3e-6, 15e-6, 7.5e-7),
    ),
    "one side alone": ({"pricing": {"prompt": "0.1"}}, None),
    "wrong types": ({"pricing": [1], "model_spec": 3, "metadata": {"pricing": "x"}}, None),
    "silent": ({"id": "a"}, None),
}


@pytest.mark.parametrize(("item", "expected"), CASES.values(), ids=CASES)
def test_a_price_is_dollars_a_token(item: dict[str, Any], expected: Price | None) -> None:
    found = price_of(item)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert astuple(found) == pytest.approx(astuple(expected))


PRICE = Price(1e-6, 10e-6, cached=1e-7)


@pytest.mark.parametrize(
    ("price", "usage", "cost"),
    [
        (PRICE, Usage(1000, 100), 0.002),
        (PRICE, Usage(1000, 100, 60, 1000), 0.0011),
        (Price(1e-6, 10e-6), Usage(1000, 100, 60, 1000), 0.002),
        (Price(1e-6, 10e-6, reasoning=1e-6), Usage(0, 100, 60), 0.00046),
        # More cached or reasoned than there was at all is a wrong count, and nobody pays back.
        (PRICE, Usage(10, 0, 0, 1000), 1e-6),
        (Price(1e-6, 10e-6, reasoning=0.0), Usage(0, 10, 1000), 0.0),
        (Price(0, 0), Usage(1000, 1000), 0.0),
        (Price(1e-6, 1e-6, prompt_tokens_max=1000), Usage(1000, 0), 0.001),
        (Price(1e-6, 1e-6, prompt_tokens_max=1000), Usage(1001, 0), None),
    ],
)
def test_what_a_usage_costs(price: Price, usage: Usage, cost: float | None) -> None:
    assert price.cost(usage) == (None if cost is None else pytest.approx(cost))
