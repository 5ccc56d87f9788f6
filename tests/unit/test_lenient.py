"""Reading JSON that is none to the standard."""

from __future__ import annotations

import math

import pytest

from thinkaloud_server.providers.lenient import read_leniently, read_strictly


def test_not_a_number_is_read() -> None:
    value = read_leniently(b'{"a": NaN}')
    assert isinstance(value, dict)
    assert math.isnan(value["a"])


def test_half_a_character_becomes_the_sign_for_one() -> None:
    assert read_leniently(b'["a\\ud83d"]') == ["a\N{REPLACEMENT CHARACTER}"]


def test_a_whole_pair_of_escapes_is_its_character() -> None:
    assert read_leniently(b'"\\ud83d\\ude42"') == "\N{SLIGHTLY SMILING FACE}"


def test_broken_utf8_is_replaced() -> None:
    assert read_leniently(b'"a\xff"') == "a\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("data", [b"", b"{", b"nope", b"[" * 200_000])
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_leniently(data)


@pytest.mark.parametrize("data", [b"", b"{", b"NaN", b'"\xff"', b"[" * 200_000])
def test_a_strict_reading_has_one_error_for_all_that_is_none(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_strictly(data)


def test_a_strict_reading_is_the_value() -> None:
    assert read_strictly(b'{"a":[1,null]}') == {"a": [1, None]}
