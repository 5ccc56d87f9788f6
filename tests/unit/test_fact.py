"""Reading facts from JSON whose shape is its vendor's."""

from __future__ import annotations

import pytest

from thinkaloud_server.providers.fact import amount, any_of, at, count, number, words

ITEM = {"a": {"b": 7, "flags": ["x"], "off": False}, "zero": 0, "true": True, "big": 2**31, "text": "9", "empty": []}


@pytest.mark.parametrize(
    ("path", "value"), [("a.b", 7), ("zero", 0), ("a.c", None), ("a.b.c", None), ("text.b", None), ("", None)]
)
def test_a_path_leads_to_its_value_or_to_nothing(path: str, value: object) -> None:
    assert at(ITEM, path) == value


@pytest.mark.parametrize(
    ("paths", "found"),
    [(("a.b",), 7), (("zero", "a.b"), 7), (("true",), 0), (("big",), 0), (("text",), 9), (("none",), 0)],
)
def test_a_number_is_the_first_whole_one_above_0_that_fits(paths: tuple[str, ...], found: int) -> None:
    assert number(ITEM, paths) == found
    assert number("no object", paths) == 0


@pytest.mark.parametrize(
    ("paths", "known"),
    [
        (("a.flags:x",), True),
        (("a.flags:y",), False),
        (("a.flags:y", "true"), True),
        (("a.off",), False),
        (("none",), None),
        (("empty:x",), None),
        (("text",), None),
    ],
)
def test_a_flag_is_set_unset_or_not_known(paths: tuple[str, ...], known: bool | None) -> None:
    assert any_of(ITEM, paths) is known


@pytest.mark.parametrize(
    ("value", "counted"),
    [(5, 5), (5.0, 5), (True, 0), (-1, 0), (0, 0), ("5", 0), (None, 0), (2**31, 0), (float("nan"), 0)],
)
def test_a_count_is_a_number_above_0_that_fits_an_int32(value: object, counted: int) -> None:
    assert count({"n": value}, "n") == counted
    assert count({"other": 1, "n": value}, "n", "other") == (counted or 1)
    assert count([value], "n") == 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.000003", 3e-6),
        (0.25, 0.25),
        (3, 3.0),
        ("0", 0.0),
        ("-1", None),
        (-0.5, None),
        ("many", None),
        ("", None),
        (None, None),
        (True, None),
        ([1], None),
        (float("nan"), None),
        (float("inf"), None),
        ("1e400", None),
        (10**400, None),
    ],
    ids=repr,
)
def test_a_sum_of_money_is_a_number_or_its_text(value: object, expected: float | None) -> None:
    assert amount(value) == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"a": {"b": ["x", "y"]}}, ("x", "y")),
        ({"a": {"b": []}, "c": ["z"]}, ("z",)),
        ({"a": {"b": ["x", 3, "", None]}}, ("x",)),
        ({"a": "x", "c": "z"}, ()),
        ({}, ()),
        (None, ()),
    ],
    ids=repr,
)
def test_words_are_those_of_the_first_list_that_has_any(item: object, expected: tuple[str, ...]) -> None:
    assert words(item, ("a.b", "c")) == expected
