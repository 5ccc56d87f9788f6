"""One HTTP request as it was asked: its head, its ids, and what of it goes on to the service."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Scope

from thinkaloud_server.web.error import HttpError

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_VISIBLE = re.compile(r"[\x20-\x7e]{1,4096}\Z")
_AUTHORIZATION = "authorization"
_CREDENTIAL = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,16382}[\x21-\x7e])?\Z")
_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Goes on as gRPC metadata under the same name; and whatever has the prefix. HTTP allows names that gRPC does not, and a
# channel to a network fails on them, or waits for ever; a name that ends with "-bin" would promise it bytes.
_FORWARDED = re.compile(r"(traceparent|tracestate|x-forwarded-for|x-thinkaloud-[0-9a-z_.-]+)(?<!-bin)\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """`path` is as it was sent, still percent-encoded. `correlation_id` is "" where none, or an unfit one, came."""

    verb: str
    path: str
    query: str
    headers: Headers
    request_id: str
    correlation_id: str

    @classmethod
    def of(cls, scope: Scope) -> Asked:
        """What an ASGI scope says, of HTTP or of a WebSocket."""
        headers = Headers(raw=scope["headers"])
        correlation_id = _fit(headers.get("x-correlation-id"))
        return cls(
            verb=scope.get("method", "GET"),
            path=scope["raw_path"].decode("latin-1"),
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            request_id=request_id_of(scope["headers"]),
            correlation_id=correlation_id,
        )

    def query_items(self) -> list[tuple[str, str]]:
        """The parameters in their order. Raises HttpError for what is no form encoding of UTF-8."""
        if not self.query:
            return []
        if _ENCODED.search(self.query) or not self.query.isascii():
            raise HttpError("MALFORMED_REQUEST", "the query is not percent-encoded")
        try:
            return parse_qsl(self.query, keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError:
            raise HttpError("MALFORMED_REQUEST", "the query is not UTF-8, or has over 1000 parameters") from None

    def metadata(self, authorization: str = "") -> list[tuple[str, str | bytes]]:
        """What the service is told of this request beside its message; who calls, as this says or else its header."""
        found: list[tuple[str, str | bytes]] = [("x-request-id", self.request_id)]
        for name, value in self.headers.items():
            if _FORWARDED.match(name) and _VISIBLE.match(value):
                found.append((name, value))
        given = [authorization] if authorization else self.headers.getlist(_AUTHORIZATION)
        # What no credential looks like stays one that is not good: left out, it would be none at all.
        return found + [(_AUTHORIZATION, each if _CREDENTIAL.match(each) else "-") for each in given]

    def ids(self) -> list[tuple[str, str]]:
        """The headers that every answer has."""
        ids = [("x-request-id", self.request_id)]
        return [*ids, ("x-correlation-id", self.correlation_id)] if self.correlation_id else ids


def request_id_of(raw: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's name for its request, from the headers that came; a fresh one where it gave none that fits."""
    headers = Headers(raw=list(raw))
    given = _fit(headers.get("x-request-id")) or _fit(headers.get("x-correlation-id"))
    return given or f"req_{secrets.token_hex(16)}"


def _fit(value: str | None) -> str:
    return value if value and _ID.match(value) else ""
