"""The vendors that speak `openai-responses`. Adding one is adding a row to `VENDORS`.

For OpenAI, Azure and xAI it is their own format: Chat Completions shows nothing of the reasoning there, and gives
nothing back that could be replayed. The others speak `openai-chat` unasked, and this where it is asked for by name.

Sources: the vendors' own pages and recorded streams, August 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from thinkaloud_server.core.request import EFFORTS, Effort
from thinkaloud_server.providers.vendors import Fields, Reasoning, Vendor


def _fields(**values: Any) -> Fields:
    return MappingProxyType(values)


def _words(*words: str) -> Mapping[Effort, str]:
    """The vendor's words for none, minimal, low, medium, high, max; "" where it has none."""
    return MappingProxyType({effort: word for effort, word in zip(EFFORTS, words, strict=True) if word})


def _vendor(name: str, **fields: Any) -> Vendor:
    return Vendor(name, dialect="openai-responses", chat_path="/responses", **fields)


_LOW_TO_HIGH = _words("low", "low", "low", "medium", "high", "high")

_ENCRYPTED = ["reasoning.encrypted_content"]
_INCLUDE = _fields(include=_ENCRYPTED)
# Without a kind of summary no thought is readable; without the encrypted content none can be replayed. Models that do
# not reason answer 400 to either, so both go unasked only to models that are known to.
_READABLE = _fields(reasoning={"summary": "auto"}, include=_ENCRYPTED)


def _efforts(*words: str, shown: Fields = _READABLE) -> Reasoning:
    return Reasoning(effort="reasoning.effort", words=_words(*words), summary="reasoning.summary", shown=shown)


# Whoever nobody knows: what makes thoughts readable is sent when thinking is asked for, and not before.
_ASKED = Reasoning(
    effort="reasoning.effort",
    words=_words("", "low", "low", "medium", "high", "high"),
    on=_READABLE,
    off=_fields(reasoning={"effort": "none"}),
    summary="reasoning.summary",
)
_EFFORT = Reasoning(effort="reasoning.effort", words=_LOW_TO_HIGH)

_O_SERIES = _efforts("low", "low", "low", "medium", "high", "high")
# These two have no summaries (Azure's table of reasoning models).
_O_WITHOUT_SUMMARY = Reasoning(effort="reasoning.effort", words=_LOW_TO_HIGH, shown=_INCLUDE)
_OPENAI_MODELS: tuple[tuple[str, Reasoning], ...] = (
    # Raw reasoning, which needs no asking for.
    ("gpt-oss", _EFFORT),
    # The models of ChatGPT think for themselves, and say nothing of it.
    ("-chat", _ASKED),
    ("gpt-5-pro", _efforts("high", "high", "high", "high", "high", "high")),
    ("gpt-5-codex", _O_SERIES),
    ("gpt-5.", _efforts("none", "low", "low", "medium", "high", "xhigh")),
    ("gpt-5", _efforts("minimal", "minimal", "low", "medium", "high", "high")),
    ("codex-mini", _O_SERIES),
    ("o1", _O_WITHOUT_SUMMARY),
    ("o3-mini", _O_WITHOUT_SUMMARY),
    ("o3", _O_SERIES),
    ("o4", _O_SERIES),
)
_GROK = _efforts("none", "low", "low", "medium", "high", "high")
# They think as much as they like, and refuse to be told.
_GROK_WITHOUT_EFFORT = Reasoning(summary="reasoning.summary", shown=_READABLE)
_REPLAY = ("reasoning",)

GENERIC = _vendor("generic", replay=_REPLAY, reasoning=_ASKED)

VENDORS: tuple[Vendor, ...] = (
    _vendor(
        "openai",
        base_url="https://api.openai.com/v1",
        key_env=("OPENAI_API_KEY",),
        hosts=("api.openai.com",),
        replay=_REPLAY,
        reasoning=_ASKED,
        by_model=_OPENAI_MODELS,
    ),
    # Deployments by path (/openai/deployments/) know chat alone.
    _vendor(
        "azure",
        hosts=(".azure.com",),
        paths=("/openai/v1",),
        key_header="api-key",
        replay=_REPLAY,
        reasoning=_ASKED,
        by_model=_OPENAI_MODELS,
    ),
    _vendor(
        "xai",
        base_url="https://api.x.ai/v1",
        key_env=("XAI_API_KEY",),
        hosts=("api.x.ai", ".api.x.ai"),
        pings=True,
        replay=_REPLAY,
        reasoning=_ASKED,
        by_model=(
            ("non-reasoning", Reasoning()),
            ("grok-3-mini", _efforts("low", "low", "low", "high", "high", "high")),
            ("grok-4.", _GROK),
            ("grok-4", _GROK_WITHOUT_EFFORT),
            ("grok-code", _GROK_WITHOUT_EFFORT),
        ),
    ),
    _vendor(
        "openrouter",
        alternate=True,
        base_url="https://openrouter.ai/api/v1",
        hosts=("openrouter.ai",),
        pings=True,
        replay=_REPLAY,
        reasoning=Reasoning(
            effort="reasoning.effort",
            words=_words("none", "minimal", "low", "medium", "high", "max"),
            bare=_fields(reasoning={"enabled": True}),
            budget="reasoning.max_tokens",
            summary="reasoning.summary",
            # It takes the field for every model, and leaves it out where it means nothing.
            shown=_INCLUDE,
        ),
    ),
    _vendor(
        "deepseek",
        alternate=True,
        base_url="https://api.deepseek.com",
        hosts=("api.deepseek.com",),
        pings=True,
        replay=_REPLAY,
        # "Thinking Mode" of its guides has these words; it maps minimal and medium as we do.
        reasoning=Reasoning(effort="reasoning.effort", words=_words("none", "low", "low", "high", "high", "max")),
    ),
    # Mantle, at /v1 and /openai/v1.
    _vendor(
        "bedrock",
        alternate=True,
        hosts=(".api.aws",),
        replay=_REPLAY,
        reasoning=_EFFORT,
        by_model=_OPENAI_MODELS,
    ),
    # It refuses encrypted content in the input, and has none in its output.
    _vendor(
        "vllm", alternate=True, base_url="http://127.0.0.1:8000/v1", ports=(8000,), replay=_REPLAY, reasoning=_EFFORT
    ),
    # Its input is checked against a schema that is nowhere said to know reasoning items, so they are not sent back.
    _vendor("lmstudio", alternate=True, base_url="http://127.0.0.1:1234/v1", ports=(1234,), reasoning=_EFFORT),
)
