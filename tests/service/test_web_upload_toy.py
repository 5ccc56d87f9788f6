"""A service that nobody has heard of takes a file as a form and brings one, from its annotations alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from fakes.forms import TYPE, closed, part
from fakes.toy import Toy, toy_server, toy_service
from fakes.web import http_server, raw
from thinkaloud_server.web.app import WebSettings, web_app

PATH = "/toy/top/keep"
BOOK = part("book", b"once upon a time", filename="tale")


@asynccontextmanager
async def served(settings: WebSettings | None = None) -> AsyncIterator[tuple[Toy, httpx.AsyncClient]]:
    async with (
        toy_server() as (toy, channel),
        http_server(web_app(channel, settings, [toy_service()])) as url,
        httpx.AsyncClient(base_url=url, timeout=10) as client,
    ):
        yield toy, client


def posted(body: bytes, kind: str = TYPE, *, close: bool = True, more: int = 0) -> bytes:
    """The request as bytes; `more` is what it says to have besides its body."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {len(body) + more}\r\n"
    return (head + ("connection: close\r\n" if close else "") + "\r\n").encode() + body


async def test_a_form_is_the_stream_of_requests() -> None:
    async with served() as (toy, client):
        book = b"once upon a time" * 20_000
        form = {"words": ["good", "long"], "kind": "tale"}
        answer = await client.post(
            PATH, data=form, files={"book": ("T\u00e4le", book, "text/plain")}, headers={"idempotency-key": "k-1"}
        )
        assert answer.status_code == 200
        about = {"title": "Täle", "kind": "tale", "words": ["good", "long"], "idempotency_key": "k-1"}
        assert answer.json() == {"shelf": "top", "about": about, "size": len(book)}
        assert b"".join(toy.kept) == book
        assert toy.metadata["x-request-id"] == answer.headers["x-request-id"]


async def test_the_next_piece_is_read_when_the_service_took_the_last() -> None:
    async with served() as (toy, client):
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            yield part("book", b"", filename="slow")[:-2]
            while sent < 2_000:
                sent += 1
                yield b"x" * 65_536
            yield closed(b"\r\n")

        sending = asyncio.ensure_future(client.post(PATH, content=endless(), headers={"content-type": TYPE}))
        await toy.counting.wait()
        before = -1
        while before != sent:  # what fits into the buffers of two sockets, of 125 MiB
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 400
        sending.cancel()
        toy.hold.set()  # a socket that nobody reads does not tell that its other end has gone
        async with asyncio.timeout(5):
            await toy.left.wait()


async def test_a_caller_that_leaves_in_the_middle_cancels_the_call() -> None:
    async with served() as (toy, client):
        url = httpx.URL(str(client.base_url))
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(posted(part("book", b"some", filename="slow"), more=1000))
        await toy.counting.wait()
        writer.close()
        async with asyncio.timeout(5):
            await toy.left.wait()


@pytest.mark.parametrize(
    ("body", "kind", "status", "code", "field"),
    [
        (closed(BOOK), "application/json", 415, "UNSUPPORTED_MEDIA_TYPE", ""),
        (closed(BOOK), "multipart/form-data", 400, "MALFORMED_REQUEST", ""),
        (BOOK, TYPE, 400, "MALFORMED_REQUEST", ""),
        (closed(part("kind", "a")), TYPE, 400, "VALIDATION_FAILED", "book"),
        (closed(BOOK, BOOK), TYPE, 400, "VALIDATION_FAILED", "book"),
        (closed(BOOK, part("kind", "a")), TYPE, 400, "VALIDATION_FAILED", "kind"),
        (closed(part("kind", "a"), part("kind", "b"), BOOK), TYPE, 400, "VALIDATION_FAILED", "kind"),
        (closed(part("colour", "a"), BOOK), TYPE, 400, "UNKNOWN_FIELD", "colour"),
        (closed(part("page", b"x", filename="a")), TYPE, 400, "UNKNOWN_FIELD", "page"),
        (closed(part("book", b"x", filename="refuse")), TYPE, 429, "QUOTA_EXCEEDED", ""),
        (closed(part("book", b"x" * 2_000_000, filename="refuse")), TYPE, 429, "QUOTA_EXCEEDED", ""),
    ],
    ids=[
        *("JSON", "no boundary", "no end", "no file", "two files", "a field after it", "a field twice"),
        *("an unknown field", "an unknown file", "refused", "refused while it comes"),
    ],
)
async def test_what_is_wrong_with_a_form_is_told(body: bytes, kind: str, status: int, code: str, field: str) -> None:
    async with served() as (_, client):
        answer = await client.post(PATH, content=body, headers={"content-type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        violations = answer.json()["error"]["details"].get("field_violations", [{"field": ""}])
        assert violations[0]["field"] == field
        good = await client.post(PATH, content=closed(BOOK), headers={"content-type": TYPE})
        assert good.json()["about"]["title"] == "tale"


async def test_a_query_says_nothing_beside_a_form() -> None:
    async with served() as (_, client):
        answer = await client.post(f"{PATH}?kind=a", content=closed(BOOK), headers={"content-type": TYPE})
        assert answer.json()["error"]["code"] == "UNKNOWN_FIELD"


@pytest.mark.parametrize("chunked", [False, True], ids=["by its length", "by what came"])
async def test_a_form_over_the_limit_is_refused_and_the_connection_closed(chunked: bool) -> None:
    async with served(WebSettings(upload_bytes=100_000)) as (toy, client):
        body = closed(part("book", b"x" * 400_000, filename="a"))
        if chunked:
            head = (
                f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {TYPE}\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            request = head.encode() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            request = posted(body, close=False)
        answer = await raw(str(client.base_url), request)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close\r\n" in answer
        assert b"UPLOAD_TOO_LARGE" in answer
        assert sum(map(len, toy.kept)) <= 100_000 + 192 * 1024


async def test_a_form_that_falls_silent_is_refused() -> None:
    async with served(WebSettings(body_timeout_s=0.1)) as (_, client):
        answer = await raw(str(client.base_url), posted(BOOK, close=False, more=10))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close\r\n" in answer


async def test_an_answer_before_the_end_of_the_form_ends_the_connection() -> None:
    async with served() as (toy, client):
        body = part("book", b"x" * 100_000, filename="enough")
        answer = await raw(str(client.base_url), posted(body, close=False, more=10))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close\r\n" in answer
        assert toy.kept


async def test_a_page_of_another_site_may_send_no_form() -> None:
    async with served() as (toy, client):
        headers = {"content-type": TYPE, "origin": "https://evil.example"}
        answer = await client.post(PATH, content=closed(BOOK), headers=headers)
        assert answer.json()["error"]["code"] == "ORIGIN_NOT_ALLOWED"
        assert not toy.kept


async def test_a_file_is_an_answer_of_bytes() -> None:
    async with served() as (_, client):
        answer = await client.get("/toy/books/tale%203")
        assert (answer.status_code, answer.content) == (200, b"0" * 1000 + b"1" * 1000 + b"2" * 1000)
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["content-disposition"] == "attachment; filename=\"tale 3\"; filename*=UTF-8''tale%203"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


async def test_a_file_of_a_type_that_browsers_run_has_none() -> None:
    async with served() as (_, client):
        answer = await client.get("/toy/books/page1")
        assert (answer.headers["content-type"], answer.content) == ("application/octet-stream", b"0" * 1000)


async def test_the_head_of_a_file_brings_none_of_it() -> None:
    async with served() as (_, client):
        answer = await client.head("/toy/books/tale3")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "image/png"


@pytest.mark.parametrize(("title", "status", "code"), [("refuse", 404, "NOT_FOUND"), ("none", 500, "INTERNAL")])
async def test_a_file_that_does_not_come_is_an_error(title: str, status: int, code: str) -> None:
    async with served() as (_, client):
        answer = await client.get(f"/toy/books/{title}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_file_that_breaks_off_is_not_taken_for_whole() -> None:
    async with served() as (_, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/toy/books/cut")


async def test_ten_thousand_ranges_are_one_file() -> None:
    async with served() as (_, client):
        ranges = ",".join(["0-"] * 10_000)
        answer = await client.get("/toy/books/tale1", headers={"range": f"bytes={ranges}"})
        assert (answer.status_code, len(answer.content)) == (200, 1000)
        assert answer.headers["accept-ranges"] == "none"
