"""A server that is treated badly: the whole one before a provider with a secret, and what must hold after each case."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.chat_wire import chat_reply
from fakes.provider import FakeProvider
from fakes.rpc import until
from fakes.sockets import CHAT, client_of, names
from fakes.stubs import stubs
from fakes.whole import Whole, whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud_server.web.error import FACES

CANARY = "canary-key-4f1d9a7c"
TEXT = "it is 391"
TEXT_CHARS_MAX = 2000
MODEL = "local/thinker"
VECTORS = Path(__file__).parents[1] / "vectors" / "abuse"
# Words of a stack trace or of what this is made of, which no caller is to read.
_INSIDE = ("Traceback", 'File "', "thinkaloud_server", "site-packages", "UNKNOWN:", "Exception", CANARY)


def vectors(name: str) -> list[dict[str, Any]]:
    """The rows of a table of tests/vectors/abuse."""
    return [json.loads(line) for line in (VECTORS / f"{name}.jsonl").read_text().splitlines() if line.strip()]


def waiting(row: dict[str, Any]) -> Any:
    """The marks of a case that cannot hold yet; once it does, its test fails until the row says so."""
    return [pytest.mark.xfail(reason=f"waits for {row['waits_for']}", strict=True)] if "waits_for" in row else []


def cases(name: str) -> list[Any]:
    """The rows of a table as parameters, each under its row of the catalogue and its own name."""
    return [pytest.param(row, id=f"{row['row']}-{row['name']}") for row in vectors(name)]


def filled(value: Any) -> Any:
    """The value with its `{"repeat": text, "times": n}` and `{"join": [...]}` written out: a megabyte is one line."""
    if isinstance(value, dict):
        if value.keys() == {"repeat", "times"}:
            return value["repeat"] * value["times"]
        if value.keys() == {"join"}:
            return "".join(filled(value["join"]))
        return {key: filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each) for each in value]
    return value


def check_told(text: str, code: str) -> None:
    """What a caller was told: a code of the table, and nothing of the inside."""
    assert code in FACES, f"{code} is not of the table"
    assert code != "UNSPECIFIED"
    for word in _INSIDE:
        assert word not in text, f"{word!r} was told: {text[:2000]}"


@dataclass(frozen=True, slots=True)
class House:
    """A running server, the provider behind it, and what was heard of it."""

    whole: Whole
    provider: FakeProvider
    heard: list[str] = field(default_factory=list)

    @property
    def http(self) -> str:
        return f"http://{self.whole.http}"

    @property
    def ws(self) -> str:
        return f"ws://{self.whole.http}{CHAT}"

    async def still_good(self) -> None:
        """The next good request works on every face, and then nothing is under way."""
        ask: dict[str, Any] = {"text": "go", "model": MODEL}
        async with stubs(self.whole.address) as caller:
            answer = await caller.chat.SendMessage(pb.SendMessageRequest(request=pb.ChatRequest(**ask)))
            assert answer.complete.response == TEXT
        async with httpx.AsyncClient(base_url=self.http, timeout=30) as client:
            told = await client.post("/api/v1/chat/message", json=ask)
            assert (told.status_code, told.json()["response"]) == (200, TEXT)
            events = (await client.post("/api/v1/chat/stream-sse", json=ask)).text
            assert "event: complete\n" in events
        async with client_of(self.ws) as socket:
            assert names(await socket.turn(**ask))[-1] == "complete"
        await until(lambda: not self.whole.engine.status().live_runs)
        await self.provider.wait_for(lambda each: not each.busy_connections)


@asynccontextmanager
async def house(data_dir: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    """Serves until the end of a case, and then looks at what every case must leave behind: a server that is the same
    process and goes on, no task, no connection to the provider, and no secret in a log."""
    before, process = asyncio.all_tasks(), os.getpid()
    async with FakeProvider(script=lambda _: chat_reply(TEXT)) as provider:
        section = {"base_url": provider.base_url, "models": ["thinker"], "api_key": CANARY}
        runs = {"text_chars_max": TEXT_CHARS_MAX}
        async with whole_server(data_dir, {"local": section}, runs=runs) as whole:
            found = House(whole, provider)
            yield found
            await found.still_good()
        await provider.wait_for(lambda each: not each.open_connections)
    async with asyncio.timeout(5):
        while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=0.05)
    assert os.getpid() == process
    logged = "\n".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records)
    assert CANARY not in logged
    assert not [each for each in caplog.records if each.exc_info and each.name.startswith("thinkaloud")], logged
