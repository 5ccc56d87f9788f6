"""From configuration to an answer: the real classes, joined as `serve` joins them, and a provider on loopback."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fakes.chat_wire import chat_reply
from fakes.provider import FakeProvider, json_reply, unused_port
from thinkaloud import Client
from thinkaloud.errors import NotFoundError
from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_load import ConfigError, load
from thinkaloud_server.app.discover import Discovery, Found
from thinkaloud_server.app.wiring import Assembly, assemble
from thinkaloud_server.core.errors import ChatError, ErrorReason

CANARY = "sk-canary-8f3b1c"
LISTING = json_reply({"object": "list", "data": [{"id": "text-embedding-1"}, {"id": "thinker"}]})


def configured(tmp_path: Path, base_url: str, **more: Any) -> Config:
    local = {"base_url": base_url, "api_key": CANARY, "headers": {"x-team": "blue"}, "models": ["thinker"]}
    tree: dict[str, Any] = {"store": {"data_dir": str(tmp_path)}, "discover": False, "providers": {"local": local}}
    return load(None, {}, {**tree, **more})


@asynccontextmanager
async def assembled(config: Config, found: Discovery | None = None) -> AsyncIterator[tuple[Assembly, Client]]:
    async with AsyncExitStack() as stack:
        assembly = await assemble(config, {}, found or Discovery(), stack)
        await assembly.engine.open()
        stack.push_async_callback(assembly.engine.close)
        port = await assembly.server.start("127.0.0.1:0")
        stack.push_async_callback(assembly.server.stop, 1.0)
        client = await stack.enter_async_context(Client(f"127.0.0.1:{port}"))
        yield assembly, client


async def test_a_configured_provider_answers_with_its_key_and_headers(tmp_path: Path) -> None:
    async with FakeProvider(chat_reply(text="Hello there")) as provider:
        config = configured(tmp_path, provider.base_url)
        async with assembled(config) as (assembly, client):
            assert assembly.default_model == "local/thinker"
            assert CANARY in assembly.secrets
            result = await client.chat("hi")
    assert result.response == "Hello there"
    assert result.model == "local/thinker"
    (request,) = provider.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {CANARY}"
    assert request.headers["x-team"] == "blue"


async def test_what_was_said_is_there_after_a_restart(tmp_path: Path) -> None:
    config = configured(tmp_path, f"http://127.0.0.1:{unused_port()}/v1", default_model="demo/plain")
    async with assembled(config) as (_, client):
        result = await client.chat("What is 6*7?")
    async with assembled(config) as (_, client):
        history = await client.conversations.history(result.conversation_id)
        assert [message.role for message in history] == ["user", "assistant"]
        assert (await client.get_run(result.run_id)).complete.response == result.response


async def test_memory_keeps_nothing_in_the_data_directory(tmp_path: Path) -> None:
    config = configured(tmp_path, "http://127.0.0.1:1/v1", store={"url": "memory://", "data_dir": str(tmp_path)})
    async with assembled(config) as (assembly, client):
        assert assembly.place == "memory"
        assert (await client.info()).store == "memory"
        result = await client.chat("What is 6*7?", model="demo/plain")
        assert await client.conversations.history(result.conversation_id)
    assert not os.listdir(tmp_path)


async def test_the_first_chat_model_of_the_first_found_provider_is_the_default(tmp_path: Path) -> None:
    async with FakeProvider(LISTING) as provider:
        section = configured(tmp_path, provider.base_url).providers["local"].model_copy(update={"models": ()})
        found = Discovery((Found("found", section, "by a test"),))
        config = configured(tmp_path, "http://127.0.0.1:1/v1", providers={})
        async with assembled(config, found) as (assembly, client):
            assert assembly.default_model == "found/thinker"
            assert (await client.current_model()).id == "found/thinker"


async def test_a_provider_that_does_not_answer_leaves_the_demo_models(tmp_path: Path) -> None:
    local = {"base_url": f"http://127.0.0.1:{unused_port()}/v1"}
    async with assembled(configured(tmp_path, "", providers={"local": local})) as (assembly, client):
        assert assembly.default_model == "demo/reasoner"
        listed = await client.models()
        assert any(model.id == "demo/reasoner" for model in listed)
        assert any(note.startswith("local: ") for note in listed.notes)


async def test_limits_reach_the_face(tmp_path: Path) -> None:
    runs = {"text_chars_max": 5, "run_s": 60, "runs_max": 3}
    server = {"websocket_message_bytes_max": 2048, "websocket_idle_timeout_s": 0.5}
    config = configured(tmp_path, "http://127.0.0.1:1/v1", runs=runs, server=server)
    async with assembled(config) as (assembly, client):
        limits = (await client.capabilities()).limits
        assert limits.text_chars == 5
        assert limits.run_s == 60
        assert (limits.websocket_message_bytes, limits.websocket_idle_s) == (2048, 0.5)
        assert assembly.engine.status().runs_max == 3


async def test_a_default_model_of_nobody_is_refused_with_who_there_is(tmp_path: Path) -> None:
    config = configured(tmp_path, "http://127.0.0.1:1/v1", default_model="nobody/model")
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigError, match="no provider 'nobody'; there are: local, demo"):
            await assemble(config, {}, Discovery(), stack)


async def test_a_data_directory_has_one_owner(tmp_path: Path) -> None:
    config = configured(tmp_path, "http://127.0.0.1:1/v1")
    async with assembled(config), AsyncExitStack() as stack:
        with pytest.raises(ChatError) as raised:
            await assemble(config, {}, Discovery(), stack)
    assert raised.value.reason is ErrorReason.STORAGE_UNAVAILABLE


async def test_an_unknown_model_is_refused_with_near_names(tmp_path: Path) -> None:
    async with assembled(configured(tmp_path, "http://127.0.0.1:1/v1")) as (_, client):
        with pytest.raises(NotFoundError) as raised:
            await client.chat("hi", model="demo/reasonr")
    assert "demo/reasoner" in raised.value.details["near"]
