"""When a provider says that it may be asked again, in every dialect of saying it."""

from __future__ import annotations

import pytest

from thinkaloud_server.providers.error_body import ErrorBody
from thinkaloud_server.providers.retry_after import retry_after_s

DATE = {"date": "Tue, 07 Oct 2025 14:16:00 GMT"}
HEADERS: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"retry-after": "7"}, 7.0),
    "fraction": ({"retry-after": "0.5"}, 0.5),
    "zero": ({"retry-after": "0"}, 0.0),
    "milliseconds": ({"retry-after-ms": "1500"}, 1.5),
    "milliseconds before seconds": ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
    "zero milliseconds say less than a second": ({"retry-after-ms": "0", "retry-after": "1"}, 1.0),
    "HTTP date": ({**DATE, "retry-after": "Tue, 07 Oct 2025 14:17:30 GMT"}, 90.0),
    "HTTP date in the past": ({**DATE, "retry-after": "Tue, 07 Oct 2025 14:15:00 GMT"}, 0.0),
    "HTTP date without a date": ({"retry-after": "Tue, 07 Oct 2025 14:17:30 GMT"}, None),
    "duration": ({"retry-after": "1m30s"}, 90.0),
    "garbage": ({"retry-after": "soon"}, None),
    "negative": ({"retry-after": "-5"}, None),
    "not a number": ({"retry-after": "nan"}, None),
    "infinite": ({"retry-after": "inf"}, None),
    "absurd": ({"retry-after": "1e12"}, 86_400.0),
    "empty": ({"retry-after": ""}, None),
    "Go duration": ({"x-ratelimit-reset-requests": "6m0s"}, 360.0),
    "Go duration, fraction": ({"x-ratelimit-reset-requests": "23m2.4s"}, 1382.4),
    "Go duration, milliseconds": ({"x-ratelimit-reset-tokens": "130ms"}, 0.13),
    "Go duration, hours": ({"x-ratelimit-reset-tokens": "1h0m30s"}, 3630.0),
    "Go duration, days": ({"x-ratelimit-reset-tokens": "1d2h"}, 86_400.0),
    "RFC 3339": ({**DATE, "anthropic-ratelimit-requests-reset": "2025-10-07T14:16:42Z"}, 42.0),
    "RFC 3339 without a date": ({"anthropic-ratelimit-requests-reset": "2025-10-07T14:16:42Z"}, None),
    "milliseconds since the epoch": ({**DATE, "x-ratelimit-reset": "1759846620000"}, 60.0),
    "seconds since the epoch": ({**DATE, "x-ratelimit-reset": "1759846620"}, 60.0),
    "epoch without a date": ({"x-ratelimit-reset": "1759846620000"}, None),
    "epoch of another age": ({**DATE, "x-ratelimit-reset": "1e30"}, None),
    "float seconds": ({"x-ratelimit-reset-tokens-minute": "57.113"}, 57.113),
    "whole seconds": ({"ratelimitbysize-reset": "33"}, 33.0),
    "the limit that is used up": (
        {
            "x-ratelimit-remaining-requests": "984",
            "x-ratelimit-reset-requests": "23m2s",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "6.5s",
        },
        6.5,
    ),
    "both are used up": (
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "10s",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "20s",
        },
        20.0,
    ),
    "neither is": (
        {
            "x-ratelimit-remaining-requests": "5",
            "x-ratelimit-reset-requests": "10s",
            "x-ratelimit-remaining-tokens": "100",
            "x-ratelimit-reset-tokens": "3s",
        },
        3.0,
    ),
    "retry-after before resets": ({"retry-after": "2", "x-ratelimit-reset-requests": "6m0s"}, 2.0),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("headers", "expected"), HEADERS.values(), ids=HEADERS)
def test_headers(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(headers, ErrorBody(), rate_limited=True) == pytest.approx(expected)


MESSAGES = [
    ("Rate limit reached for gpt-4 in organization org-x on tokens per min. Please try again in 7.66s.", 7.66),
    ("Please try again in 20ms. Visit https://platform.openai.com", 0.02),
    ("Please try again in 6m0s.", 360.0),
    ("Please try again in 1h2m3.5s.", 3723.5),
    ("Please retry after 30 seconds.", 30.0),
    ("Please retry your requests after 2 minutes", 120.0),
    ("Rate limit resets in 12 seconds", 12.0),
    ("Please try again later.", None),
    ("Try again in a while", None),
    ("You have 3 seconds of audio", None),
]


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_the_message(message: str, expected: float | None) -> None:
    assert retry_after_s({}, ErrorBody(message=message), rate_limited=True) == pytest.approx(expected)


def test_the_body_says_it_too() -> None:
    assert retry_after_s({}, ErrorBody(retry_delay="37s"), rate_limited=True) == 37.0
    assert retry_after_s({"retry-after": "5"}, ErrorBody(retry_delay="37s"), rate_limited=True) == 5.0
    body = ErrorBody(headers=(("x-ratelimit-reset", "1759846620000"),))
    assert retry_after_s(DATE, body, rate_limited=True) == 60.0


def test_resets_are_hints_only_for_who_was_limited() -> None:
    headers = {"x-ratelimit-reset-requests": "6m0s"}
    assert retry_after_s(headers, ErrorBody(), rate_limited=False) is None
    assert retry_after_s({"retry-after": "6"}, ErrorBody(), rate_limited=False) == 6.0
