"""The vendor table: the rows of all dialects, in the order in which they are tried.

The first row at a host is what its vendor speaks unasked, so a vendor's own format stands before the one that it
speaks for compatibility.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from thinkaloud_server.providers.rows import (
    anthropic_messages,
    bedrock_converse,
    cohere_v2,
    gemini,
    ollama,
    openai_chat,
    openai_responses,
)
from thinkaloud_server.providers.vendors import Vendor

__all__ = ["GENERIC", "GENERICS", "VENDORS"]

VENDORS: tuple[Vendor, ...] = (
    *openai_responses.VENDORS,
    *anthropic_messages.VENDORS,
    *gemini.VENDORS,
    *ollama.VENDORS,
    *cohere_v2.VENDORS,
    *bedrock_converse.VENDORS,
    *openai_chat.VENDORS,
)

# Whoever is in no row, by the dialect that it was configured to speak.
GENERICS: Mapping[str, Vendor] = MappingProxyType(
    {
        row.dialect: row
        for row in (
            openai_responses.GENERIC,
            anthropic_messages.GENERIC,
            gemini.GENERIC,
            ollama.GENERIC,
            cohere_v2.GENERIC,
            bedrock_converse.GENERIC,
            openai_chat.GENERIC,
        )
    }
)
GENERIC = openai_chat.GENERIC
