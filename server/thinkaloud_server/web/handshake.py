"""Who may open a WebSocket from a browser, and how one is refused before it is one.

A browser opens WebSockets to any host, with that host's cookies, and CORS does not ask about them: the server must look
at `Origin` itself (RFC 6455 section 10.2). Programs send none and are not kept out by this.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.types import Scope, Send

from thinkaloud_server.web.error import HttpError, envelope

_PAGE_SCHEME = {"ws": "http", "wss": "https"}
_DENIAL = "websocket.http.response"


def check_origin(scope: Scope, allowed: Collection[str]) -> None:
    """Raises HttpError(ORIGIN_NOT_ALLOWED) for a page of elsewhere that is not on the list.

    The page's own origin is the scheme and host that it was asked at: behind a proxy that ends TLS, where the two
    differ, the public origin belongs on the list.
    """
    origins = _values(scope, b"origin")
    if not origins:
        return
    (origin, *more) = origins
    hosts = _values(scope, b"host")
    own = f"{_PAGE_SCHEME.get(scope['scheme'], scope['scheme'])}://{hosts[0]}".lower() if len(hosts) == 1 else None
    if more or (origin.lower() != own and origin not in allowed):
        raise HttpError("ORIGIN_NOT_ALLOWED", "pages of this origin may not open WebSockets here")


async def deny(scope: Scope, send: Send, error: HttpError, request_id: str = "") -> None:
    """Answer the handshake with the envelope of this error instead of a WebSocket."""
    if _DENIAL not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": error.close or 1008, "reason": error.code})
        return
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    if request_id:
        headers.append((b"x-request-id", request_id.encode("latin-1")))
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in error.headers]
    await send({"type": f"{_DENIAL}.start", "status": error.http, "headers": headers})
    await send({"type": f"{_DENIAL}.body", "body": envelope(error, request_id)})


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
