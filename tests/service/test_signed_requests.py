"""Requests that are signed on their way out: with a signature of a test's own, and with Amazon's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bedrock_vectors import ANSWERS
from fakes.asking import SystemClock
from fakes.provider import FakeProvider, Reply, json_reply
from sigv4 import ACCESS_KEY, SECRET_KEY, is_signed
from thinkaloud_server.app.aws import sigv4
from thinkaloud_server.core.delta import Delta, EndOfStream, Failure, TextDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.engine.http_provider import HttpProvider
from thinkaloud_server.engine.ports import AttemptTrace
from thinkaloud_server.engine.upstream import Upstream
from thinkaloud_server.providers.bedrock_converse import BEDROCK_CONVERSE
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.table import vendor_named

MODEL = "arn:aws:bedrock:us-east-1:123:inference-profile/us.amazon.nova-micro-v1:0"
REQUEST = ModelRequest(MODEL, (Message("user", (TextPart("Hé"),)),))
PLAIN = Reply((ANSWERS["plain"],), content_type="application/vnd.amazon.eventstream")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    client = Upstream(clock=SystemClock())
    yield client
    await client.close()


def endpoint(fake: FakeProvider) -> Endpoint:
    return Endpoint("it", f"http://127.0.0.1:{fake.port}", vendor_named("bedrock", "bedrock-converse"))


async def deltas_of(provider: HttpProvider) -> list[Delta]:
    async with provider.stream(REQUEST, request_id="req-1", trace=AttemptTrace()) as batches:
        return [delta async for batch in batches for delta in batch]


def sealed(request: HttpRequest) -> HttpRequest:
    return replace(request, headers=(*request.headers, ("x-seal", request.method)))


def refused(request: HttpRequest) -> HttpRequest:
    raise ChatError(ErrorReason.UPSTREAM_AUTH, "no credentials were found")


async def test_each_request_goes_out_signed(upstream: Upstream) -> None:
    async with FakeProvider(PLAIN, json_reply({"modelSummaries": [{"modelId": "m"}]})) as fake:
        provider = HttpProvider(endpoint=endpoint(fake), dialect=BEDROCK_CONVERSE, upstream=upstream, sign=sealed)
        assert isinstance((await deltas_of(provider))[-1], EndOfStream)
        assert [model.name for model in await provider.models()] == ["m"]
    assert [request.headers["x-seal"] for request in fake.requests] == ["POST", "GET"]


async def test_what_cannot_be_signed_is_not_sent(upstream: Upstream) -> None:
    async with FakeProvider(PLAIN) as fake:
        provider = HttpProvider(endpoint=endpoint(fake), dialect=BEDROCK_CONVERSE, upstream=upstream, sign=refused)
        assert await deltas_of(provider) == [Failure(ErrorReason.UPSTREAM_AUTH, "no credentials were found")]
        with pytest.raises(ChatError, match="no credentials were found"):
            await provider.models()
    assert fake.requests == []


async def test_amazons_signature_holds_for_what_arrives(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The client changes nothing that was signed: not the path with its colons and its encoded slash, not a header."""
    session = pytest.importorskip("botocore.session", reason="botocore is an extra, and is not installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    sign = sigv4(session.Session(), "bedrock", "us-east-1")
    async with FakeProvider(PLAIN) as fake:
        provider = HttpProvider(endpoint=endpoint(fake), dialect=BEDROCK_CONVERSE, upstream=upstream, sign=sign)
        deltas = await deltas_of(provider)
    assert "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)) == "Hello — 你好 🦜"
    (request,) = fake.requests
    assert request.path.count(":") == 6
    assert request.path.count("%2F") == 1
    assert is_signed(request.method, request.path, request.headers, request.body)
