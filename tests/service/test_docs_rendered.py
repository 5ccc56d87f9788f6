"""The documentation in a real browser, with no way to the internet and under the pages' own policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from fakes.browser import needs_browser, visit
from fakes.web import http_server
from thinkaloud_server.web.app import WebSettings, web_app
from thinkaloud_server.web.docs import REDOC, SWAGGER
from thinkaloud_server.web.openapi import Info
from thinkaloud_server.web.route import routes_of, services_of_contract

pytestmark = needs_browser


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        app = web_app(channel, WebSettings(info=Info("thinkaloud", "9.8.7")))
        async with http_server(app) as url:
            yield url


async def test_swagger_ui_shows_every_operation(url: str, tmp_path: Path) -> None:
    seen = await visit(f"{url}{SWAGGER}", tmp_path)
    assert "9.8.7" in seen.dom
    assert seen.dom.count('class="opblock opblock-') == len(routes_of(services_of_contract()).routes)
    assert 'data-path="/api/v1/chat/message"' in seen.dom
    assert [line for line in seen.console if "violates" in line or "rror" in line] == []


async def test_swagger_ui_shows_an_operation_with_its_examples_and_failures(url: str, tmp_path: Path) -> None:
    seen = await visit(f"{url}{SWAGGER}#/ChatService/ChatService_SendMessage", tmp_path)
    assert "Think hard, and show the reasoning" in seen.dom
    assert "IDEMPOTENCY_KEY_REUSED" in seen.dom
    assert "text/event-stream" not in seen.dom


async def test_redoc_shows_every_operation(url: str, tmp_path: Path) -> None:
    seen = await visit(f"{url}{REDOC}", tmp_path)
    assert "9.8.7" in seen.dom
    assert seen.dom.count('data-section-id="tag/ChatService/operation/') >= 4
    assert "UPSTREAM_TRUNCATED" in seen.dom
    assert "RATE_LIMITED" in seen.dom
    # Its scroll bars' style and its makers' logo are refused, and neither is wanted.
    refused = [line for line in seen.console if "violates" in line]
    assert [line for line in refused if "inline style" not in line and "logo-mini.svg" not in line] == []
    assert [line for line in seen.console if "rror" in line] == []
