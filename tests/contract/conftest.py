"""Every contract test runs on every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from thinkaloud_server.engine.ports import Store
from thinkaloud_server.stores.memory import MemoryStore
from thinkaloud_server.stores.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened: Store  # these assignments are where mypy proves that the stores have the shape of the port
    if request.param == "memory":
        opened = MemoryStore()
    else:
        opened = await SqliteStore.open(tmp_path / "thinkaloud.db", owner="test")
    assert opened.kind == request.param
    yield opened
    await opened.close()
