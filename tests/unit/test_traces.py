"""An endpoint without the extra is a mistake that is said; a call's span is put away where it was set.

The spans themselves are `test_whole_traced.py`'s.
"""

from __future__ import annotations

import asyncio
import sys

import pytest

from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.traces import Traces
from thinkaloud_server.rpc.local_call import LocalCall


def test_an_endpoint_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r"pip install 'thinkaloud-server\[otel\]'"):
        Traces("http://127.0.0.1:4318", sampled=1.0, version="1")


@pytest.mark.parametrize("begun_elsewhere", [False, True])
async def test_a_call_may_be_left_by_another_task_than_began_it(
    caplog: pytest.LogCaptureFixture, begun_elsewhere: bool
) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra otel is not installed")
    traces = Traces("http://127.0.0.1:9", sampled=0.0, version="1")
    before = traces.headers()
    around = traces.around(LocalCall("/thinkaloud.v1.ChatService/Chat", (), "local", None))
    if begun_elsewhere:
        await asyncio.create_task(around.__aenter__())
    else:
        await around.__aenter__()
        assert traces.headers() != before
    await around.__aexit__(None, None, None)
    assert traces.headers() == before
    await traces.close()
    # The library logs what it could not put back.
    assert [record.getMessage() for record in caplog.records] == []
