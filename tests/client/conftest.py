"""Fixtures of the client's tests."""

from __future__ import annotations

import pytest

from fakes.client_driver import AsyncDriver, Driver, SyncDriver


@pytest.fixture(params=[AsyncDriver(), SyncDriver()], ids=["async", "sync"])
def driver(request: pytest.FixtureRequest) -> Driver:
    """Either twin."""
    chosen: Driver = request.param
    return chosen


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THINKALOUD_ADDRESS", raising=False)
    monkeypatch.delenv("THINKALOUD_API_KEY", raising=False)
