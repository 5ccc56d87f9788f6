"""Who speaks `anthropic-messages`, and where."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.anthropic_messages import ANTHROPIC_MESSAGES
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import discoverable, vendor_for

VERTEX = "https://aiplatform.googleapis.com/v1/projects/p/locations/global"
VERTEX_CHAT = f"{VERTEX}/publishers/anthropic/models/m:streamRawPredict"
AZURE = "https://it.services.ai.azure.com/anthropic"


@pytest.mark.parametrize(
    ("base_url", "name", "chat"),
    [
        ("https://api.anthropic.com", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1", "anthropic", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1/messages", "anthropic", "https://api.anthropic.com/v1/messages"),
        (AZURE, "azure-anthropic", f"{AZURE}/v1/messages"),
        (f"{AZURE}/v1", "azure-anthropic", f"{AZURE}/v1/messages"),
        (f"{AZURE}/v1/messages", "azure-anthropic", f"{AZURE}/v1/messages"),
        (f"{VERTEX}/publishers/anthropic", "vertex-anthropic", VERTEX_CHAT),
        (f"{VERTEX}/publishers/anthropic/models", "vertex-anthropic", VERTEX_CHAT),
        (
            "https://bedrock-mantle.us-east-1.api.aws/anthropic",
            "bedrock-anthropic",
            "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages",
        ),
        (
            "https://api.deepseek.com/anthropic",
            "deepseek-anthropic",
            "https://api.deepseek.com/anthropic/v1/messages",
        ),
        ("https://api.minimax.io/anthropic", "minimax-anthropic", "https://api.minimax.io/anthropic/v1/messages"),
        ("https://api.moonshot.ai/anthropic", "moonshot-anthropic", "https://api.moonshot.ai/anthropic/v1/messages"),
        ("https://api.z.ai/api/anthropic", "zai-anthropic", "https://api.z.ai/api/anthropic/v1/messages"),
    ],
)
def test_a_url_is_enough(base_url: str, name: str, chat: str) -> None:
    row = vendor_for(base_url)
    assert (row.name, row.dialect) == (name, "anthropic-messages")
    assert ANTHROPIC_MESSAGES.request(Endpoint("it", base_url, row), ModelRequest("m", ())).url == chat


@pytest.mark.parametrize(
    ("base_url", "name", "chat"),
    [
        ("https://openrouter.ai/api/v1", "openrouter", "https://openrouter.ai/api/v1/messages"),
        ("https://openrouter.ai", "openrouter", "https://openrouter.ai/api/v1/messages"),
        ("https://api.deepseek.com", "deepseek-anthropic", "https://api.deepseek.com/anthropic/v1/messages"),
        ("https://it.services.ai.azure.com", "azure-anthropic", f"{AZURE}/v1/messages"),
        (VERTEX, "vertex-anthropic", VERTEX_CHAT),
        ("http://127.0.0.1:11434", "ollama", "http://127.0.0.1:11434/v1/messages"),
        ("http://127.0.0.1:11434/v1", "ollama", "http://127.0.0.1:11434/v1/messages"),
        ("https://ollama.com", "ollama-cloud", "https://ollama.com/v1/messages"),
        ("https://proxy.example/claude/v1", "generic", "https://proxy.example/claude/v1/messages"),
        ("https://proxy.example/claude", "generic", "https://proxy.example/claude/v1/messages"),
    ],
)
def test_asked_for_by_name_it_is_found_where_its_vendor_has_it(base_url: str, name: str, chat: str) -> None:
    row = vendor_for(base_url, dialect="anthropic-messages")
    assert (row.name, row.dialect) == (name, "anthropic-messages")
    assert ANTHROPIC_MESSAGES.request(Endpoint("it", base_url, row), ModelRequest("m", ())).url == chat


@pytest.mark.parametrize(
    "base_url",
    [
        *("https://openrouter.ai/api/v1", "https://api.deepseek.com", "https://api.moonshot.ai/v1"),
        *("https://it.openai.azure.com/openai/v1", "http://127.0.0.1:11434", "https://proxy.example/v1"),
    ],
)
def test_unasked_nobody_else_speaks_it(base_url: str) -> None:
    assert vendor_for(base_url).dialect != "anthropic-messages"


def test_a_key_is_enough_for_anthropic() -> None:
    [row] = [row for row in discoverable() if row.key_env == ("ANTHROPIC_API_KEY",)]
    assert (row.name, row.base_url, row.lists_reasoning) == ("anthropic", "https://api.anthropic.com", True)
