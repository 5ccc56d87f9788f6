"""The pages: what programs and people get; nothing in them is inline or from elsewhere, and no other file is told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import grpc
import httpx
import pytest

from thinkaloud_server.web.app import WebSettings, web_app
from thinkaloud_server.web.docs import ASSETS, DOCUMENT, REDOC, SWAGGER
from thinkaloud_server.web.openapi import Info

INFO = Info("thinkaloud", "1.2.3", "Thinks <aloud>.", links={"capabilities": "/api/v1/capabilities"})
BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
HTML = ("/", SWAGGER, REDOC)
LIBRARY = ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js")
OURS = ("start-swagger.js", "start-redoc.js", "redoc.css", "home.css")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """Of the whole HTTP face; no page asks the service behind it, so none is there."""
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        transport = httpx.ASGITransport(web_app(channel, WebSettings(info=INFO)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


class _Page(HTMLParser):
    """What a page is made of: the addresses that it loads, its inline scripts and styles, its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._inside = tag
        self.loads += [given[name] or "" for name in ("src",) if name in given]
        if tag == "link":
            self.loads.append(given["href"] or "")
        if tag == "a":
            self.links.append(given["href"] or "")
        self.inline += [name for name in given if name == "style" or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style") and data.strip():
            self.inline.append(data)


async def test_programs_get_json_at_the_root(client: httpx.AsyncClient) -> None:
    for accept in ("*/*", "application/json"):
        answer = await client.get("/", headers={"accept": accept})
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {
            "name": "thinkaloud",
            "version": "1.2.3",
            "capabilities": "/api/v1/capabilities",
            "links": {"docs": SWAGGER, "redoc": REDOC, "openapi": DOCUMENT},
        }
        assert answer.headers["vary"] == "Accept"


async def test_people_get_a_page_with_links_at_the_root(client: httpx.AsyncClient) -> None:
    answer = await client.get("/", headers=BROWSER)
    assert answer.headers["content-type"].startswith("text/html")
    assert _Page(answer.text).links == [SWAGGER, REDOC, DOCUMENT, "/api/v1/capabilities"]
    assert "Thinks &lt;aloud&gt;. Version 1.2.3." in answer.text
    assert "{{" not in answer.text


@pytest.mark.parametrize("path", HTML)
async def test_a_page_has_nothing_inline_and_nothing_from_elsewhere(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers=BROWSER)
    page = _Page(answer.text)
    assert page.inline == []
    loads = [each for each in page.loads if each != "data:,"]
    assert loads
    for each in loads:
        assert each.startswith("/"), each
        assert (await client.get(each)).status_code == 200, each


@pytest.mark.parametrize("path", HTML)
async def test_the_policy_of_a_page_allows_no_inline_script_and_no_other_host(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path, headers=BROWSER)
    policy = dict(each.strip().split(" ", 1) for each in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in str(policy)
    assert not re.search(r"https?:|\*", str(policy))


async def test_the_nonce_is_another_one_each_time(client: httpx.AsyncClient) -> None:
    nonces = []
    for _ in range(2):
        answer = await client.get(REDOC)
        (nonce,) = re.findall(r"'nonce-([\w-]{22})'", answer.headers["content-security-policy"])
        assert f'nonce="{nonce}"' in answer.text
        nonces.append(nonce)
    assert nonces[0] != nonces[1]


async def test_the_document_is_sent_once_to_who_has_it(client: httpx.AsyncClient) -> None:
    answer = await client.get(DOCUMENT)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["info"]["version"] == "1.2.3"
    known = {"if-none-match": f'"other", W/{answer.headers["etag"]}'}
    again = await client.get(DOCUMENT, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
    assert (await client.get(DOCUMENT, headers={"if-none-match": '"other"'})).status_code == 200


@pytest.mark.parametrize("name", [*LIBRARY, *OURS])
async def test_an_asset_is_sent_with_its_type_and_once(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"{ASSETS}/{name}")
    assert answer.status_code == 200
    assert ("javascript" if name.endswith(".js") else "css") in answer.headers["content-type"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert len(answer.content) > (100_000 if name in LIBRARY else 50)
    again = await client.get(f"{ASSETS}/{name}", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "name", ["swagger.html", "favicon.png", "nothing.js", "../docs.py", "..%2fdocs.py", "%2e%2e/docs.py", ""]
)
async def test_no_other_file_is_told(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"{ASSETS}/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("path", [*HTML, DOCUMENT, f"{ASSETS}/home.css"])
async def test_a_page_is_only_to_be_read(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.json()["error"]["code"] == "METHOD_NOT_ALLOWED"
    assert (await client.options(path)).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await client.head(path)).status_code == 200


async def test_a_page_has_a_request_id_and_is_for_served_hosts_only(client: httpx.AsyncClient) -> None:
    answer = await client.get(SWAGGER, headers={"x-request-id": "mine"})
    assert answer.headers["x-request-id"] == "mine"
    assert (await client.get(SWAGGER, headers={"host": "evil.example"})).status_code == 400


async def test_what_the_root_links_to_is_there(client: httpx.AsyncClient) -> None:
    paths = (await client.get(DOCUMENT)).json()["paths"]
    assert "get" in paths[INFO.links["capabilities"]]
