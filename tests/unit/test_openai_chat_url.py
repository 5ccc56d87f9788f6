"""Where the endpoints of a base URL are."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_chat import OPENAI_CHAT
from thinkaloud_server.providers.table import vendor_for

AZURE = "https://it.openai.azure.com"


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://openrouter.ai/api/v1/", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://openrouter.ai", "https://openrouter.ai/api/v1/chat/completions"),
        ("https://api.deepseek.com", "https://api.deepseek.com/chat/completions"),
        ("https://api.deepseek.com/v1", "https://api.deepseek.com/v1/chat/completions"),
        ("https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("http://127.0.0.1:9100/v1", "http://127.0.0.1:9100/v1/chat/completions"),
        ("http://127.0.0.1:9100", "http://127.0.0.1:9100/chat/completions"),
        ("http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
        ("https://api.perplexity.ai", "https://api.perplexity.ai/chat/completions"),
        ("https://api.writer.com/v1", "https://api.writer.com/v1/chat"),
        ("https://x.example/v1?team=a%20b", "https://x.example/v1/chat/completions?team=a+b"),
        (f"{AZURE}/openai/v1", f"{AZURE}/openai/v1/chat/completions"),
        (
            f"{AZURE}/openai/deployments/d",
            f"{AZURE}/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        (
            f"{AZURE}/openai/deployments/d?api-version=2025-04-01-preview",
            f"{AZURE}/openai/deployments/d/chat/completions?api-version=2025-04-01-preview",
        ),
        (
            "https://it.services.ai.azure.com/models",
            "https://it.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        ),
        ("https://[::1]:8443/v1", "https://[::1]:8443/v1/chat/completions"),
    ],
)
def test_where_a_chat_is_posted(base_url: str, expected: str) -> None:
    endpoint = Endpoint("it", base_url, vendor_for(base_url, dialect="openai-chat"))
    assert OPENAI_CHAT.request(endpoint, ModelRequest("m-1", ())).url == expected


def test_where_the_models_are() -> None:
    for base_url in ("https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1/chat/completions"):
        endpoint = Endpoint("it", base_url, vendor_for(base_url))
        assert OPENAI_CHAT.listing(endpoint).url == "https://api.groq.com/openai/v1/models"
