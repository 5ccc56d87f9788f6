"""A server with one provider, whose key, configured header and place must never be told: canaries, and who looks."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.failing import Failed
from fakes.formats import FORMATS, TEXT, section
from fakes.grammar import check_log
from fakes.provider import FakeProvider, Reply
from fakes.stubs import Stubs, stubs
from fakes.whole import Whole, whole_server
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import run_service_pb2 as run_pb

KEY = "canary-key-4f1d9a7c"
HEADER = "canary-header-77aa01"
LOG_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True)
class House:
    """The server with one provider, and a caller."""

    server: Whole
    provider: FakeProvider
    caller: Stubs
    dialect: str

    def reply(self, body: bytes, **more: Any) -> Reply:
        """An answer of the provider, in its dialect's own content type."""
        return Reply((body,), content_type=FORMATS[self.dialect].content_type, **more)

    async def check(self, failed: Failed) -> None:
        """What holds after every failure, of what it told and of what it left behind."""
        run_id = failed.events[0].start.run_id
        logged = await self.server.engine.store.read_events("default", run_id, 0, LOG_BYTES_MAX)
        check_log(logged)
        run = (await self.caller.runs.GetRun(run_pb.GetRunRequest(run_id=run_id))).run
        assert (run.state, run.error) == ("failed", failed.error)
        check_no_secret(f"{failed.text} {run} {logged}", self.provider)
        await self.check_next()

    async def check_next(self) -> None:
        """Nothing is left in use, and the next good request works."""
        await self.provider.wait_for(lambda each: not each.busy_connections)
        self.provider.answer(self.reply(FORMATS[self.dialect].answer()))
        answer = await self.caller.chat.SendMessage(pb.SendMessageRequest(request=chat()))
        assert answer.complete.response == TEXT


def check_no_secret(text: str, provider: FakeProvider) -> None:
    """No key, no configured header, and not where the provider is."""
    for secret in (KEY, HEADER, "127.0.0.1", f":{provider.port}"):
        assert secret not in text, secret


def check_logs(records: Iterable[logging.LogRecord]) -> None:
    """Something was logged, and no secret, in no field of any record of ours."""
    ours = [record for record in records if record.name.startswith("thinkaloud")]
    assert ours
    assert not [record for record in ours for secret in (KEY, HEADER) if secret in repr(vars(record))]


@asynccontextmanager
async def housed(
    data_dir: Path, dialect: str = "openai-chat", *, timeouts: dict[str, float] | None = None, **sections: Any
) -> AsyncIterator[House]:
    async with FakeProvider() as provider:
        row = section(dialect, provider.base_url, KEY, headers={"x-team": HEADER}, timeouts=timeouts or {})
        async with whole_server(data_dir, {"local": row}, **sections) as server, stubs(server.address) as caller:
            yield House(server, provider, caller, dialect)
        await provider.wait_for(lambda each: not each.open_connections)


def chat(**fields: Any) -> pb.ChatRequest:
    return pb.ChatRequest(text="go", model="local/m", **fields)
