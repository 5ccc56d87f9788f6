"""The head of a request: its ids, its query, and what goes on to the service."""

from __future__ import annotations

import re
from typing import Any

import pytest

from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.error import HttpError


def asked(query: bytes = b"", /, **headers: str) -> Asked:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope: dict[str, Any] = {"method": "GET", "raw_path": b"/a%2Fb", "query_string": query, "headers": raw}
    return Asked.of(scope)


def test_the_path_stays_as_it_was_sent() -> None:
    assert asked().path == "/a%2Fb"


@pytest.mark.parametrize(
    ("headers", "request_id", "correlation_id"),
    [
        ({"x_request_id": "a.B-1_"}, "a.B-1_", ""),
        ({"x_correlation_id": "c"}, "c", "c"),
        ({"x_request_id": "a", "x_correlation_id": "c"}, "a", "c"),
        ({"x_request_id": "a b", "x_correlation_id": "c"}, "c", "c"),
        ({"x_request_id": "a" * 129}, None, ""),
        ({"x_request_id": "a\n", "x_correlation_id": "<b>"}, None, ""),
        ({}, None, ""),
    ],
)
def test_a_fit_id_is_taken_and_any_other_made(
    headers: dict[str, str], request_id: str | None, correlation_id: str
) -> None:
    found = asked(**headers)
    assert found.correlation_id == correlation_id
    assert re.fullmatch(r"req_[0-9a-f]{32}" if request_id is None else re.escape(request_id), found.request_id)
    assert dict(found.ids())["x-request-id"] == found.request_id
    assert ("x-correlation-id" in dict(found.ids())) == bool(correlation_id)


def test_made_ids_differ() -> None:
    assert len({asked().request_id for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("query", "items"),
    [
        (b"", []),
        (b"a=1&a=2&b=", [("a", "1"), ("a", "2"), ("b", "")]),
        (b"a=b+c%20d%26", [("a", "b c d&")]),
        (b"a=%C3%A4", [("a", "ä")]),
        (b"a", [("a", "")]),
    ],
)
def test_a_query_is_its_parameters_in_order(query: bytes, items: list[tuple[str, str]]) -> None:
    assert asked(query).query_items() == items


@pytest.mark.parametrize("query", [b"a=%", b"a=%g1", b"a=%ff", b"a=\xff", b"a&" * 1001])
def test_what_is_no_query_is_refused(query: bytes) -> None:
    with pytest.raises(HttpError) as refused:
        asked(query).query_items()
    assert refused.value.code == "MALFORMED_REQUEST"


def test_only_what_is_meant_for_the_service_goes_on() -> None:
    found = asked(
        x_request_id="r",
        traceparent="00-1",
        tracestate="a=b",
        x_thinkaloud_fault="reset",
        cookie="c",
        authorization="Bearer d",
        x_thinkaloud_bad="\xe4",
        # gRPC takes no such name, or wants bytes for it.
        x_thinkaloud_bytes_bin="YQ==",
        **{"x-thinkaloud-~": "a", "x-thinkaloud-a!": "a", "x-thinkaloud-": "a"},
    )
    assert found.metadata() == [
        ("x-request-id", "r"),
        ("traceparent", "00-1"),
        ("tracestate", "a=b"),
        ("x-thinkaloud-fault", "reset"),
        ("authorization", "Bearer d"),
    ]


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("Bearer a", "Bearer a"),
        ("Bearer " + "a" * 9_000, "Bearer " + "a" * 9_000),
        ("", "-"),
        ("Bearer \xe4", "-"),
        ("Bearer \x00", "-"),
        ("Bearer " + "a" * 16_384, "-"),
    ],
    ids=lambda value: repr(value[:12]) + str(len(value)),
)
def test_a_credential_goes_on_or_is_one_that_is_not_good(value: str, sent: str) -> None:
    assert asked(authorization=value).metadata()[1:] == [("authorization", sent)]


def test_what_was_learnt_of_a_caller_stands_for_its_header() -> None:
    assert asked(authorization="Bearer a").metadata("Bearer b")[1:] == [("authorization", "Bearer b")]
