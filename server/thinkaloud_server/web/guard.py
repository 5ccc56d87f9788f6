"""Who may come in and with how much: Host, Origin, the size of the head and of the body. No rule here knows a route."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.settings import WebSettings

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:\[\]\s]+)(:[0-9]*)?")
_SAFE = {"GET", "HEAD", "OPTIONS"}
_ELSEWHERE = {"cross-site", "same-site"}
_CREDENTIALS = {"api_key", "api-key", "apikey", "access_token", "authorization", "x-api-key"}
_EXPOSED = (
    "x-request-id, x-correlation-id, retry-after, deprecation, sunset, link, "
    "x-ratelimit-limit, x-ratelimit-remaining, x-ratelimit-reset"
)
_PREFLIGHT_S = "600"
# The rest of a refused body would be read as the next request, or waited for.
_LINGER_S = 2.0
_LINGER_BODIES = 16
CLOSE = ("connection", "close")


def check_head(scope: Scope, settings: WebSettings) -> None:
    """Refuse an oversized head. The server has it in memory by then; what this protects is everything behind."""
    headers = scope["headers"]
    size = len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(k) + len(v) for k, v in headers)
    if size > settings.head_bytes or len(headers) > settings.headers:
        problem = f"the limit is {settings.head_bytes} bytes and {settings.headers} headers"
        raise HttpError("HEADERS_TOO_LARGE", f"the request line and headers are too large: {problem}", headers=(CLOSE,))


def check_host(headers: Headers, settings: WebSettings) -> None:
    """Refuse a name that is not served: a page whose name was rebound to our address sends its own name here."""
    given = headers.getlist("host")
    host = _HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
    if host is None or (host["name"] not in settings.hosts and "*" not in settings.hosts):
        raise HttpError("HOST_NOT_ALLOWED", "this host is not served here")


def check_query(query: Sequence[tuple[str, str]]) -> None:
    """Refuse a credential in the address: logs, histories and Referer headers keep addresses."""
    if any(name.lower() in _CREDENTIALS for name, _ in query):
        problem = "credentials are not taken from the address: send them as authorization: Bearer ..."
        raise HttpError("AUTH_REQUIRED", problem)


def check_origin(headers: Headers, verb: str, settings: WebSettings, *, stream: bool, encrypted: bool = False) -> None:
    """Refuse pages of other sites: whatever changes something, and streams, which begin runs even as a GET.

    What they merely read is withheld by the browser, since no answer allows them to. `same-site` is another port of
    this machine as well: it is no more trusted than any site.
    """
    origin = headers.get("origin")
    if origin is not None:
        foreign = not (is_own(origin, headers, encrypted=encrypted) or origin in settings.origins)
    else:
        foreign = headers.get("sec-fetch-site") in _ELSEWHERE
    if foreign and (stream or verb not in _SAFE):
        raise HttpError("ORIGIN_NOT_ALLOWED", "pages of this origin are not allowed here")


def is_own(origin: str, headers: Headers, *, encrypted: bool) -> bool:
    """True for the origin of this server itself, as its caller sees it.

    What comes unencrypted may be from a proxy that its caller speaks TLS with. The other way round, a page that was
    loaded without TLS is anybody's who sits on the way.
    """
    schemes = ("https",) if encrypted else ("http", "https")
    return origin.lower() in (f"{scheme}://{headers.get('host', '').lower()}" for scheme in schemes)


def cors(headers: Headers, settings: WebSettings) -> list[tuple[str, str]]:
    """The headers that let a page of an allowed origin read the answer; for any other none."""
    if not settings.origins:
        return []
    origin = headers.get("origin")
    if origin is None or origin not in settings.origins:
        return [("vary", "origin")]
    return [
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", _EXPOSED),
        ("vary", "origin"),
    ]


def preflight(headers: Headers, verbs: list[str], settings: WebSettings) -> list[tuple[str, str]]:
    """The headers of an answer to OPTIONS; a preflight of an origin that is not allowed is refused."""
    allow = ", ".join(verbs)
    if "access-control-request-method" not in headers:
        return [("allow", allow)]
    if headers.get("origin") not in settings.origins:
        raise HttpError("ORIGIN_NOT_ALLOWED", "pages of this origin are not allowed here")
    return [
        ("allow", allow),
        ("access-control-allow-methods", allow),
        ("access-control-allow-headers", headers.get("access-control-request-headers", "")),
        ("access-control-max-age", _PREFLIGHT_S),
    ]


async def read_body(receive: Receive, headers: Headers, settings: WebSettings) -> bytes:
    """The whole body, within the limits of size and time. Raises HttpError, also for a caller that left."""
    declared = headers.get("content-length")
    if declared is not None and declared.isdecimal() and int(declared[:20]) > settings.body_bytes:
        raise _too_large(settings)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.body_timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise HttpError("REQUEST_TIMEOUT", "the caller left before its body was whole")
                part = message.get("body", b"")
                size += len(part)
                if size > settings.body_bytes:
                    raise _too_large(settings)
                parts.append(part)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        problem = f"the body was not whole within {settings.body_timeout_s:g} s"
        raise HttpError("REQUEST_TIMEOUT", problem, headers=(CLOSE,)) from None


async def linger(receive: Receive, settings: WebSettings) -> None:
    """Let the rest of a refused body come and go, for a while: a socket that is closed over unread bytes is reset, and
    a reset takes the refusal away from a caller that is still sending."""
    room = _LINGER_BODIES * settings.body_bytes
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            more = True
            while more and room > 0:
                message = await receive()
                room -= len(message.get("body", b""))
                more = message.get("more_body", False)


def _too_large(settings: WebSettings) -> HttpError:
    return HttpError(
        "MESSAGE_TOO_LARGE", f"the body is over the limit of {settings.body_bytes} bytes", headers=(CLOSE,)
    )
