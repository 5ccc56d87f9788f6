"""What is asked of an issuer of tokens (OAuth 2.0, RFC 6749): plain HTTP by the standard library, blocking.

Secrets go to https addresses or to this machine only, redirects are not followed (they would carry secrets elsewhere),
and no error repeats what was sent.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thinkaloud.endpoint import Path, is_local
from thinkaloud.errors import AuthError, ThinkaloudError, UnavailableError

TIMEOUT_S = 10.0
_ANSWER_BYTES_MAX = 1024 * 1024
# Of what an issuer says went wrong, so much is told on.
_TOLD_CHARS_MAX = 300


class OAuthError(AuthError):
    """The issuer refused; `error` is its word for it (RFC 6749, 5.2), as "invalid_client"."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(f"the issuer of tokens refuses: {description or error}", code="AUTH_INVALID")
        self.error = error


@dataclass(frozen=True, slots=True)
class Granted:
    """Tokens as an issuer gave them; `expires_in_s` is 0 where it did not say."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_in_s: float = 0.0


def check_url(name: str, url: str) -> None:
    """Raises ValueError where secrets may not go."""
    parts = urllib.parse.urlsplit(url)
    local = parts.scheme == "http" and is_local(f"[{parts.hostname}]:0")
    if not parts.hostname or parts.username is not None or (parts.scheme != "https" and not local):
        raise ValueError(f"{name}: expected an https URL without credentials (http on this machine alone)")


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Whom we trust to be the issuer. Raises ValueError for a file that holds no certificates."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # SSLError is one
        why = "holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"ca_file: {os.fspath(ca_file or '')}: {why}") from None


def granted(
    url: str, form: Mapping[str, str], *, basic: tuple[str, str] | None = None, ca_file: Path | None = None
) -> Granted:
    """What the token endpoint gives for this form. Raises OAuthError, UnavailableError."""
    answer = post(url, form, basic=basic, ca_file=ca_file)
    token, kind, expires_in = answer.get("access_token"), answer.get("token_type"), answer.get("expires_in", 0)
    if not isinstance(token, str) or not token.isascii() or not isinstance(kind, str) or kind.lower() != "bearer":
        raise OAuthError("", "its answer holds no bearer token")
    refresh = answer.get("refresh_token")
    # Some say it as text.
    numeric = isinstance(expires_in, int | float) or (isinstance(expires_in, str) and expires_in.isdecimal())
    return Granted(token, refresh if isinstance(refresh, str) else "", float(expires_in) if numeric else 0.0)


def post(
    url: str, form: Mapping[str, str], *, basic: tuple[str, str] | None = None, ca_file: Path | None = None
) -> Mapping[str, Any]:
    """The issuer's JSON answer to a form; `basic` are the id and the secret of a client, sent in a header."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if basic is not None:
        # RFC 6749, 2.3.1: encoded as in a form before they are joined.
        pair = ":".join(urllib.parse.quote_plus(each) for each in basic)
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return _answer(urllib.request.Request(url, urllib.parse.urlencode(form).encode(), headers), ca_file)


def discovered(issuer: str, ca_file: Path | None = None) -> Mapping[str, Any]:
    """The issuer's configuration (OpenID Connect Discovery 1.0). Raises OAuthError, UnavailableError."""
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    found = _answer(urllib.request.Request(url), ca_file)
    if found.get("issuer") != issuer:
        raise OAuthError("", f"what {url} says is of another issuer")
    return found


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _answer(request: urllib.request.Request, ca_file: Path | None) -> Mapping[str, Any]:
    request.add_header("accept", "application/json")
    opener = urllib.request.build_opener(_Stay, urllib.request.HTTPSHandler(context=trusting(ca_file)))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return _object(answer.read(_ANSWER_BYTES_MAX + 1))
    except urllib.error.HTTPError as failure:
        with failure:
            raise _refusal(failure) from None
    except (OSError, http.client.HTTPException) as failure:  # URLError is an OSError
        reason = getattr(failure, "reason", None) or failure
        host = urllib.parse.urlsplit(request.full_url).netloc
        raise UnavailableError(
            f"the issuer of tokens at {host} cannot be reached: {reason}", code="UNAVAILABLE", retryable=True
        ) from None


def _refusal(failure: urllib.error.HTTPError) -> ThinkaloudError:
    try:
        said = _object(failure.read(_ANSWER_BYTES_MAX))
    except (OSError, http.client.HTTPException, OAuthError):
        said = {}
    error, description = said.get("error"), said.get("error_description")
    if isinstance(error, str):
        return OAuthError(error, str(description or error)[:_TOLD_CHARS_MAX])
    message = f"the issuer of tokens answers with status {failure.code}"
    if failure.code >= 500:
        return UnavailableError(message, code="UNAVAILABLE", retryable=True)
    return OAuthError("", message)


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data) if len(data) <= _ANSWER_BYTES_MAX else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise OAuthError("", "its answer is no JSON object")
    return found
