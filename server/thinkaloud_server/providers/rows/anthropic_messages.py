"""The vendors that speak `anthropic-messages`: Anthropic, the clouds that serve its models, and who speaks likewise.

Sources: platform.claude.com (extended and adaptive thinking, effort, what is new in 4.7 and 5, Claude in Foundry and
on Vertex), api-docs.deepseek.com/guides/anthropic_api, docs.ollama.com/api/anthropic-compatibility,
platform.minimax.io, docs.z.ai, platform.moonshot.ai, and recorded streams; 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from thinkaloud_server.core.request import EFFORTS, Effort
from thinkaloud_server.providers.vendors import Fields, Reasoning, Vendor


def _fields(**values: Any) -> Fields:
    return MappingProxyType(values)


def _words(*words: str) -> Mapping[Effort, str]:
    """The words for none, minimal, low, medium, high, max; "" where there is none."""
    return MappingProxyType({effort: word for effort, word in zip(EFFORTS, words, strict=True) if word})


_VERSION = ("anthropic-version", "2023-06-01")
_INTERLEAVED = ("anthropic-beta", "interleaved-thinking-2025-05-14")
# Without `display` the newest models send signatures and no text; the older ones summarise anyway.
_ADAPTIVE_ON = _fields(thinking={"type": "adaptive", "display": "summarized"})
_OFF = _fields(thinking={"type": "disabled"})
_LEVELS = _words("low", "low", "low", "medium", "high", "max")

# Claude 3.5 and before: no thinking at all.
_NEVER = Reasoning(sampling="strict")
# Claude 3.7 to 4.5 count tokens. Their thoughts are shown unasked, and the oldest of the clouds' copies do not know
# `display`. Interleaving is not for 3.7, whose copies on other clouds refuse its header.
_BUDGET_3 = Reasoning(
    effort="thinking.budget_tokens",
    words=MappingProxyType({"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "max": 32000}),
    on=_fields(thinking={"type": "enabled"}),
    bare=_fields(thinking={"budget_tokens": 8192}),
    off=_OFF,
    budget="thinking.budget_tokens",
    budget_min=1024,
    sampling="strict",
)
_BUDGET = Reasoning(
    effort=_BUDGET_3.effort,
    words=_BUDGET_3.words,
    on=_fields(thinking={"type": "enabled", "display": "summarized"}),
    bare=_BUDGET_3.bare,
    off=_OFF,
    budget=_BUDGET_3.budget,
    budget_min=1024,
    tool_headers=(_INTERLEAVED,),
    sampling="strict",
)
# 4.6 takes both forms; the budget is deprecated there. 4.7 and later take this one only, and no sampling.
_ADAPTIVE_46 = Reasoning(effort="output_config.effort", words=_LEVELS, on=_ADAPTIVE_ON, off=_OFF, sampling="strict")
_ADAPTIVE = Reasoning(effort="output_config.effort", words=_LEVELS, on=_ADAPTIVE_ON, off=_OFF, sampling="none")
# These think unless they are told not to, and "adaptive" is what they do then: it adds nothing but the display.
_UNASKED = Reasoning(
    effort="output_config.effort",
    words=_LEVELS,
    on=_ADAPTIVE_ON,
    off=_OFF,
    shown=_ADAPTIVE_ON,
    sampling="none",
)
# These cannot be told not to: "disabled" is refused, so that "none" becomes the least there is.
_ALWAYS = Reasoning(effort="output_config.effort", words=_LEVELS, on=_ADAPTIVE_ON, shown=_ADAPTIVE_ON, sampling="none")


_FAMILIES = ("opus", "sonnet", "haiku")
# Gateways write 4.6 where Anthropic writes 4-6.
_DOTS = ("-", ".")
_ADAPTIVE_MODELS = (
    ("fable", _ALWAYS),
    ("mythos", _ALWAYS),
    *((f"{family}-4{dot}6", _ADAPTIVE_46) for family in _FAMILIES for dot in _DOTS),
    *((f"{family}-4{dot}{minor}", _ADAPTIVE) for family in _FAMILIES for dot in _DOTS for minor in (7, 8, 9)),
)
_CLAUDE = (
    *_ADAPTIVE_MODELS,
    *((f"{family}-4", _BUDGET) for family in _FAMILIES),
    ("3-7-sonnet", _BUDGET_3),
    ("3.7-sonnet", _BUDGET_3),
    ("claude-3", _NEVER),
    ("claude-2", _NEVER),
    ("claude-instant", _NEVER),
)
_CLAUDE_FORMS = (
    *((f"adaptive:{part}", row) for part, row in _ADAPTIVE_MODELS),
    ("adaptive", _UNASKED),
    ("budget:3-7", _BUDGET_3),
    ("budget", _BUDGET),
)
# A Claude whose name is none of those is newer.
_CLAUDE_ELSEWHERE = (*_CLAUDE, ("claude", _UNASKED))
# What others understand of it, whatever the model.
_TOKENS = replace(_BUDGET_3, sampling="free")
_SWITCH = Reasoning(on=_fields(thinking={"type": "enabled"}), off=_OFF)

# Others than Anthropic sign nothing, and want the thoughts of a tool loop back all the same.
_SIGNED = ("signature",)
_UNSIGNED = ("thinking",)

# Whoever speaks the dialect and is not in the table.
GENERIC = Vendor(
    "generic",
    "anthropic-messages",
    key_header="x-api-key",
    headers=(_VERSION,),
    chat_path="/v1/messages",
    models_path="/v1/models",
    finish_optional=True,
    replay=_SIGNED,
    reasoning=_TOKENS,
    by_form=_CLAUDE_FORMS,
    by_model=_CLAUDE_ELSEWHERE,
)

VENDORS: tuple[Vendor, ...] = (
    Vendor(
        "anthropic",
        "anthropic-messages",
        base_url="https://api.anthropic.com",
        key_env=("ANTHROPIC_API_KEY",),
        hosts=("api.anthropic.com",),
        key_header="x-api-key",
        headers=(_VERSION,),
        chat_path="/v1/messages",
        models_path="/v1/models",
        pings=True,
        lists_reasoning=True,
        replay=_SIGNED,
        reasoning=_UNASKED,
        by_form=_CLAUDE_FORMS,
        by_model=_CLAUDE,
    ),
    # A deployment has the name that its owner gave it.
    Vendor(
        "azure-anthropic",
        "anthropic-messages",
        hosts=(".azure.com",),
        paths=("/anthropic",),
        key_header="x-api-key",
        headers=(_VERSION,),
        chat_path="/anthropic/v1/messages",
        models_path="/anthropic/v1/models",
        pings=True,
        replay=_SIGNED,
        reasoning=_ADAPTIVE_46,
        by_form=_CLAUDE_FORMS,
        by_model=_CLAUDE_ELSEWHERE,
    ),
    Vendor(
        "vertex-anthropic",
        "anthropic-messages",
        hosts=("aiplatform.googleapis.com", ".googleapis.com"),
        paths=("/publishers/anthropic",),
        chat_path="/publishers/anthropic/models/{model}:streamRawPredict",
        models_path="/publishers/anthropic/models",
        body=_fields(anthropic_version="vertex-2023-10-16"),
        pings=True,
        replay=_SIGNED,
        reasoning=_UNASKED,
        by_form=_CLAUDE_FORMS,
        by_model=_CLAUDE,
    ),
    Vendor(
        "bedrock-anthropic",
        "anthropic-messages",
        hosts=(".api.aws",),
        paths=("/anthropic",),
        key_header="x-api-key",
        headers=(_VERSION,),
        chat_path="/anthropic/v1/messages",
        models_path="/anthropic/v1/models",
        pings=True,
        replay=_SIGNED,
        reasoning=_UNASKED,
        by_form=_CLAUDE_FORMS,
        by_model=_CLAUDE,
    ),
    Vendor(
        "openrouter",
        "anthropic-messages",
        alternate=True,
        base_url="https://openrouter.ai/api/v1",
        hosts=("openrouter.ai",),
        headers=(_VERSION,),
        chat_path="/v1/messages",
        models_path="/v1/models",
        pings=True,
        replay=_UNSIGNED,
        reasoning=_TOKENS,
        by_model=_CLAUDE_ELSEWHERE,
    ),
    Vendor(
        "deepseek-anthropic",
        "anthropic-messages",
        base_url="https://api.deepseek.com/anthropic",
        hosts=("api.deepseek.com",),
        paths=("/anthropic",),
        key_header="x-api-key",
        headers=(_VERSION,),
        chat_path="/anthropic/v1/messages",
        models_path="/anthropic/v1/models",
        pings=True,
        replay=_UNSIGNED,
        reasoning=Reasoning(
            effort="output_config.effort",
            words=_words("", "low", "low", "high", "high", "max"),
            on=_fields(thinking={"type": "enabled"}),
            off=_OFF,
        ),
    ),
    Vendor(
        "minimax-anthropic",
        "anthropic-messages",
        base_url="https://api.minimax.io/anthropic",
        hosts=("api.minimax.io", "api.minimaxi.com"),
        paths=("/anthropic",),
        key_header="x-api-key",
        headers=(_VERSION,),
        chat_path="/anthropic/v1/messages",
        models_path="/anthropic/v1/models",
        replay=_UNSIGNED,
        reasoning=_SWITCH,
        # It always thinks and has no switch.
        by_model=(("minimax-m2", Reasoning(off=_fields())),),
    ),
    Vendor(
        "moonshot-anthropic",
        "anthropic-messages",
        base_url="https://api.moonshot.ai/anthropic",
        hosts=("api.moonshot.ai", "api.moonshot.cn"),
        paths=("/anthropic",),
        headers=(_VERSION,),
        chat_path="/anthropic/v1/messages",
        models_path="/anthropic/v1/models",
        replay=_UNSIGNED,
        reasoning=_SWITCH,
        by_model=(
            (
                "kimi-k3",
                Reasoning(effort="output_config.effort", words=_words("low", "low", "low", "high", "high", "max")),
            ),
            ("kimi-k2-thinking", Reasoning(off=_fields())),
        ),
    ),
    Vendor(
        "zai-anthropic",
        "anthropic-messages",
        base_url="https://api.z.ai/api/anthropic",
        hosts=("api.z.ai", "open.bigmodel.cn"),
        paths=("/anthropic",),
        headers=(_VERSION,),
        chat_path="/api/anthropic/v1/messages",
        models_path="/api/anthropic/v1/models",
        replay=_UNSIGNED,
        reasoning=_SWITCH,
    ),
    Vendor(
        "ollama-cloud",
        "anthropic-messages",
        alternate=True,
        base_url="https://ollama.com",
        hosts=("ollama.com",),
        headers=(_VERSION,),
        chat_path="/v1/messages",
        models_path="/v1/models",
        replay=_UNSIGNED,
        reasoning=_SWITCH,
    ),
    Vendor(
        "ollama",
        "anthropic-messages",
        alternate=True,
        base_url="http://127.0.0.1:11434",
        ports=(11434,),
        headers=(_VERSION,),
        chat_path="/v1/messages",
        models_path="/v1/models",
        replay=_UNSIGNED,
        reasoning=_SWITCH,
    ),
)
