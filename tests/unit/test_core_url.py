"""What an address says by itself. Loopback hosts are shown with the configuration (test_config.py)."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.url import is_safe


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example",
        "https://login.example:8443/realm/",
        "http://127.0.0.1:9",
        "http://localhost",
        "http://[::1]:9/k",
    ],
)
def test_nobody_on_the_way_can_answer_in_place_of(url: str) -> None:
    assert is_safe(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://login.example", "http://127.0.0.1.example", "ftp://login.example", "login.example", "https://", ""),
        *(
            "https://a:b@login.example",
            "https://login.example#x",
            "https://login.example:x",
            "https://[",
            "https://a b",
        ),
        "https://login.example/\n",
    ],
)
def test_what_others_may_answer_or_is_no_url(url: str) -> None:
    assert not is_safe(url)
