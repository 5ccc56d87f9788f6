"""What the service tests share: the channels that a server is called over."""

from __future__ import annotations

import pytest

from fakes import rpc


@pytest.fixture(params=["socket", "local"])
def channel_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Over which channel `fakes.rpc.serving` is called. `@ON_A_SOCKET` leaves out what only a socket can do."""
    kind: str = request.param
    monkeypatch.setattr(rpc, "LOCAL", kind == "local")
    return kind
