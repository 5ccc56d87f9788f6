"""Limits that two servers share through a real Redis, and hold by themselves when it is gone."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from fakes.clock import FakeClock
from fakes.provider import unused_port
from fakes.rpc import told
from fakes.stubs import stubs
from fakes.whole import Whole, whole_server
from thinkaloud.v1 import system_service_pb2
from thinkaloud_server.app import window as window_module
from thinkaloud_server.app.config import Config
from thinkaloud_server.app.throttle import throttling_of
from thinkaloud_server.app.window import LimitsWindow, RedisStorage

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no redis-server here")

INFO = system_service_pb2.GetInfoRequest()
LIMIT = 100


class Redis:
    """A server of its own on a free port; `kill` it, or leave the context."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = unused_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(
                "redis-server",
                "--port",
                str(self._port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                str(self._folder),
            ),
            stdout=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(10):
            while not await self._answers():  # noqa: ASYNC110 - it is told by no event
                await asyncio.sleep(0.02)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return answer == b"+PONG\r\n"


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    found = Redis(tmp_path)
    await found.start()
    yield found
    await found.kill()


@asynccontextmanager
async def two_servers(folder: Path, url: str) -> AsyncIterator[list[Whole]]:
    limits = {"requests_per_minute_address": LIMIT, "storage_url": url}
    for name in ("one", "other"):
        (folder / name).mkdir()
    async with (
        whole_server(folder / "one", limits=limits) as one,
        whole_server(folder / "other", limits=limits) as other,
    ):
        yield [one, other]


async def over_grpc(whole: Whole, calls: int) -> list[str]:
    async with stubs(whole.address) as caller:
        return await asyncio.gather(*(told(caller.system.GetInfo(INFO)) for _ in range(calls)))


async def over_http(whole: Whole, calls: int) -> list[str]:
    async with httpx.AsyncClient(base_url=f"http://{whole.http}", timeout=30) as client:
        answers = await asyncio.gather(*(client.get("/api/v1/system/info") for _ in range(calls)))
    return ["" if each.status_code == 200 else each.json()["error"]["code"] for each in answers]


async def test_two_servers_let_in_together_what_one_would(
    redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that is busy with other tests is no Redis that is down.
    monkeypatch.setattr(window_module, "REDIS_WAIT_S", 30.0)
    async with two_servers(tmp_path, redis.url) as servers:
        load = [face(whole, 10 * LIMIT // 4) for whole in servers for face in (over_grpc, over_http)]
        ends = Counter(end for each in await asyncio.gather(*load) for end in each)
    assert set(ends) == {"", "RATE_LIMITED"}
    assert ends.total() == 10 * LIMIT
    assert abs(ends[""] - LIMIT) <= LIMIT * 0.05


async def test_without_redis_each_counts_by_itself_and_nobody_is_turned_away_for_it(
    redis: Redis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with two_servers(tmp_path, redis.url) as servers:
        assert await over_grpc(servers[0], 1) == [""]
        await redis.kill()
        for whole in servers:
            ends = Counter(await over_grpc(whole, 2 * LIMIT))
            assert ends == {"": LIMIT, "RATE_LIMITED": LIMIT}
    said = [record for record in caplog.records if record.getMessage() == "limits_store_failed"]
    assert len(said) == 2
    assert {record.levelno for record in said} == {logging.ERROR}


async def test_a_request_counts_for_its_window_and_no_longer(redis: Redis) -> None:
    storage = RedisStorage(redis.url)
    try:
        window = LimitsWindow(storage, time.time, kind="key", window_s=1)
        first = await window.hit("k", 2)
        assert (first.admitted, first.remaining) == (True, 1)
        assert 0.9 < first.reset_s <= 1
        assert [(await window.hit("k", 2)).admitted for _ in range(3)] == [True, False, False]
        async with asyncio.timeout(5):
            while not (await window.hit("k", 2)).admitted:  # noqa: ASYNC110 - the store has a clock of its own
                await asyncio.sleep(0.05)
    finally:
        await storage.close()


async def test_the_password_goes_to_redis_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    url = f"redis://127.0.0.1:{unused_port()}/0"
    config = Config.model_validate(
        {"limits": {"requests_per_minute": 5, "storage_url": url, "storage_password_env": "SECRET"}}
    )
    async with AsyncExitStack() as stack:
        made = throttling_of(config, {"SECRET": "canary"}, stack, FakeClock(), None)
        assert made.windows is not None
        assert (await made.windows.keys.hit("k", 5)).admitted
    assert "limits_store_failed" in caplog.text
    assert "canary" not in "".join(str(vars(record)) for record in caplog.records)
