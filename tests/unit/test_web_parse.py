"""JSON that has one meaning, and all that has none or two."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.parse import parsed

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_whatever_json_writes_is_read_again(value: object) -> None:
    assert parsed(json.dumps(value).encode()) == value


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(HttpError):
        value = parsed(body)
        assert value == json.loads(body)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "line 1"),
        (b'{"a":1,"b":2,"a":3}', "'a' twice"),
        (b'[{"x":{"y":1,"y":1}}]', "'y' twice"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e999]", "range"),
        (b"[" + b"1" * 5000 + b"]", "too long"),
        (b'"\xff"', "UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        ("{}".encode("utf-16"), "UTF-8"),
        (b"{} {}", "Extra"),
        (b"{'a': 1}", "line 1"),
    ],
)
def test_a_doubt_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(HttpError, match=why):
        parsed(body)
    with pytest.raises(HttpError, match="the message "):
        parsed(body, "the message")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 1_000_000])
def test_a_bomb_costs_little(body: bytes) -> None:
    began = time.process_time()
    with pytest.raises(HttpError):
        parsed(body)
    assert time.process_time() - began < 0.1
