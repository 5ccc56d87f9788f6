"""The vendors that speak `ollama`: the server on this machine, and Ollama's own cloud.

Sources: docs/capabilities/thinking.mdx, docs/cloud.mdx and server/routes.go of ollama/ollama, August 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from thinkaloud_server.core.request import Effort
from thinkaloud_server.providers.vendors import Reasoning, Vendor

_ON: Mapping[str, Any] = MappingProxyType({"think": True})
_OFF: Mapping[str, Any] = MappingProxyType({"think": False})

# Servers before 0.40 answer a level with 400 for every model but gpt-oss, so a level is only sent where the model's
# listing, or its name, says that it takes one.
_SWITCH = Reasoning(on=_ON, off=_OFF)
_LEVEL_WORDS: Mapping[Effort, str] = MappingProxyType(
    {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "max": "max"}
)
_LEVELS = Reasoning(effort="think", words=_LEVEL_WORDS, off=_OFF, bare=_ON)
# It cannot be switched off; a boolean is ignored.
_GPT_OSS_WORDS: Mapping[Effort, str] = MappingProxyType(
    {"none": "low", "minimal": "low", "low": "low", "medium": "medium", "high": "high", "max": "high"}
)
_GPT_OSS = Reasoning(effort="think", words=_GPT_OSS_WORDS, bare=_ON)

_BY_FORM = (("levels", _LEVELS), ("switch", _SWITCH))
_BY_MODEL = (("gpt-oss", _GPT_OSS),)

GENERIC = Vendor(
    "generic",
    dialect="ollama",
    chat_path="/api/chat",
    models_path="/api/tags",
    lists_reasoning=True,
    reasoning=_SWITCH,
    by_form=_BY_FORM,
    by_model=_BY_MODEL,
)

VENDORS: tuple[Vendor, ...] = (
    Vendor(
        "ollama-cloud",
        dialect="ollama",
        base_url="https://ollama.com",
        key_env=("OLLAMA_API_KEY",),
        hosts=("ollama.com",),
        chat_path="/api/chat",
        models_path="/api/tags",
        lists_reasoning=True,
        reasoning=_SWITCH,
        by_form=_BY_FORM,
        by_model=_BY_MODEL,
    ),
    Vendor(
        "ollama",
        dialect="ollama",
        base_url="http://127.0.0.1:11434",
        ports=(11434,),
        chat_path="/api/chat",
        models_path="/api/tags",
        lists_reasoning=True,
        reasoning=_SWITCH,
        by_form=_BY_FORM,
        by_model=_BY_MODEL,
    ),
)
