"""Providers that nobody configured: found by usual variables and on usual ports."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from thinkaloud_server.app.config import Config, ProviderSection
from thinkaloud_server.app.discover import LOCAL, PREFERRED, by_variables, chat_models, discover, probe
from thinkaloud_server.providers.rows import VENDORS
from thinkaloud_server.providers.vendors import Vendor

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LISTING = {"object": "list", "data": [{"id": "nomic-embed-text"}, {"id": "qwen3:4b"}, {"id": "llama3"}]}


@asynccontextmanager
async def local_server(handler: Handler, path: str = "/v1/models") -> AsyncIterator[Vendor]:
    app = web.Application()
    app.router.add_get(path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield Vendor("ollama", base_url=f"http://127.0.0.1:{port}/v1")
    finally:
        await runner.cleanup()


def answering(body: object, status: int = 200, **headers: str) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(text=text, status=status, headers=headers)

    return handle


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@pytest.mark.parametrize("row", [row for row in VENDORS if row.key_env], ids=lambda row: row.name)
def test_each_variable_of_the_table_gives_its_provider(row: Vendor) -> None:
    for variable in row.key_env:
        (found,) = by_variables({variable: "sk-x"}).found
        assert found.name == row.name
        assert found.section.base_url == row.base_url
        assert found.section.api_key_env == variable
        assert found.section.api_key is None


def test_preferred_models_belong_to_vendors_of_the_table() -> None:
    assert set(PREFERRED) <= {row.name for row in VENDORS if row.key_env}


def test_an_empty_variable_is_no_key() -> None:
    assert not by_variables({"OPENAI_API_KEY": " ", "ANTHROPIC_API_KEY": ""}).found


def test_a_token_for_downloads_comes_last() -> None:
    environ = {"HF_TOKEN": "x", "MINIMAX_API_KEY": "x", "OPENROUTER_API_KEY": "x"}
    assert [each.name for each in by_variables(environ).found] == ["openrouter", "minimax", "huggingface"]


def test_a_key_follows_its_owners_base_url() -> None:
    (found,) = by_variables({"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1/"}).found
    assert found.section.base_url == "http://127.0.0.1:9/v1"
    assert not found.models


def test_a_key_whose_base_url_is_unusable_goes_nowhere() -> None:
    seen = by_variables({"OPENAI_API_KEY": "sk-canary", "OPENAI_BASE_URL": "http://u:sk-canary@h"})
    assert not seen.found
    assert "OPENAI_BASE_URL is no usable URL" in seen.notes[0]
    assert "sk-canary" not in seen.notes[0]


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({}, "bedrock-runtime.us-east-1.amazonaws.com"),
        ({"AWS_DEFAULT_REGION": "eu-west-3"}, "bedrock-runtime.eu-west-3.amazonaws.com"),
        ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "x"}, "bedrock-runtime.eu-central-1.amazonaws.com"),
        ({"AWS_REGION": "evil.example/"}, "bedrock-runtime.us-east-1.amazonaws.com"),
        ({"AWS_REGION": "x", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://vpce.example"}, "vpce.example"),
    ],
)
def test_amazons_key_is_used_in_the_region_of_the_environment(environ: dict[str, str], host: str) -> None:
    (found,) = by_variables({"AWS_BEARER_TOKEN_BEDROCK": "canary", **environ}).found
    assert (found.name, found.section.base_url) == ("bedrock", f"https://{host}")


def test_the_usual_local_servers_are_asked_on_loopback() -> None:
    assert {row.name for row in LOCAL} >= {"ollama", "llamacpp", "vllm", "lmstudio"}
    assert all(row.base_url.startswith("http://127.0.0.1:") for row in LOCAL)


async def test_a_local_server_that_lists_its_models_is_found() -> None:
    async with local_server(answering(LISTING)) as row:
        (found,) = await probe([row], 5.0)
    assert found.name == "ollama"
    assert found.section.base_url == row.base_url
    assert found.models == ("qwen3:4b", "llama3", "nomic-embed-text")


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(answering("<html>"), id="html"),
        pytest.param(answering({"data": "x"}), id="no-list"),
        pytest.param(answering(["x"]), id="list"),
        pytest.param(answering({"models": 3}), id="no-models"),
        pytest.param(answering([{"id": "x"}]), id="list-of-models"),
        pytest.param(answering(LISTING, 404), id="404"),
        pytest.param(answering(LISTING, 401), id="401"),
        pytest.param(answering(LISTING, 302, Location="http://127.0.0.1:1/"), id="redirect"),
        pytest.param(answering('{"data": [' + " " * 5_000_000 + "]}"), id="too-large"),
    ],
)
async def test_what_is_no_listing_is_nobody(handler: Handler) -> None:
    async with local_server(handler) as row:
        assert await probe([row], 5.0) == []


async def test_ollama_is_found_by_its_own_listing() -> None:
    tags = {"models": [{"name": "nomic-embed-text:latest"}, {"name": "qwen3:4b"}]}
    (ollama,) = [row for row in LOCAL if row.name == "ollama"]
    async with local_server(answering(tags), "/api/tags") as row:
        moved = replace(ollama, base_url=row.base_url.removesuffix("/v1"))
        (found,) = await probe([moved], 5.0)
    assert (found.name, found.section.base_url, found.models) == ("ollama", moved.base_url, ("qwen3:4b",))


async def test_a_server_is_asked_in_the_words_of_its_row_and_its_dialect() -> None:
    """A row with another path, and a listing under another name: nothing of them is known here."""
    asked = []

    async def tags(request: web.Request) -> web.Response:
        asked.append((request.method, request.path))
        return web.json_response({"models": [{"name": "llama3:8b"}, {"name": "no-chat", "type": "embedding"}]})

    async with local_server(tags, "/api/tags") as row:
        url = row.base_url.removesuffix("/v1")
        (found,) = await probe([replace(row, base_url=url, models_path="/api/tags")], 5.0)
    assert (found.models, asked) == (("llama3:8b",), [("GET", "/api/tags")])


async def test_a_server_without_models_is_there_all_the_same() -> None:
    async with local_server(answering({"data": []})) as row:
        (found,) = await probe([row], 5.0)
    assert found.models == ()


async def test_a_port_that_nobody_listens_on_is_nobody() -> None:
    assert await probe([Vendor("vllm", base_url=f"http://127.0.0.1:{free_port()}/v1")], 5.0) == []


async def test_a_server_that_does_not_answer_in_time_is_nobody_and_holds_nobody_up() -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with local_server(silent) as row:
        began = time.monotonic()
        assert await probe([row] * 8, 0.2) == []
        assert time.monotonic() - began < 1.5


async def test_nothing_is_looked_for_when_discovery_is_off() -> None:
    async with local_server(answering(LISTING)) as row:
        seen = await discover(Config(discover=False), {"OPENAI_API_KEY": "x"}, local=[row])
    assert seen.found == ()
    assert seen.notes == ()


async def test_keys_come_before_local_servers() -> None:
    async with local_server(answering(LISTING)) as row:
        seen = await discover(Config(), {"GROQ_API_KEY": "x"}, local=[row], probe_s=5.0)
    assert [each.name for each in seen.found] == ["groq", "ollama"]


async def test_a_configured_provider_of_the_same_name_or_url_wins() -> None:
    async with local_server(answering(LISTING)) as row:
        by_name = Config(providers={"ollama": ProviderSection(base_url="http://h/v1")})
        by_url = Config(providers={"mine": ProviderSection(base_url=row.base_url)})
        for config in (by_name, by_url):
            assert (await discover(config, {}, local=[row], probe_s=5.0)).found == ()


def test_models_that_cannot_chat_come_last() -> None:
    names = ["text-embedding-3", "whisper-1", "gpt-5", "bge-m3", "qwen"]
    assert chat_models(names)[:2] == ["gpt-5", "qwen"]
