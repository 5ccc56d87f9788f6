"""Where the admin port may listen, and where traces may go; the rest of the configuration is `test_config.py`'s."""

from __future__ import annotations

import pytest

from thinkaloud_server.app.config_load import ConfigError, load

PUBLIC = {"admin_address": "0.0.0.0:9464"}


def test_there_is_none_unless_it_is_given() -> None:
    assert load(None, {}, {}).server.admin_address == ""


def test_it_must_be_an_address() -> None:
    with pytest.raises(ConfigError, match=r"server\.admin_address"):
        load(None, {}, {"server": {"admin_address": "8000"}})


def test_other_machines_reach_it_only_on_purpose() -> None:
    with pytest.raises(ConfigError, match=r"admin_address 0\.0\.0\.0:9464 can be reached from other machines"):
        load(None, {}, {"server": PUBLIC})
    assert load(None, {}, {"server": {**PUBLIC, "insecure": True}}).server.admin_address == "0.0.0.0:9464"


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4318", "ftp://collector", "http://user:key@collector:4318", "http://"])
def test_traces_go_to_an_http_url_without_credentials(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"traces\.endpoint"):
        load(None, {}, {"traces": {"endpoint": endpoint}})


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:4318", "https://collector.example.com/otlp"])
def test_traces_are_off_or_go_where_they_are_told(endpoint: str) -> None:
    assert load(None, {}, {"traces": {"endpoint": endpoint}}).traces.endpoint == endpoint
