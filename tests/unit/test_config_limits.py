"""[limits] and [server] trusted_proxies: what they may hold, and what holds when they say nothing."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_limits import (
    CONNECTIONS_PER_ADDRESS,
    REQUESTS_PER_MINUTE,
    REQUESTS_PER_MINUTE_ADDRESS,
    SOCKETS_PER_KEY,
    STREAMS_PER_KEY,
    LimitsSection,
    networks,
)
from thinkaloud_server.app.config_load import ConfigError, load
from thinkaloud_server.engine.quota import KeyLimits
from thinkaloud_server.rpc.throttle import Rates


def test_where_callers_are_asked_for_a_credential_there_are_limits() -> None:
    assert LimitsSection().rates((), identified=True) == Rates(
        REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE_ADDRESS, 30, STREAMS_PER_KEY, SOCKETS_PER_KEY, CONNECTIONS_PER_ADDRESS
    )


def test_where_they_are_not_there_is_none_unless_it_is_set() -> None:
    assert LimitsSection().rates((), identified=False) == Rates()
    assert LimitsSection(requests_per_minute_address=5).rates((), identified=False) == Rates(0, 5)


def test_what_is_set_goes_before_the_default_and_nothing_is_no_limit() -> None:
    section = LimitsSection(requests_per_minute=0, streams_per_key=7)
    rates = section.rates((ip_network("10.0.0.0/8"),), identified=True)
    assert (rates.requests_per_minute, rates.streams_per_key) == (0, 7)
    assert rates.trusted_proxies == (ip_network("10.0.0.0/8"),)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"limits": {"requests_per_minute": -1}}, "greater than or equal to 0"),
        ({"limits": {"requests": 1}}, "Extra inputs"),
        ({"limits": {"storage_url": "memcached://h"}}, "expected redis://"),
        ({"limits": {"storage_url": "redis://"}}, "expected redis://"),
        ({"limits": {"storage_url": "redis://h:port"}}, "expected a URL"),
        ({"limits": {"storage_url": "redis://u:canary@h"}}, "use storage_password_env"),
        ({"server": {"trusted_proxies": ["proxy.local"]}}, "expected addresses or networks"),
        ({"server": {"trusted_proxies": ["10.0.0.1/8"]}}, "has host bits set"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_by_name(section: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        Config.model_validate(section)
    assert "canary" not in str(caught.value)


def test_networks_are_addresses_and_prefixes_of_both_kinds() -> None:
    assert networks(("10.0.0.0/8", "192.0.2.1", "fd00::/8")) == (
        *(ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"), ip_network("fd00::/8")),
    )


@pytest.mark.parametrize(
    ("url", "name", "full"),
    [
        ("", "", ""),
        ("redis://h:6379/1", "", "redis://h:6379/1"),
        ("redis://h:6379/1", "SECRET", "redis://:p%40ss%2F@h:6379/1"),
        ("rediss://her@h", "SECRET", "rediss://her:p%40ss%2F@h"),
    ],
)
def test_the_password_of_the_store_comes_from_the_environment(url: str, name: str, full: str) -> None:
    section = LimitsSection(storage_url=url, storage_password_env=name)
    assert section.storage({"SECRET": "p@ss/"}) == full


def test_a_password_that_is_not_there_is_named() -> None:
    section = LimitsSection(storage_url="redis://h", storage_password_env="SECRET")
    with pytest.raises(ValueError, match="SECRET is not set"):
        section.storage({})


def loaded(tmp_path: Path, text: str, **environ: str) -> Config:
    file = tmp_path / "it.toml"
    file.write_text(text)
    return load(file, environ, {})


def test_unless_said_otherwise_a_key_has_32_runs_at_once_and_no_budget() -> None:
    assert LimitsSection().of_keys() == KeyLimits(runs=32, tokens_per_day=0, cost_usd_per_day=0.0) == KeyLimits()


def test_file_and_environment_say_otherwise(tmp_path: Path) -> None:
    text = "[limits]\nruns_per_key = 4\ntokens_per_day = 1000000\ncost_usd_per_day = 2.5"
    config = loaded(tmp_path, text, THINKALOUD_LIMITS__RUNS_PER_KEY="0")
    assert config.limits.of_keys() == KeyLimits(0, 1_000_000, 2.5)


@pytest.mark.parametrize("field", ["runs_per_key", "tokens_per_day", "cost_usd_per_day"])
@pytest.mark.parametrize("value", ["-1", '"many"', "nan"])
def test_what_is_no_limit_is_refused(tmp_path: Path, field: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"limits.{field}"):
        loaded(tmp_path, f"[limits]\n{field} = {value}")
