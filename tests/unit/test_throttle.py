"""What is limited and where it is counted, from the configuration."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from ipaddress import ip_network
from typing import Any

import pytest

from fakes.clock import FakeClock
from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.throttle import throttling_of
from thinkaloud_server.app.window import LimitsWindow, SharedWindow
from thinkaloud_server.rpc.throttle import Throttling


async def made(sections: dict[str, Any]) -> Throttling:
    async with AsyncExitStack() as stack:
        return throttling_of(Config.model_validate(sections), {}, stack, FakeClock(), None)


async def test_limits_and_proxies_are_those_of_the_configuration() -> None:
    sections = {"limits": {"requests_per_minute": 7}, "server": {"trusted_proxies": "10.0.0.0/8, ::1"}}
    rates, windows = await made(sections)
    assert rates.requests_per_minute == 7
    assert rates.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert windows is not None
    assert [await windows.keys.hit(who, 1) for who in "aab"] != []
    assert not (await windows.keys.hit("a", 1)).admitted
    assert (await windows.addresses.hit("a", 1)).admitted  # keys and addresses are counted apart


@pytest.mark.parametrize("required", [True, False])
async def test_there_are_limits_by_themselves_where_callers_are_asked_for_a_credential(required: bool) -> None:
    rates, _ = await made({"identity": {"required": required}})
    assert (rates.requests_per_minute > 0, rates.auth_failures_per_minute > 0) == (required, required)


async def test_where_replicas_share_wrong_credentials_are_still_counted_here() -> None:
    _, windows = await made({"limits": {"storage_url": "redis://127.0.0.1:1"}})
    assert windows is not None
    assert [type(each) for each in (windows.keys, windows.addresses, windows.failures)] == [
        *(SharedWindow, SharedWindow, LimitsWindow)
    ]


async def test_a_store_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r"thinkaloud-server\[redis\]"):
        await made({"limits": {"storage_url": "redis://127.0.0.1:1"}})


async def test_a_password_that_is_not_there_is_an_error_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="SECRET is not set"):
        await made({"limits": {"storage_url": "redis://h", "storage_password_env": "SECRET"}})
