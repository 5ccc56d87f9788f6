"""A server that is treated badly: the whole one before a provider with a secret, and what must hold after each case."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.chat_wire import chat_reply
from fakes.collector import Collector
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
RSS_GROWTH_MAX = 64 * 1024 * 1024
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
    """Serves until the end of a case, and then looks at what every case must leave behind."""
    async with FakeProvider(script=lambda _: chat_reply(TEXT)) as provider, left_well(caplog) as left:
        section = {"base_url": provider.base_url, "models": ["thinker"], "api_key": CANARY}
        runs = {"text_chars_max": TEXT_CHARS_MAX}
        async with whole_server(data_dir, {"local": section}, runs=runs, **left.sections) as whole:
            found = House(whole, provider)
            left.begins()
            yield found
            await found.still_good()
            await left.look(whole)
        await provider.wait_for(lambda each: not each.open_connections)


@dataclass(slots=True)
class Left:
    """What a case leaves behind. `sections` are for the server, `secrets` what nobody may read anywhere."""

    sections: dict[str, Any]
    secrets: list[str] = field(default_factory=lambda: [CANARY])
    metrics: str = ""
    rss: int = 0

    def begins(self) -> None:
        """All is there that is to be there, and no case has begun."""
        self.rss = rss()

    async def look(self, whole: Whole) -> None:
        """The case is over and the server still there: nothing is under way, and memory is back."""
        gc.collect()
        assert rss() - self.rss < RSS_GROWTH_MAX
        async with httpx.AsyncClient(trust_env=False, timeout=30) as anybody:
            self.metrics = (await anybody.get(f"http://{whole.admin}/metrics")).text
        for name in ("live_runs", "watchers", "open_sockets"):
            assert f"thinkaloud_{name} 0.0" in self.metrics


@asynccontextmanager
async def left_well(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Left]:
    """Around a server: it is the same process to the end, leaves no task behind, and no secret in a log, a metric or a
    trace."""
    before, process = asyncio.all_tasks(), os.getpid()
    async with Collector().listening() as collector:
        left = Left({"server": {"admin_address": "127.0.0.1:0"}, "traces": {"endpoint": collector.endpoint}})
        yield left
    async with asyncio.timeout(5):
        while tasks := asyncio.all_tasks() - before - {asyncio.current_task()}:
            await asyncio.wait(tasks, timeout=0.05)
    assert os.getpid() == process
    logged = "\n".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records if _is_of_server(each))
    traced = collector.raw.decode("latin-1")
    assert left.metrics
    assert traced
    for secret in left.secrets:
        for said in (logged, left.metrics, traced):
            assert secret not in said
    assert not [each for each in caplog.records if each.exc_info and each.name.startswith("thinkaloud")], logged


def rss() -> int:
    """How much memory this process has resident, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _is_of_server(record: logging.LogRecord) -> bool:
    """Not what the clients of the test log of themselves."""
    return not record.name.startswith(("httpx", "httpcore", "websockets.client"))
