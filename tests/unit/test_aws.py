"""Amazon's signature: who gets one, what is said where it cannot be made, and that it is the right one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from sigv4 import ACCESS_KEY, SECRET_KEY, is_signed
from thinkaloud_server.app.aws import signer_for, sigv4
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.bedrock_converse import BEDROCK_CONVERSE
from thinkaloud_server.providers.dialect import Endpoint, HttpRequest
from thinkaloud_server.providers.table import vendor_named

BEDROCK = vendor_named("bedrock", "bedrock-converse")
URL = "https://bedrock-runtime.eu-central-1.amazonaws.com"
MODEL = "arn:aws:bedrock:eu-central-1:123:inference-profile/eu.anthropic.claude-x-v1:0"


def endpoint(base_url: str = URL, vendor: Any = BEDROCK, **more: Any) -> Endpoint:
    return Endpoint("it", base_url, vendor, **more)


def request(where: Endpoint) -> HttpRequest:
    return BEDROCK_CONVERSE.request(where, ModelRequest(MODEL, (Message("user", (TextPart("Hé"),)),)))


UNSIGNED = [
    endpoint(api_key="k3y"),
    endpoint(headers=(("Authorization", "Bearer x"),)),
    endpoint("https://proxy.example/bedrock"),
    endpoint("https://amazonaws.com.evil.example"),
    endpoint("https://api.openai.com/v1", vendor_named("openai")),
    endpoint(URL, vendor_named("bedrock", "openai-chat")),
]


@pytest.mark.parametrize("where", UNSIGNED, ids=lambda where: f"{where.base_url}-{where.vendor.dialect}")
def test_whoever_has_a_key_or_is_not_amazon_is_not_signed_for(where: Endpoint) -> None:
    assert signer_for(where) is None


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("botocore", "botocore.session"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"pip install 'thinkaloud-server\[bedrock\]'"):
        signer_for(endpoint())


def test_a_host_without_a_region_cannot_be_signed_for() -> None:
    with pytest.raises(ConfigError, match=r"no region can be read from s3\.amazonaws\.com"):
        signer_for(endpoint("https://s3.amazonaws.com"))


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Keys in the environment, and nothing else that botocore could find."""
    pytest.importorskip("botocore", reason="botocore is an extra, and is not installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def as_wire(signed: HttpRequest) -> dict[str, str]:
    """The headers as a client sends them, with the host that it adds."""
    return {"host": urlsplit(signed.url).netloc, **dict(signed.headers)}


@pytest.mark.parametrize(
    "base_url",
    [
        URL,
        "https://bedrock-runtime-fips.us-east-1.amazonaws.com",
        "https://vpce-1.bedrock-runtime.ap-south-1.vpce.amazonaws.com",
    ],
)
def test_a_request_is_signed_as_amazon_checks_it(credentials: pytest.MonkeyPatch, base_url: str) -> None:
    where = endpoint(base_url)
    sign = signer_for(where)
    assert sign is not None
    signed = sign(request(where))
    assert is_signed(signed.method, urlsplit(signed.url).path, as_wire(signed), signed.body)
    assert not is_signed(signed.method, urlsplit(signed.url).path, as_wire(signed), signed.body + b" ")
    assert f"/{base_url.split('.')[1 + ('vpce' in base_url)]}/bedrock/" in dict(signed.headers)["authorization"]
    assert (signed.url, signed.body) == (request(where).url, request(where).body)


def test_it_is_the_signature_that_botocore_itself_sends(credentials: pytest.MonkeyPatch) -> None:
    import botocore.awsrequest
    import botocore.session

    sent: list[Any] = []

    def instead(request: Any, **_: object) -> Any:
        sent.append(request)
        return botocore.awsrequest.AWSResponse(request.url, 400, {}, _Raw())

    session = botocore.session.Session()
    client = session.create_client("bedrock-runtime", region_name="eu-central-1")
    client.meta.events.register("before-send.bedrock-runtime.ConverseStream", instead)
    with pytest.raises(client.exceptions.ClientError):
        client.converse_stream(modelId=MODEL, messages=[{"role": "user", "content": [{"text": "Hé"}]}])
    theirs = sent[0]
    text = {name.lower(): _text(value) for name, value in theirs.headers.items()}
    # The headers that it signs, but for the date; signed for the same moment.
    names = text["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    given = tuple((name, text[name]) for name in names if name in text and name != "x-amz-date")
    unsigned = HttpRequest(theirs.method, theirs.url, given, bytes(theirs.body))
    _freeze(credentials, text["x-amz-date"])
    ours = dict(sigv4(session, "bedrock", "eu-central-1")(unsigned).headers)
    assert ours["authorization"] == text["authorization"]
    assert unquote(theirs.url) == unquote(request(endpoint()).url)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _Raw:
    """An empty body, as urllib3 would have it."""

    def stream(self, **_: object) -> list[bytes]:
        return [b""]


def _freeze(monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    import datetime

    import botocore.auth

    then = datetime.datetime.strptime(moment, "%Y%m%dT%H%M%SZ")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: then)


def test_a_session_token_is_signed_too(credentials: pytest.MonkeyPatch) -> None:
    credentials.setenv("AWS_SESSION_TOKEN", "t0ken")
    sign = signer_for(endpoint())
    assert sign is not None
    signed = sign(request(endpoint()))
    assert dict(signed.headers)["x-amz-security-token"] == "t0ken"
    assert "x-amz-security-token" in dict(signed.headers)["authorization"]
    assert is_signed(signed.method, urlsplit(signed.url).path, as_wire(signed), signed.body)


def test_a_listing_with_a_query_is_signed(credentials: pytest.MonkeyPatch) -> None:
    sign = signer_for(endpoint())
    assert sign is not None
    signed = sign(BEDROCK_CONVERSE.listing(endpoint()))
    assert "AWS4-HMAC-SHA256" in dict(signed.headers)["authorization"]


def test_credentials_that_are_not_there_are_looked_for_again(credentials: pytest.MonkeyPatch) -> None:
    credentials.delenv("AWS_ACCESS_KEY_ID")
    credentials.delenv("AWS_SECRET_ACCESS_KEY")
    sign = signer_for(endpoint())
    assert sign is not None
    with pytest.raises(ChatError, match="no Amazon credentials were found") as caught:
        sign(request(endpoint()))
    assert caught.value.reason is ErrorReason.UPSTREAM_AUTH
    credentials.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    credentials.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    assert "authorization" in dict(sign(request(endpoint())).headers)


def test_credentials_that_are_half_there_are_an_error_that_shows_none(credentials: pytest.MonkeyPatch) -> None:
    credentials.delenv("AWS_SECRET_ACCESS_KEY")
    sign = signer_for(endpoint())
    assert sign is not None
    with pytest.raises(ChatError, match="PartialCredentialsError") as caught:
        sign(request(endpoint()))
    assert ACCESS_KEY not in caught.value.message
