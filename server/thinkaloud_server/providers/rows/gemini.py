"""The vendors that speak `gemini`: Google, at AI Studio and at Vertex.

Sources: https://ai.google.dev/gemini-api/docs/thinking and Vertex's page of the same name, August 2026. Models of the
line 2.5 are told a budget, those of the line 3 a level; to be told both is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from thinkaloud_server.core.request import EFFORTS, Effort
from thinkaloud_server.providers.vendors import Fields, Reasoning, Vendor

_CONFIG = "generationConfig.thinkingConfig"
_BUDGET = f"{_CONFIG}.thinkingBudget"
_LEVEL = f"{_CONFIG}.thinkingLevel"
_CHAT_PATH = "/models/{model}:streamGenerateContent"


def _thinking(**values: Any) -> Fields:
    return MappingProxyType({"generationConfig": {"thinkingConfig": values}})


_NO_FIELDS: Fields = MappingProxyType({})
_SHOWN = _thinking(includeThoughts=True)
_OFF = _thinking(thinkingBudget=0)
# The vendor chooses as it goes.
_DYNAMIC = _thinking(thinkingBudget=-1)


def _budgets(*tokens: int) -> Mapping[Effort, int]:
    """For minimal, low, medium, high, max; "low" to "high" as Google's own OpenAI-compatible face has them."""
    return MappingProxyType(dict(zip(EFFORTS[1:], tokens, strict=True)))


def _levels(*words: str) -> Reasoning:
    """For none, minimal, low, medium, high, max. No level is "off": the least is what comes nearest."""
    return Reasoning(effort=_LEVEL, words=MappingProxyType(dict(zip(EFFORTS, words, strict=True))), shown=_SHOWN)


def _budget(least: int, most: int, *, unasked: bool) -> Reasoning:
    """`unasked` says that the model thinks by itself. Of one that does not, Vertex refuses to show its thoughts."""
    return Reasoning(
        effort=_BUDGET,
        words=_budgets(512, 1024, 8192, 24576, most),
        on=_NO_FIELDS if unasked else _SHOWN,
        bare=_DYNAMIC,
        off=_OFF,
        budget=_BUDGET,
        shown=_SHOWN if unasked else _NO_FIELDS,
        budget_min=least,
        budget_max=most,
    )


_NOTHING = Reasoning()
_ONLY_SHOWN = Reasoning(shown=_SHOWN)
_FLASH = _budget(0, 24576, unasked=True)
_FLASH_LITE = _budget(512, 24576, unasked=False)
# It cannot be switched off.
_PRO = Reasoning(
    effort=_BUDGET,
    words=MappingProxyType({"none": 128, **_budgets(512, 1024, 8192, 24576, 32768)}),
    bare=_DYNAMIC,
    budget=_BUDGET,
    shown=_SHOWN,
    budget_min=128,
    budget_max=32768,
)


def _at_least(row: Reasoning, budget: int) -> Reasoning:
    """The row of a model of which nobody knows whether it can be switched off: "none" is the least budget."""
    words = MappingProxyType({**row.words, "none": budget})
    return replace(row, words=words, off=None, budget_min=max(row.budget_min, budget))


_MODELS = (
    # What does not think answers a thinking config with 400.
    *((part, _NOTHING) for part in ("gemini-1", "gemini-2.0", "gemini-2.5-flash-image", "-tts", "-live")),
    *((part, _NOTHING) for part in ("native-audio", "embedding")),
    ("gemini-2.5-pro", _PRO),
    ("gemini-2.5-computer-use", _PRO),
    ("gemini-2.5-flash-lite", _FLASH_LITE),
    ("gemini-2.5", _FLASH),
    ("gemini-robotics-er-1", _FLASH),
    # Names for whatever is the latest, of either line: that of the line 3 takes a budget too, for old callers, but not
    # one of 0, which it refuses without saying why.
    ("gemini-flash-lite-latest", _at_least(_FLASH_LITE, 512)),
    ("gemini-flash-latest", _at_least(_FLASH, 128)),
    ("gemini-pro-latest", _PRO),
    ("-image", _ONLY_SHOWN),
    ("gemini-3-pro", _levels("low", "low", "low", "low", "high", "high")),
    ("-pro", _levels("low", "low", "low", "medium", "high", "high")),
    *(
        (part, _levels("minimal", "minimal", "low", "medium", "high", "high"))
        for part in ("gemini-3-", "gemini-3.1", "gemini-3.5", "gemini-3.6")
    ),
    # Gemma 4 refuses the levels between (earendil-works/pi#2811).
    ("gemma-4", _levels("minimal", "minimal", "minimal", "high", "high", "high")),
    # From 3.7 on there is no level "minimal" (ai.google.dev/gemini-api/docs/whats-new-gemini-3.7).
    ("gemini-", _levels("low", "low", "low", "medium", "high", "high")),
)

# Whoever serves the format under a name of its own, as proxies of it do.
GENERIC = Vendor("generic", dialect="gemini", key_header="x-goog-api-key", chat_path=_CHAT_PATH, by_model=_MODELS)

VENDORS: tuple[Vendor, ...] = (
    Vendor(
        "gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        hosts=("generativelanguage.googleapis.com",),
        key_header="x-goog-api-key",
        chat_path=_CHAT_PATH,
        by_model=_MODELS,
    ),
    # Express mode: a key, and no project in the path.
    Vendor(
        "vertex-express",
        dialect="gemini",
        hosts=(".googleapis.com",),
        paths=("/v1/publishers/google", "/v1beta1/publishers/google"),
        key_header="x-goog-api-key",
        chat_path=_CHAT_PATH,
        by_model=_MODELS,
    ),
    # A project's: a token of Google's identity. The region is in the host and in the path.
    Vendor(
        "vertex",
        dialect="gemini",
        hosts=(".googleapis.com",),
        paths=("/publishers/google",),
        chat_path=_CHAT_PATH,
        by_model=_MODELS,
    ),
)
