"""The pages about the server: `/`, the OpenAPI document, and Swagger UI and ReDoc to read it with.

Both come as files of the package fastapi-offline, so they work without the internet; none of its code is ever
imported. No page has an inline script or reaches another host, and its Content-Security-Policy says so.
"""

from __future__ import annotations

import html
import secrets
from functools import cache
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from thinkaloud_server.web.openapi import Info, documents
from thinkaloud_server.web.route import RouteTable

DOCUMENT = "/api/openapi.json"
SWAGGER = "/api/docs"
REDOC = "/api/redoc"
ASSETS = "/api/docs/assets"

_OURS = Path(__file__).parent / "static"
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


def docs_routes(table: RouteTable, info: Info) -> list[Route]:
    """The routes of all pages. The document is made when somebody first asks for it."""
    document = cache(lambda: msgspec.json.encode(documents(table, info)))
    etag = cache(lambda: f'"{sha256(document()).hexdigest()[:32]}"')

    async def home(request: Request) -> Response:
        return _home(info, people="text/html" in request.headers.get("accept", ""))

    async def openapi(request: Request) -> Response:
        headers = {**_HEADERS, "etag": etag()}
        if etag() in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(document(), media_type="application/json", headers=headers)

    async def swagger(request: Request) -> Response:
        return _page("swagger.html", info)

    async def redoc(request: Request) -> Response:
        # ReDoc makes style elements, which the nonce allows, and searches in a worker that it makes from a blob.
        nonce = secrets.token_urlsafe(16)
        return _page("redoc.html", info, nonce=nonce, style=f" 'nonce-{nonce}'", worker="blob:")

    return [
        Route("/", home),
        Route(DOCUMENT, openapi),
        Route(SWAGGER, swagger),
        Route(REDOC, redoc),
        Route(f"{ASSETS}/{{name}}", _asset),
    ]


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


def _page(file: str, info: Info, *, style: str = "", worker: str = "'none'", **values: str) -> Response:
    text = (_OURS / file).read_text(encoding="utf-8")
    said = {"name": info.name, "version": info.version, "summary": info.summary, "document": DOCUMENT}
    for name, value in ({key: html.escape(value) for key, value in said.items()} | values).items():
        text = text.replace(f"{{{{{name}}}}}", value)
    policy = _POLICY.format(style=style, worker=worker)
    return HTMLResponse(text, headers={**_HEADERS, "content-security-policy": policy})


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    folder = _folder_of(name)
    if folder is None:
        return Response(status_code=404)
    response = await StaticFiles(directory=folder).get_response(name, request.scope)
    response.headers.update(_HEADERS)
    return response


def _folder_of(name: str) -> Path | None:
    if name in _OUR_FILES:
        return _OURS
    return _library() if name in _LIBRARY_FILES else None


@cache
def _library() -> Path:
    return Path(str(distribution(_LIBRARY).locate_file("fastapi_offline/static")))
