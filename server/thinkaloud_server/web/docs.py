"""The pages about the server: `/`, the OpenAPI document, and Swagger UI and ReDoc to read it with.

Both come as files of the package fastapi-offline, so they work without the internet; none of its code is ever
imported. No page has an inline script or reaches another host, and its Content-Security-Policy says so.
"""

from __future__ import annotations

import html
import secrets
from collections.abc import Callable
from functools import cache, cached_property, partial
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path

import msgspec
from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, Response

from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.openapi import Info, documents
from thinkaloud_server.web.route import RouteTable

DOCUMENT = "/api/openapi.json"
SWAGGER = "/api/docs"
REDOC = "/api/redoc"
ASSETS = "/api/docs/assets"

_OURS = Path(__file__).parent / "static"
_ALLOW = "GET, HEAD, OPTIONS"
_LIBRARY = "fastapi-offline"
# Named one by one: what else stands in those folders is nobody's to fetch. They are sent as they are: compressing
# 1.5 MB takes the loop 50 ms, which every stream would feel, and a browser fetches them once.
_OUR_FILES = frozenset({"start-swagger.js", "start-redoc.js", "redoc.css", "home.css"})
_LIBRARY_FILES = frozenset({"swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js"})

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{style}; img-src 'self' data:; connect-src 'self'; "
    "worker-src {worker}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Pages:
    """All pages of one server, by their paths. The document is made when somebody first asks for it."""

    def __init__(self, table: RouteTable, info: Info) -> None:
        self._table = table
        self._info = info
        self._pages: dict[str, Callable[[Headers], Response]] = {
            "/": lambda headers: _home(info, people="text/html" in headers.get("accept", "")),
            DOCUMENT: self._document,
            SWAGGER: lambda headers: _page("swagger.html", info),
            REDOC: lambda headers: _redoc(info),
            **{f"{ASSETS}/{name}": partial(_file, _OURS, name) for name in _OUR_FILES},
            **{f"{ASSETS}/{name}": partial(_library_file, name) for name in _LIBRARY_FILES},
        }

    def find(self, verb: str, path: str, headers: Headers) -> Response | None:
        """The answer, an ASGI application; None where there is no page. Raises HttpError(METHOD_NOT_ALLOWED)."""
        page = self._pages.get(path)
        if page is None:
            return None
        if verb == "OPTIONS":
            return Response(status_code=204, headers={"allow": _ALLOW})
        if verb not in ("GET", "HEAD"):
            raise HttpError("METHOD_NOT_ALLOWED", f"this path takes {_ALLOW}", headers=(("allow", _ALLOW),))
        return page(headers)

    def _document(self, headers: Headers) -> Response:
        return _unless_known(headers, Response(self._json, media_type="application/json", headers=_HEADERS), self._etag)

    @cached_property
    def _json(self) -> bytes:
        return msgspec.json.encode(documents(self._table, self._info))

    @cached_property
    def _etag(self) -> str:
        return f'"{sha256(self._json).hexdigest()[:32]}"'


def _home(info: Info, *, people: bool) -> Response:
    ours = {"docs": SWAGGER, "redoc": REDOC, "openapi": DOCUMENT}
    if people:
        named = {"Try the API": SWAGGER, "Read the API": REDOC, "OpenAPI document": DOCUMENT}
        links = {**named, **{name.capitalize(): path for name, path in info.links.items()}}
        items = "\n".join(
            f'<li><a href="{html.escape(path)}">{html.escape(name)}</a></li>' for name, path in links.items()
        )
        response = _page("home.html", info, links=items)
    else:
        body = {"name": info.name, "version": info.version, **info.links, "links": ours}
        response = Response(msgspec.json.encode(body), media_type="application/json", headers=_HEADERS)
    response.headers["vary"] = "Accept"
    return response


@cache
def _template(file: str) -> str:
    return (_OURS / file).read_text(encoding="utf-8")


def _page(file: str, info: Info, *, style: str = "", worker: str = "'none'", **values: str) -> Response:
    text = _template(file)
    said = {"name": info.name, "version": info.version, "summary": info.summary, "document": DOCUMENT}
    for name, value in ({key: html.escape(value) for key, value in said.items()} | values).items():
        text = text.replace(f"{{{{{name}}}}}", value)
    policy = _POLICY.format(style=style, worker=worker)
    return HTMLResponse(text, headers={**_HEADERS, "content-security-policy": policy})


def _redoc(info: Info) -> Response:
    # ReDoc makes style elements, which the nonce allows, and searches in a worker that it makes from a blob.
    nonce = secrets.token_urlsafe(16)
    return _page("redoc.html", info, nonce=nonce, style=f" 'nonce-{nonce}'", worker="blob:")


def _library_file(name: str, headers: Headers) -> Response:
    return _file(_library(), name, headers)


def _file(folder: Path, name: str, headers: Headers) -> Response:
    file = folder / name
    response = FileResponse(file, stat_result=file.stat(), headers=_HEADERS)
    return _unless_known(headers, response, response.headers["etag"])


def _unless_known(headers: Headers, response: Response, etag: str) -> Response:
    """304 for a caller that has this very version (RFC 9110, 13.1.2)."""
    response.headers["etag"] = etag
    known = [each.strip().removeprefix("W/") for each in headers.get("if-none-match", "").split(",")]
    return Response(status_code=304, headers={**_HEADERS, "etag": etag}) if etag in known else response


@cache
def _library() -> Path:
    return Path(str(distribution(_LIBRARY).locate_file("fastapi_offline/static")))
