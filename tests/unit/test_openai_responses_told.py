"""What was told is told once, whatever sums it up again."""

from __future__ import annotations

import pytest

from thinkaloud_server.providers.openai_responses.told import Told

DELTA = "response.output_text.delta"


def told(*pieces: tuple[int, int, str]) -> Told:
    """A text of these pieces: place, number in the item, text."""
    it = Told()
    for place, index, text in pieces:
        assert it.more("text", DELTA, place, index, text) >= 0
    return it


def test_parts_are_numbered_in_order_of_beginning_and_by_kind() -> None:
    it = Told()
    assert it.more("summary", "s", 0, 0, "a") == 0
    assert it.more("summary", "s", 0, 1, "b") == 1
    assert it.more("summary", "s", 2, 0, "c") == 2
    assert it.more("text", "t", 3, 0, "d") == 0
    assert it.more("summary", "s", 0, 1, "e") == 1


def test_the_second_name_of_the_same_part_is_not_heard() -> None:
    it = Told()
    assert it.more("raw", "new", 0, 0, "a") == 0
    assert it.more("raw", "old", 0, 0, "a") == -1
    assert it.more("raw", "new", 0, 0, "b") == 0
    assert it.more("raw", "old", 0, 1, "c") == 1
    assert it.of_item("raw", 0) == "abc"


@pytest.mark.parametrize(
    ("whole", "rest"),
    [("ab", ""), ("abc", "c"), ("a", ""), ("", ""), ("xyz", "")],
)
def test_a_part_that_is_done_adds_what_goes_on_where_the_deltas_stopped(whole: str, rest: str) -> None:
    it = told((0, 0, "a"), (0, 0, "b"))
    assert it.rest("text", 0, 0, whole) == (0, rest)
    assert it.rest("text", 0, 0, whole) == (0, "")


def test_a_part_that_nobody_told_is_told_whole_unless_it_was_under_another_number() -> None:
    it = told((0, 1, "ab"))
    assert it.rest("text", 0, 0, "ab") == (0, "")
    assert it.rest("text", 0, 0, "cd") == (1, "cd")
    assert it.rest("text", 1, 0, "ab") == (2, "ab")


@pytest.mark.parametrize(
    ("wholes", "rests"),
    [
        (["a", "b"], []),
        (["a", "b", "c"], [(2, "c")]),
        (["", "a", "", "b"], []),
        (["a", "bc", "d"], [(1, "c"), (2, "d")]),
        (["ab"], []),
        (["abc"], [(0, "c")]),
        (["a"], []),
        (["x", "b"], []),
        ([], []),
    ],
)
def test_an_item_that_is_done_is_matched_in_order(wholes: list[str], rests: list[tuple[int, str]]) -> None:
    it = told((0, 0, "a"), (0, 3, "b"))
    assert list(it.rest_of_item("text", 0, wholes)) == rests
    assert list(it.rest_of_item("text", 0, wholes)) == []


def test_another_item_is_another_matter_but_not_to_the_whole_answer() -> None:
    it = told((0, 0, "a"), (2, 0, "b"))
    assert list(it.rest_of_item("text", 1, ["a"])) == [(2, "a")]
    it = told((0, 0, "a"), (2, 0, "b"))
    assert list(it.rest_of_all("text", ["a", "b", "c"])) == [(2, "c")]
    assert list(it.rest_of_all("text", ["a", "b", "c"])) == []


def test_an_item_is_known_by_its_id_where_deltas_name_no_place() -> None:
    it = Told()
    it.more("text", DELTA, "msg_1", 0, "a")
    assert it.place_of(3, "msg_1") == "msg_1"
    assert it.place_of(3, "msg_2") == 3
    it.more("text", DELTA, 3, 0, "a")
    assert it.place_of(3, "msg_1") == 3
