"""Where the admin port may listen; the rest of the configuration is `test_config.py`'s."""

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
