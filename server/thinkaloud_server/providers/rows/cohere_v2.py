"""The vendors that speak `cohere-v2`: Cohere, and private deployments of its models.

Source: https://docs.cohere.com/docs/reasoning, August 2026: models that can think do so unless they are told not to,
for as long as they like unless they are given a budget.
"""

from __future__ import annotations

from types import MappingProxyType

from thinkaloud_server.providers.vendors import Reasoning, Vendor

_THINKING = Reasoning(
    effort="thinking.token_budget",
    # No word for "high" and "max": without a budget it thinks as long as it likes.
    words=MappingProxyType({"minimal": 512, "low": 2048, "medium": 8192}),
    on=MappingProxyType({"thinking": {"type": "enabled"}}),
    off=MappingProxyType({"thinking": {"type": "disabled"}}),
    budget="thinking.token_budget",
    budget_min=1,
)
# A row of its own, so that the listing can tell a name that says so from one that says nothing.
_NAMED = Reasoning(
    effort=_THINKING.effort, words=_THINKING.words, on=_THINKING.on, off=_THINKING.off, budget=_THINKING.budget
)
_NOTHING = Reasoning()

_MODELS = (
    ("reasoning", _NAMED),
    *((part, _NOTHING) for part in ("command-r", "command-a-03", "command-a-vision", "command-a-translate")),
    *((part, _NOTHING) for part in ("command-light", "command-nightly", "aya")),
)

GENERIC = Vendor(
    "generic",
    dialect="cohere-v2",
    chat_path="/v2/chat",
    models_path="/v1/models",
    reasoning=_THINKING,
    by_model=_MODELS,
)

VENDORS: tuple[Vendor, ...] = (
    Vendor(
        "cohere",
        dialect="cohere-v2",
        base_url="https://api.cohere.com",
        key_env=("CO_API_KEY", "COHERE_API_KEY"),
        hosts=("api.cohere.com", "api.cohere.ai"),
        chat_path="/v2/chat",
        models_path="/v1/models",
        reasoning=_THINKING,
        by_model=_MODELS,
    ),
)
