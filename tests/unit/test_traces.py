"""An endpoint without the extra is a mistake that is said; the spans are `test_whole_traced.py`'s."""

from __future__ import annotations

import sys

import pytest

from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.traces import Traces


def test_an_endpoint_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"pip install 'thinkaloud-server\[otel\]'"):
        Traces("http://127.0.0.1:4318", sampled=1.0, version="1")
