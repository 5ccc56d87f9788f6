"""Events of the Responses format, typed, and what a wrong type costs."""

from __future__ import annotations

import msgspec
import pytest

from thinkaloud_server.providers.openai_responses.event import read_event, read_item, read_response


def test_an_event_is_its_fields_and_unknown_ones_are_skipped() -> None:
    event = read_event(b'{"type":"t","delta":"a","output_index":1,"item_id":"i","obfuscation":"xyz","logprobs":[]}')
    assert event is not None
    assert (event.type, event.delta, event.output_index, event.item_id) == ("t", "a", 1, "i")
    assert not event.item


def test_an_item_is_kept_as_it_was_written() -> None:
    event = read_event(b'{"type":"t","item":{"id":  "rs_1", "b":1.0}}')
    assert event is not None
    assert bytes(event.item) == b'{"id":  "rs_1", "b":1.0}'


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{"output_index":0,"item_id":"a"}', 0),
        (b'{"item_id":"a"}', "a"),
        (b"{}", None),
    ],
)
def test_the_place_is_the_number_else_the_id(data: bytes, place: object) -> None:
    event = read_event(data)
    assert event is not None
    assert event.place == place


@pytest.mark.parametrize(
    ("data", "index"),
    [(b'{"content_index":2}', 2), (b'{"summary_index":1}', 1), (b'{"summary_index":0}', 0), (b"{}", 0)],
)
def test_the_number_of_a_part_is_of_its_summary_or_its_content(data: bytes, index: int) -> None:
    event = read_event(data)
    assert event is not None
    assert event.index == index


def test_a_wrong_type_costs_its_own_field_alone() -> None:
    event = read_event(
        b'{"type":"t","delta":["x"],"output_index":"0","item_id":7,"content_index":null,"item":{"a":NaN}}'
    )
    assert event is not None
    assert (event.type, event.delta, event.output_index, event.item_id, event.content_index) == (
        *("t", ["x"], None, None, None),
    )
    assert read_item(event.item) == {"a": None}


def test_null_is_no_event_and_a_list_of_one_is_that_one() -> None:
    assert read_event(b"null") is None
    event = read_event(b'[{"type":"t"}]')
    assert event is not None
    assert event.type == "t"


@pytest.mark.parametrize("data", [b"", b"[DONE]", b"3", b'"x"', b"[]", b"{"])
def test_what_is_no_object_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_event(data)


def test_a_response_keeps_its_items_raw_also_when_it_is_read_leniently() -> None:
    strict = read_response(b'{"id":"r","status":"completed","output":[{"a": 1}],"usage":{"input_tokens":1}}')
    assert strict.output is not None
    assert [bytes(item) for item in strict.output] == [b'{"a": 1}']
    lenient = read_response(b'{"id":"r","top_p":NaN,"status":7,"output":[{"a": 1}]}')
    assert lenient.output is not None
    assert (lenient.id, [read_item(item) for item in lenient.output]) == ("r", [{"a": 1}])
    assert read_response(b'{"output":{"a":1}}').output is None


def test_what_is_no_response_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        read_response(b"[1]")


@pytest.mark.parametrize("data", [b"", b"null", b'"x"', b"{", b"[" * 100_000])
def test_what_is_no_item_is_an_empty_one(data: bytes) -> None:
    assert read_item(msgspec.Raw(data)) == {}


def test_bytes_that_are_no_text_cost_themselves_alone() -> None:
    """An item is kept as it was written, but text it must be: it is stored, and sent back."""
    event = read_event(b'{"type":"t","item":{"id":"rs_1","summary":"a\xed\xa0\x80b"}}')
    assert event is not None
    assert bytes(event.item).decode()
    assert str(read_item(event.item)["summary"]).startswith("a\N{REPLACEMENT CHARACTER}")
    response = read_response(b'{"output":[{"id":"\xff"}]}')
    assert response.output is not None
    assert read_item(response.output[0]) == {"id": "\N{REPLACEMENT CHARACTER}"}


def test_half_of_a_surrogate_pair_costs_no_item() -> None:
    assert read_item(msgspec.Raw(b'{"id":"a","name":"\\ud800x"}'))["id"] == "a"
