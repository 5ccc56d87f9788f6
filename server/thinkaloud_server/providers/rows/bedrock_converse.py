"""The vendor that speaks `bedrock-converse`: Amazon Bedrock, each of whose models is told to think in its own words.

Sources: docs.aws.amazon.com/bedrock (Converse, claude-messages-adaptive-thinking, api-keys-use) and /nova (Nova 2,
extended thinking), August 2026; for models of others, whose words no page tells, what Bedrock was seen to take:
anomalyco/opencode#48195 (GPT-5.6 and later), the recorded requests of pydantic/pydantic-ai (Qwen 3), and the playground
(DeepSeek V3).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from thinkaloud_server.core.request import Effort
from thinkaloud_server.providers.vendors import Fields, Reasoning, Vendor

_MORE = "additionalModelRequestFields"


def _more(**values: Any) -> Fields:
    return MappingProxyType({_MORE: MappingProxyType(values)})


def _words(**words: str | int) -> Mapping[Effort, str | int]:
    return MappingProxyType(words)  # type: ignore[arg-type]  # the efforts' own names


_NOTHING: Fields = MappingProxyType({})
_ADAPTIVE = _more(thinking={"type": "adaptive", "display": "summarized"})
_DISABLED = _more(thinking={"type": "disabled"})

# Claude up to 4.5 takes a count of tokens, and does not think unasked.
_CLAUDE_BUDGET = Reasoning(
    effort=f"{_MORE}.thinking.budget_tokens",
    words=_words(minimal=1024, low=4096, medium=8192, high=16384, max=32000),
    on=_more(thinking={"type": "enabled"}),
    bare=_more(thinking={"budget_tokens": 8192}),
    off=_NOTHING,
    budget=f"{_MORE}.thinking.budget_tokens",
    budget_min=1024,
    sampling="strict",
)
_CLAUDE_46 = Reasoning(
    effort=f"{_MORE}.output_config.effort",
    words=_words(minimal="low", low="low", medium="medium", high="high", max="max"),
    on=_ADAPTIVE,
    off=_DISABLED,
    sampling="strict",
)
# From 4.7 on thoughts are left out unless their display is asked for; 4.7 itself does not think unasked.
_CLAUDE_47 = Reasoning(
    effort=f"{_MORE}.output_config.effort",
    words=_words(minimal="low", low="low", medium="medium", high="high", max="max"),
    on=_ADAPTIVE,
    off=_NOTHING,
    sampling="none",
)
# These think unasked, and "disabled" is refused: the least that they can is little.
_CLAUDE_5 = Reasoning(
    effort=f"{_MORE}.output_config.effort",
    words=_words(none="low", minimal="low", low="low", medium="medium", high="high", max="max"),
    on=_ADAPTIVE,
    shown=_ADAPTIVE,
    sampling="none",
)
_GPT_OSS = Reasoning(
    effort=f"{_MORE}.reasoning_effort",
    words=_words(none="low", minimal="low", low="low", medium="medium", high="high", max="high"),
)
# The Responses API's object; the flat word of gpt-oss is refused. Without a summary the thoughts are not to be read.
_GPT = Reasoning(
    effort=f"{_MORE}.reasoning.effort",
    words=_words(minimal="low", low="low", medium="medium", high="high", max="max"),
    on=_more(reasoning={"summary": "auto"}),
    off=_more(reasoning={"effort": "none"}),
    sampling="none",
)


def _config(low: str, medium: str) -> Reasoning:
    """Models that think where a word asks for it, and not without one. A model's own switch is ignored."""
    return Reasoning(
        effort=f"{_MORE}.reasoning_config",
        words=_words(minimal=low, low=low, medium=medium, high="high", max="high"),
        bare=_more(reasoning_config="high"),
        off=_NOTHING,
    )


# Without a control, or with one that nothing is done about.
_SILENT = Reasoning()
_NOVA_2 = Reasoning(
    effort=f"{_MORE}.reasoningConfig.maxReasoningEffort",
    words=_words(minimal="low", low="low", medium="medium", high="high", max="high"),
    on=_more(reasoningConfig={"type": "enabled"}),
    bare=_more(reasoningConfig={"maxReasoningEffort": "medium"}),
    off=_more(reasoningConfig={"type": "disabled"}),
)
_MODELS = (
    *((name, _CLAUDE_46) for name in ("claude-opus-4-6", "claude-sonnet-4-6")),
    *((name, _CLAUDE_47) for name in ("claude-opus-4-7", "claude-opus-4-8")),
    *((name, _CLAUDE_5) for name in ("claude-opus-5", "claude-sonnet-5", "claude-haiku-5", "mythos", "fable")),
    *((name, _CLAUDE_BUDGET) for name in ("claude-3-7", "claude-opus-4", "claude-sonnet-4", "claude-haiku-4")),
    ("gpt-oss", _GPT_OSS),
    ("openai.gpt-", _GPT),
    # They always think, or never do.
    *((name, _SILENT) for name in ("deepseek.r1", "kimi-k2-thinking", "qwen3-coder")),
    ("deepseek.", _config("low", "medium")),
    ("qwen3", _config("low", "high")),
    *((name, _config("high", "high")) for name in ("kimi-k2", "zai.glm")),
    ("nova-2", _NOVA_2),
)

GENERIC = Vendor(
    "generic",
    dialect="bedrock-converse",
    chat_path="/model/{model}/converse-stream",
    models_path="/foundation-models",
    by_model=_MODELS,
)

VENDORS: tuple[Vendor, ...] = (
    Vendor(
        "bedrock",
        dialect="bedrock-converse",
        # Moved to the region of the environment where that names one (app/discover.py).
        base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
        key_env=("AWS_BEARER_TOKEN_BEDROCK",),
        hosts=(".amazonaws.com",),
        chat_path="/model/{model}/converse-stream",
        models_path="/foundation-models",
        signed_for="bedrock",
        by_model=_MODELS,
    ),
)
