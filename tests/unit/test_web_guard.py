"""Who may come in: hosts, origins, sizes. The same refusals over real sockets are in tests/service/test_web_rest.py."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from thinkaloud_server.web import guard
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.settings import WebSettings

LOOPBACK = WebSettings()
OPEN = WebSettings(hosts=("*",), origins=("https://good.example",))


def code_of(call: Any) -> str:
    try:
        call()
    except HttpError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    ("hosts", "served"),
    [
        (["localhost"], True),
        (["LOCALHOST:8000"], True),
        (["127.0.0.1:1"], True),
        (["[::1]:8000"], True),
        (["[::1]"], True),
        ([], False),
        ([""], False),
        (["localhost", "localhost"], False),
        (["localhost.evil.com"], False),
        (["evil.com:localhost"], False),
        (["[::1].evil.com"], False),
        (["::1"], False),
    ],
)
def test_a_host_is_served_or_not(hosts: list[str], served: bool) -> None:
    headers = Headers(raw=[(b"host", host.encode()) for host in hosts])
    assert code_of(lambda: guard.check_host(headers, LOOPBACK)) == ("" if served else "HOST_NOT_ALLOWED")


def test_any_host_may_be_served_but_there_must_be_one() -> None:
    guard.check_host(Headers({"host": "anything.example"}), OPEN)
    assert code_of(lambda: guard.check_host(Headers(), OPEN)) == "HOST_NOT_ALLOWED"


GOOD, EVIL, OWN = "https://good.example", "https://evil.example", "http://here.example:80"


@pytest.mark.parametrize(
    ("verb", "stream", "headers", "allowed"),
    [
        ("GET", False, {}, True),
        ("POST", False, {}, True),
        ("POST", False, {"origin": GOOD}, True),
        ("POST", False, {"origin": OWN}, True),
        ("POST", False, {"origin": EVIL}, False),
        ("POST", False, {"origin": "null"}, False),
        ("POST", False, {"origin": GOOD + ".evil.example"}, False),
        ("POST", False, {"sec-fetch-site": "cross-site"}, False),
        ("GET", False, {"origin": EVIL, "sec-fetch-site": "cross-site"}, True),
        ("GET", True, {"origin": EVIL}, False),
        ("GET", True, {"sec-fetch-site": "cross-site"}, False),
        ("GET", True, {"sec-fetch-site": "same-site"}, False),
        ("GET", True, {"sec-fetch-site": "same-origin"}, True),
        ("GET", True, {"sec-fetch-site": "none"}, True),
        ("GET", True, {"sec-fetch-site": "cross-site", "origin": GOOD}, True),
        ("GET", True, {}, True),
    ],
)
def test_a_page_elsewhere_may_read_nothing_and_begin_nothing(
    verb: str, stream: bool, headers: dict[str, str], allowed: bool
) -> None:
    given = Headers(headers | {"host": "here.example:80"})
    found = code_of(lambda: guard.check_origin(given, verb, OPEN, stream=stream))
    assert found == ("" if allowed else "ORIGIN_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("origin", "encrypted", "allowed"),
    [
        ("http://here.example:80", False, True),
        ("https://here.example:80", False, True),  # a proxy before us may have spoken TLS
        ("https://here.example:80", True, True),
        ("http://here.example:80", True, False),
        (GOOD, True, True),
    ],
)
def test_over_tls_our_own_pages_are_those_that_came_over_tls(origin: str, encrypted: bool, allowed: bool) -> None:
    given = Headers({"origin": origin, "host": "here.example:80"})
    found = code_of(lambda: guard.check_origin(given, "POST", OPEN, stream=True, encrypted=encrypted))
    assert found == ("" if allowed else "ORIGIN_NOT_ALLOWED")


def test_without_a_list_no_answer_speaks_of_origins() -> None:
    assert guard.cors(Headers({"origin": GOOD}), LOOPBACK) == []
    assert guard.cors(Headers({"origin": EVIL}), OPEN) == [("vary", "origin")]
    assert dict(guard.cors(Headers({"origin": GOOD}), OPEN))["access-control-allow-origin"] == GOOD


def test_a_head_is_measured_whole() -> None:
    scope = {"raw_path": b"/" * 100, "query_string": b"q" * 100, "headers": [(b"a" * 50, b"b" * 50)]}
    assert code_of(lambda: guard.check_head(scope, WebSettings(head_bytes=300))) == ""
    assert code_of(lambda: guard.check_head(scope, WebSettings(head_bytes=299))) == "HEADERS_TOO_LARGE"
    assert code_of(lambda: guard.check_head(scope, WebSettings(headers=0))) == "HEADERS_TOO_LARGE"


class Received:
    """What an ASGI server hands over, in order; and how much of it was taken."""

    def __init__(self, *parts: bytes, leaves: bool = False) -> None:
        self.left: list[Message] = [
            {"type": "http.request", "body": part, "more_body": leaves or number < len(parts)}
            for number, part in enumerate(parts, 1)
        ]
        if leaves:
            self.left.append({"type": "http.disconnect"})

    async def __call__(self) -> Message:
        return self.left.pop(0)


async def test_a_body_comes_in_parts() -> None:
    assert await guard.read_body(Received(b"ab", b"", b"c"), Headers(), WebSettings(body_bytes=3)) == b"abc"


async def test_a_declared_body_over_the_limit_is_not_read() -> None:
    received = Received(b"abcd")
    for declared in ("4", "9" * 50):
        with pytest.raises(HttpError) as refused:
            await guard.read_body(received, Headers({"content-length": declared}), WebSettings(body_bytes=3))
        assert refused.value.code == "MESSAGE_TOO_LARGE"
    assert len(received.left) == 1


async def test_an_undeclared_one_is_read_to_the_limit_and_no_further() -> None:
    received = Received(b"ab", b"cd", b"ef")
    with pytest.raises(HttpError) as refused:
        await guard.read_body(received, Headers(), WebSettings(body_bytes=3))
    assert refused.value.code == "MESSAGE_TOO_LARGE"
    assert len(received.left) == 1
    await guard.linger(received, WebSettings(body_bytes=3))
    assert received.left == []


async def test_a_caller_that_leaves_within_its_body_has_none() -> None:
    with pytest.raises(HttpError) as refused:
        await guard.read_body(Received(b"a", leaves=True), Headers(), LOOPBACK)
    assert refused.value.code == "REQUEST_TIMEOUT"


async def test_lingering_ends_with_the_caller_and_at_a_limit() -> None:
    await guard.linger(Received(b"a", leaves=True), LOOPBACK)
    endless = Received(*[b"a" * 10] * 100)
    await guard.linger(endless, WebSettings(body_bytes=10))
    assert len(endless.left) == 84
