"""Page tokens."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.stores.page import NEWEST, TimeKey, position_of, position_token, time_key, time_token


@given(st.floats(min_value=0, max_value=1e12), st.text(alphabet="conv_0123456789abcdef"))
def test_a_key_comes_back_exactly(time: float, ident: str) -> None:
    token = time_token("runs", TimeKey(time, ident))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert time_key("runs", token) == TimeKey(time, ident)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_position_comes_back_exactly(position: int) -> None:
    assert position_of("history", position_token("history", position)) == position


def test_no_token_is_the_first_page() -> None:
    assert time_key("runs", "") == NEWEST
    assert position_of("history", "") == 0


@pytest.mark.parametrize(
    "token",
    [
        time_token("conversations", TimeKey(1.0, "x")),
        position_token("runs", 3),
        position_token("history", -1),
        position_token("history", 2**63),
        "x",
        "/+",
        "é",
        "\ud800",
        " " * 8,
    ],
)
def test_a_token_that_is_not_of_this_list_is_refused(token: str) -> None:
    for read in (time_key, position_of):
        kind = "runs" if read is time_key else "history"
        with pytest.raises(ChatError) as caught:
            read(kind, token)
        assert caught.value.reason is ErrorReason.INVALID_PAGE_TOKEN


@given(st.text(max_size=40))
def test_any_other_text_is_refused_and_raises_nothing_else(token: str) -> None:
    for read in (time_key, position_of):
        with pytest.raises(ChatError) as caught:
            read("nothing", token or "x")
        assert caught.value.reason is ErrorReason.INVALID_PAGE_TOKEN
