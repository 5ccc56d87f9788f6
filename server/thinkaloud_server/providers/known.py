"""What is known of models whose vendors' listings say little: a small table, by vendor and name.

A listing wins over it, field by field; it is for vendors that list names alone (OpenAI, DeepSeek, Cerebras), for prices
that no listing has (Anthropic, Gemini), and for names that stand in the configuration. A model that is not here is
asked all the same: nothing depends on being known.

As of 21 November 2026, from the vendors' own pages: developers.openai.com/api/docs/pricing and /models,
platform.claude.com/docs/en/about-claude/pricing, ai.google.dev/gemini-api/docs/pricing, docs.x.ai/developers/models,
api-docs.deepseek.com/quick_start/pricing, inference-docs.cerebras.ai, docs.perplexity.ai. A price is dollars for a
million tokens at the standard rate; one that is disputed, temporary, or changes with the hour (DeepSeek's) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from thinkaloud_server.core.request import ModelInfo, Price

_MILLION = 1e6
_DATED = re.compile(r"-(20\d\d-\d\d-\d\d|20\d{6}|latest)$")

_Table = tuple[ModelInfo, ...]
_Reasoning = Literal["none", "optional", "mandatory", ""]
_Dollars = tuple[float, float] | tuple[float, float, float] | None


def with_known(vendor: str, model: ModelInfo) -> ModelInfo:
    """The model with what is known of it besides what its listing says; `vendor` is the name of a row."""
    row = _find(vendor, model.name)
    if row is None:
        return model
    reasoning: _Reasoning = model.reasoning or row.reasoning
    # Efforts belong to a model that reasons: those of the table do not stand beside another word of the listing.
    same = reasoning == row.reasoning
    return replace(
        model,
        context_length=model.context_length or row.context_length,
        max_output_tokens=model.max_output_tokens or row.max_output_tokens,
        reasoning=reasoning,
        vision=model.vision or row.vision,
        tools=model.tools or row.tools,
        efforts=model.efforts or (row.efforts if same else ()),
        default_effort=model.default_effort or (row.default_effort if same and not model.efforts else ""),
        price=model.price or row.price,
    )


def _find(vendor: str, name: str) -> ModelInfo | None:
    rows = KNOWN.get(_SAME_MODELS.get(vendor, vendor), ())
    name = name.lower()
    plain = _DATED.sub("", name)
    return next((row for row in rows if row.name == name), None) or next(
        (row for row in rows if row.name == plain), None
    )


def _row(
    name: str,
    context: int,
    output: int,
    can: str,
    reasoning: _Reasoning = "none",
    efforts: str = "",
    dollars: _Dollars = None,
    up_to: int = 0,
) -> ModelInfo:
    """`can` holds "vision" and "tools"; of `efforts` the one with a star is what a request without a control gets."""
    words = efforts.split()
    price = None
    if dollars is not None:
        given, taken, *cached = (each / _MILLION for each in dollars)
        price = Price(given, taken, cached[0] if cached else None, None, up_to)
    return ModelInfo(
        name,
        "",
        context,
        output,
        reasoning,
        "vision" in can,
        "tools" in can,
        tuple(word.rstrip("*") for word in words),
        (),
        price,
        next((word.rstrip("*") for word in words if word.endswith("*")), ""),
    )


_BOTH = "vision tools"
_GPT5 = "minimal low medium* high"
_GPT51 = "none* low medium high"
_GPT52 = "none* low medium high xhigh"
_O = "low medium* high"

# Prompts of more tokens cost more at OpenAI, xAI and Google.
_LONG = 272_000
_XAI_LONG = _GOOGLE_LONG = 200_000

_OPENAI: _Table = (
    _row("gpt-6-astra", 1_050_000, 128_000, _BOTH, "mandatory", "low medium high xhigh max", (10, 50, 1), _LONG),
    _row("gpt-6-sol", 0, 0, _BOTH, "", "", (2, 10, 0.2), _LONG),
    _row("gpt-6-luna", 0, 0, _BOTH, "", "", (0.1, 0.5, 0.01), _LONG),
    # Its price is an offer that ends in these days.
    _row("gpt-5.6-sol", 1_050_000, 128_000, _BOTH, "optional", "none low medium high xhigh max"),
    _row("gpt-5.6", 1_050_000, 128_000, _BOTH, "optional", "none low medium high xhigh max"),
    _row("gpt-5.6-terra", 1_050_000, 128_000, _BOTH, "optional", "none low medium high xhigh", (2, 12, 0.2), _LONG),
    _row("gpt-5.6-luna", 1_050_000, 128_000, _BOTH, "optional", "none low medium high xhigh", (0.2, 1.2, 0.02), _LONG),
    _row("gpt-5.5", 1_050_000, 128_000, _BOTH, "optional", "none low medium high xhigh", (5, 30, 0.5), _LONG),
    _row("gpt-5.4", 1_050_000, 128_000, _BOTH, "optional", _GPT52, (2.5, 15, 0.25), _LONG),
    _row("gpt-5.4-mini", 400_000, 128_000, _BOTH, "optional", _GPT52, (0.75, 4.5, 0.075)),
    _row("gpt-5.4-nano", 400_000, 128_000, _BOTH, "optional", _GPT52, (0.2, 1.25, 0.02)),
    _row("gpt-5.2", 400_000, 128_000, _BOTH, "optional", _GPT52, (1.75, 14, 0.175)),
    _row("gpt-5.1", 400_000, 128_000, _BOTH, "optional", _GPT51, (1.25, 10, 0.125)),
    _row("gpt-5", 400_000, 128_000, _BOTH, "mandatory", _GPT5, (1.25, 10, 0.125)),
    _row("gpt-5-mini", 400_000, 128_000, _BOTH, "mandatory", _GPT5, (0.25, 2, 0.025)),
    _row("gpt-5-nano", 400_000, 128_000, _BOTH, "mandatory", _GPT5, (0.05, 0.4, 0.005)),
    _row("gpt-5-pro", 400_000, 272_000, _BOTH, "mandatory", "high*", (15, 120)),
    _row("gpt-4.1", 1_047_576, 32_768, _BOTH, dollars=(2, 8, 0.5)),
    _row("gpt-4.1-mini", 1_047_576, 32_768, _BOTH, dollars=(0.4, 1.6, 0.1)),
    _row("gpt-4.1-nano", 1_047_576, 32_768, _BOTH, dollars=(0.1, 0.4, 0.025)),
    _row("gpt-4o", 128_000, 16_384, _BOTH, dollars=(2.5, 10, 1.25)),
    _row("gpt-4o-mini", 128_000, 16_384, _BOTH, dollars=(0.15, 0.6, 0.075)),
    _row("o3", 200_000, 100_000, _BOTH, "mandatory", _O, (2, 8, 0.5)),
    _row("o3-mini", 200_000, 100_000, "tools", "mandatory", _O, (1.1, 4.4, 0.55)),
    _row("o4-mini", 200_000, 100_000, _BOTH, "mandatory", _O, (1.1, 4.4, 0.275)),
    _row("o1", 200_000, 100_000, _BOTH, "mandatory", _O, (15, 60, 7.5)),
)

# Its listing has limits and capabilities, and no prices.
_ANTHROPIC: _Table = (
    _row("claude-fable-5-1", 0, 0, "", "", "", (10, 50, 0.25)),
    _row("claude-fable-5", 0, 0, "", "", "", (10, 50, 1)),
    _row("claude-opus-5-5", 0, 0, "", "", "", (4, 20, 0.2)),
    *(_row(f"claude-opus-{version}", 0, 0, "", "", "", (5, 25, 0.5)) for version in ("5", "4-8", "4-7", "4-6", "4-5")),
    *(_row(f"claude-opus-{version}", 0, 0, "", "", "", (15, 75, 1.5)) for version in ("4-1", "4-0", "4")),
    _row("claude-sonnet-5-5", 0, 0, "", "", "", (2, 10, 0.1)),
    _row("claude-sonnet-5", 0, 0, "", "", "", (2, 10, 0.2)),
    *(_row(f"claude-sonnet-{version}", 0, 0, "", "", "", (3, 15, 0.3)) for version in ("4-6", "4-5", "4-0", "4")),
    _row("claude-haiku-5-5", 0, 0, "", "", "", (0.1, 0.5, 0.01), 100_000),
    _row("claude-haiku-4-5", 0, 0, "", "", "", (1, 5, 0.1)),
)

# The same of Google's.
_GEMINI: _Table = (
    _row("gemini-3.6-flash", 0, 0, _BOTH, "", "", (0.75, 3.75, 0.075)),
    _row("gemini-3.5-flash", 0, 0, _BOTH, "", "", (1.5, 9)),
    *(
        _row(name, 0, 0, _BOTH, "", "", (2, 12), _GOOGLE_LONG)
        for name in ("gemini-3.1-pro", "gemini-3.1-pro-preview", "gemini-3-pro-preview")
    ),
    _row("gemini-3.1-flash-lite", 0, 0, _BOTH, "", "", (0.25, 1.5)),
    *(_row(name, 0, 0, _BOTH, "", "", (0.5, 3)) for name in ("gemini-3-flash", "gemini-3-flash-preview")),
    _row("gemini-2.5-pro", 0, 0, _BOTH, "", "", (1.25, 10, 0.125), _GOOGLE_LONG),
    _row("gemini-2.5-flash", 0, 0, _BOTH, "", "", (0.3, 2.5, 0.03)),
    _row("gemini-2.5-flash-lite", 0, 0, _BOTH, "", "", (0.1, 0.4, 0.01)),
)

_XAI: _Table = (
    _row("grok-4.7", 0, 0, _BOTH, "mandatory", "low medium high xhigh", (2, 6, 0.5), _XAI_LONG),
    _row("grok-4.5", 500_000, 0, _BOTH, "mandatory", "low medium high", (2, 6, 0.5), _XAI_LONG),
    _row("grok-4.3", 1_000_000, 30_000, _BOTH, "", "", (1.25, 2.5, 0.2), _XAI_LONG),
    _row("grok-4.20-0309-reasoning", 2_000_000, 30_000, _BOTH, "mandatory", "", (1.25, 2.5, 0.2), _XAI_LONG),
    _row("grok-4", 256_000, 0, _BOTH, "mandatory", "", (3, 15), 128_000),
)

_DEEPSEEK: _Table = (
    *(
        _row(name, 1_048_576, 393_216, can, "optional", "low high max")
        for name, can in (("deepseek-flash", _BOTH), ("deepseek-v4-flash", _BOTH))
    ),
    _row("deepseek-v4-pro", 1_048_576, 393_216, "tools", "optional", "high max"),
)

_CEREBRAS: _Table = (
    _row("qwen-3.8-27b", 65_536, 32_768, _BOTH, "optional", "none low medium high*", (0.99, 1.49)),
    _row("gpt-oss-120b", 131_072, 40_960, "tools", "mandatory", "low medium* high"),
    _row("zai-glm-4.7", 131_072, 40_000, "tools", "optional"),
)

# A search costs something beside the tokens; the vendor's own word, in the last chunk, has it.
_PERPLEXITY: _Table = (
    _row("sonar", 128_000, 0, "", dollars=(1, 1)),
    _row("sonar-pro", 200_000, 8_000, "vision", dollars=(3, 15)),
    _row("sonar-reasoning-pro", 128_000, 0, "", "mandatory", "minimal low medium high", (2, 8)),
    _row("sonar-deep-research", 128_000, 33_000, "", "mandatory", "minimal low medium high", (2, 8)),
)

KNOWN: Mapping[str, _Table] = MappingProxyType(
    {
        "openai": _OPENAI,
        "anthropic": _ANTHROPIC,
        "gemini": _GEMINI,
        "xai": _XAI,
        "deepseek": _DEEPSEEK,
        "cerebras": _CEREBRAS,
        "perplexity": _PERPLEXITY,
    }
)
# Who serves the models of another vendor under their names and at their prices.
_SAME_MODELS: Mapping[str, str] = MappingProxyType({"azure": "openai", "vertex": "gemini"})
