"""What is asked of an issuer of tokens, and what its answers are worth."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fakes.certified import Certified
from fakes.issuer import DEAD, FakeIssuer, said
from fakes.provider import Reply
from thinkaloud import AuthError, UnavailableError, oauth
from thinkaloud.errors import ThinkaloudError

SECRET = "s3cret & more"


@pytest.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    async with FakeIssuer() as issuer:
        yield issuer


async def asked(issuer: FakeIssuer, **options: Any) -> oauth.Granted:
    return await asyncio.to_thread(oauth.granted, f"{issuer.url}/token", {"grant_type": "x y"}, **options)


async def failing(call: Callable[..., Any], *arguments: Any) -> ThinkaloudError:
    with pytest.raises(ThinkaloudError) as caught:
        await asyncio.to_thread(call, *arguments)
    assert SECRET not in str(caught.value)
    return caught.value


async def test_a_form_is_answered_by_tokens(issuer: FakeIssuer) -> None:
    granted = await asked(issuer, basic=("my service", SECRET))
    assert (granted.refresh_token, granted.expires_in_s) == ("refresh-1", 300)
    assert "eyJ" not in repr(granted)
    request = issuer.server.requests[0]
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"my+service:s3cret+%26+more"
    assert issuer.forms == [{"grant_type": "x y"}]


@pytest.mark.parametrize(("said_s", "seconds"), [("60", 60), (1.5, 1.5), (None, 0), ("soon", 0)])
async def test_how_long_a_token_lives(issuer: FakeIssuer, said_s: object, seconds: float) -> None:
    issuer.trouble = said({"access_token": "a", "token_type": "bearer", "expires_in": said_s})
    assert (await asked(issuer)).expires_in_s == seconds


@pytest.mark.parametrize(
    ("trouble", "error", "told"),
    [
        (said({"error": "invalid_client"}, 401), "invalid_client", "refuses: invalid_client"),
        (said({"error": "invalid_scope", "error_description": "no " * 500}, 400), "invalid_scope", "refuses: no no"),
        (Reply((b"<html>",), status=403), "", "answers with status 403"),
        (Reply(status=302, headers=(("location", "http://127.0.0.1:9/"),)), "", "answers with status 302"),
        (Reply((b"<html>",)), "", "its answer is no JSON object"),
        (Reply((b"[" * 100_000,)), "", "its answer is no JSON object"),
        (said({"x": "x" * 2_000_000}), "", "its answer is no JSON object"),
        (said({"access_token": "a"}), "", "holds no bearer token"),
        (said({"access_token": "a", "token_type": "mac"}), "", "holds no bearer token"),
        (said({"access_token": 7, "token_type": "bearer"}), "", "holds no bearer token"),
        (said({"access_token": "ä", "token_type": "bearer"}), "", "holds no bearer token"),
    ],
)
async def test_a_refusal_is_said_in_the_issuers_words(
    issuer: FakeIssuer, trouble: Reply, error: str, told: str
) -> None:
    issuer.trouble = trouble
    found = await failing(oauth.granted, f"{issuer.url}/token", {"client_secret": SECRET})
    assert isinstance(found, oauth.OAuthError | AuthError)
    assert (found.error, told in found.message) == (error, True)  # type: ignore[attr-defined]  # said above
    assert len(found.message) < 400


@pytest.mark.parametrize("trouble", [DEAD, Reply(status=503), Reply(raw=b"nonsense\r\n\r\n", ending="cut")])
async def test_an_issuer_that_does_not_answer_may_do_so_later(issuer: FakeIssuer, trouble: Reply) -> None:
    issuer.trouble = trouble
    found = await failing(oauth.granted, f"{issuer.url}/token", {"client_secret": SECRET})
    assert isinstance(found, UnavailableError)
    assert found.retryable


async def test_an_issuer_says_where_its_endpoints_are(issuer: FakeIssuer) -> None:
    found = await asyncio.to_thread(oauth.discovered, issuer.url)
    assert found["token_endpoint"] == f"{issuer.url}/token"
    issuer.claimed_issuer = "https://elsewhere.example"
    assert "another issuer" in (await failing(oauth.discovered, issuer.url)).message


@pytest.mark.parametrize(
    "url", ["https://login.example/token", "http://127.0.0.1:9", "http://localhost/x", "http://[::1]"]
)
def test_a_secret_may_go_to(url: str) -> None:
    oauth.check_url("token_url", url)


@pytest.mark.parametrize(
    "url", ["http://login.example/token", "https://a:b@login.example", "login.example", "ftp://localhost"]
)
def test_a_secret_may_not_go_to(url: str) -> None:
    with pytest.raises(ValueError, match="token_url: expected an https URL"):
        oauth.check_url("token_url", url)


async def test_an_issuer_of_a_private_authority_is_trusted_by_its_file_alone(tmp_path: Path) -> None:
    certified = Certified(tmp_path)
    async with FakeIssuer(certified.server) as issuer:
        assert (await asked(issuer, ca_file=certified.ca_file)).access_token
        with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
            await asked(issuer)
