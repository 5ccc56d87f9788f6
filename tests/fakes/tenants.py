"""Tenants on one whole server that asks for keys: two that a test plays, and one whom nothing may ever concern."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from fakes.abused import CANARY, MODEL, TEXT, left_well
from fakes.chat_wire import chat_reply
from fakes.provider import FakeProvider
from fakes.rpc import refused, until
from fakes.sockets import CHAT, client_of, names
from fakes.stubs import Stubs, stubs
from fakes.whole import ASKING, Whole, made_key, whole_server
from thinkaloud.v1 import chat_service_pb2 as pb

# A key made while the server runs is seen when it next looks; asking too often is guessing.
_LOOK_S = 0.2
_OWNED = ("conversations", "runs", "uploads", "token_totals", "last_usages", "settings", "key_days")


@dataclass(frozen=True, slots=True)
class House:
    """A server that asks for keys, one key each of two tenants, and clients that bring none by themselves."""

    whole: Whole
    caller: Stubs
    http: httpx.AsyncClient
    provider: FakeProvider
    data_dir: Path
    hers: str
    theirs: str
    told: list[str] = field(default_factory=list)

    @property
    def ws(self) -> str:
        return f"ws://{self.whole.http}{CHAT}"

    async def asked(self, key: str, **fields: Any) -> Any:
        """The `complete` of a turn with this key."""
        request = pb.SendMessageRequest(request=pb.ChatRequest(**{"text": "What is 6*7?", "model": MODEL, **fields}))
        return (await self.caller.chat.SendMessage(request, metadata=by(key))).complete

    async def noticed(self, key: str) -> None:
        """Until the server has seen that this key was made."""
        async with asyncio.timeout(5):
            while (await self.http.get("/api/v1/identity", headers=header(key))).is_error:  # noqa: ASYNC110 - by a file
                await asyncio.sleep(_LOOK_S)

    async def token(self, key: str, path: str = CHAT) -> str:
        """A token for a WebSocket at this path."""
        answer = await self.http.post("/api/v1/identity/socket-tokens", json={"path": path}, headers=header(key))
        assert answer.status_code == 200, answer.text
        text: str = answer.json()["token"]
        self.told.append(text)
        return text

    async def still_good(self, key: str) -> None:
        """The next good request works on every face, and then nothing is under way."""
        ask: dict[str, Any] = {"text": "go", "model": MODEL}
        assert (await self.asked(key)).response == TEXT
        answer = await self.http.post("/api/v1/chat/message", json=ask, headers=header(key))
        assert (answer.status_code, answer.json()["response"]) == (200, TEXT)
        events = (await self.http.post("/api/v1/chat/stream-sse", json=ask, headers=header(key))).text
        assert "event: complete\n" in events
        async with client_of(self.ws, additional_headers=header(key)) as socket:
            assert names(await socket.turn(**ask))[-1] == "complete"
        await until(lambda: not self.whole.engine.status().live_runs)
        await self.provider.wait_for(lambda each: not each.busy_connections)

    def rows(self, tenant: str) -> dict[str, list[Any]]:
        """All that the store has of one tenant, whatever it is."""
        return rows_of(self.data_dir, tenant)


@asynccontextmanager
async def tenants(data_dir: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    """Serves until the end of a case, and then looks at what every case must leave behind: also that nothing of
    somebody else has changed, and that no key is told anywhere."""
    hers, theirs, third = (made_key(data_dir, name, "read", "chat") for name in ("acme", "other", "third"))
    async with FakeProvider(script=lambda _: chat_reply(TEXT)) as provider, left_well(caplog) as left:
        section = {"base_url": provider.base_url, "models": ["thinker"], "api_key": CANARY}
        async with (
            whole_server(data_dir, {"local": section}, identity=ASKING, **left.sections) as whole,
            stubs(whole.address) as caller,
            httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30, trust_env=False) as http,
        ):
            house = House(whole, caller, http, provider, data_dir, hers, theirs)
            await _moved_in(house, third)
            before = house.rows("third")
            left.begins()
            yield house
            await house.still_good(hers)
            await left.look(whole)
            assert house.rows("third") == before
        await provider.wait_for(lambda each: not each.open_connections)
        pepper = (data_dir / "pepper").read_text().strip()
        left.secrets += [pepper, *(key[14:] for key in (hers, theirs, third)), *house.told]


def by(*keys: str) -> tuple[tuple[str, str], ...]:
    return (("x-request-id", "req-1"), *(("authorization", f"Bearer {key}") for key in keys))


def header(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "x-request-id": "req-1"}


def other_last(text: str) -> str:
    """Another text that ends otherwise. The last character of base64 may say less than the others: the one before."""
    return text[:-2] + ("a" if text[-2] != "a" else "b") + text[-1]


async def refusal(call: Any) -> Any:
    """The status that the call ends with before it says anything."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call.read() if hasattr(call, "read") else call)
    return refused(caught.value)


def rows_of(data_dir: Path, tenant: str) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(f"file:{data_dir / 'thinkaloud.db'}?mode=ro", uri=True)) as database:
        found = {name: database.execute(f"SELECT * FROM {name} WHERE tenant = ?", (tenant,)) for name in _OWNED}
        rows = {name: cursor.fetchall() for name, cursor in found.items()}
        for name, owner, by_id in (
            ("messages", "conversations", "conversation_id"),
            ("run_events", "runs", "run_id"),
        ):
            of = f"SELECT {by_id} FROM {owner} WHERE tenant = ?"
            rows[name] = database.execute(f"SELECT * FROM {name} WHERE {by_id} IN ({of})", (tenant,)).fetchall()
    return rows


async def _moved_in(house: House, key: str) -> None:
    """A tenant has something that others could change."""
    assert (await house.asked(key)).response == TEXT
    answer = await house.http.post("/api/v1/upload", files={"file": ("a.txt", b"mine")}, headers=header(key))
    assert answer.status_code == 200
    await until(lambda: not house.whole.engine.status().live_runs)
    found = house.rows("third")
    assert all(found[name] for name in ("conversations", "messages", "runs", "run_events", "uploads"))
