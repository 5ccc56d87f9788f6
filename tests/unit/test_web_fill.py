"""JSON values into messages: equal to json_format where both take it, and every refusal with its path."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from fakes.toy import toy_message
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.fill import fill

INT32 = st.integers(-(2**31), 2**31 - 1)
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
NESTED = st.fixed_dictionaries({}, optional={"word": TEXT, "numbers": st.lists(INT32)})
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
EVERYTHING = st.fixed_dictionaries(
    {},
    optional={
        "text": TEXT,
        "flag": st.booleans(),
        "small": INT32,
        "natural": st.integers(0, 2**32 - 1) | st.integers(0, 9).map(str) | st.integers(0, 9).map(float),
        "big": st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**63), 2**63 - 1).map(str),
        "huge": st.integers(0, 2**64 - 1).map(str),
        "number": NUMBER | st.sampled_from(["NaN", "Infinity", "-Infinity", "1.5e3"]) | INT32,
        "single": st.floats(width=32, allow_nan=False, allow_infinity=False),
        "data": st.sampled_from(["", "YQ==", "_-8=", "YWI"]),
        "colour": st.sampled_from(["COLOUR_RED", 2]),
        "maybe": TEXT | st.none(),
        "words": st.lists(TEXT),
        "colours": st.lists(st.sampled_from(["COLOUR_BLUE", 1])),
        "nested": NESTED | st.none(),
        "many": st.lists(NESTED, max_size=3),
        "marks": st.dictionaries(TEXT, TEXT, max_size=3),
        "flags": st.dictionaries(INT32.map(str), st.booleans(), max_size=3),
        "by_flag": st.dictionaries(st.sampled_from(["true", "false"]), NESTED),
        "context": st.dictionaries(TEXT, PLAIN, max_size=3),
        "value": PLAIN,
        "at": st.sampled_from(["2024-02-29T12:00:00Z", "1970-01-01T00:00:00.123456789+01:00"]),
        "lasting": st.sampled_from(["1.5s", "-3s"]),
        "wrapped": st.booleans() | st.none(),
        "left": TEXT,
    },
)


@given(EVERYTHING)
def test_the_message_is_the_one_that_json_format_makes(value: dict[str, Any]) -> None:
    ours, theirs = toy_message("Everything"), toy_message("Everything")
    fill(ours, value, "")
    json_format.ParseDict(value, theirs)
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("value", "field", "problem"),
    [
        ([], "body", "object"),
        ({"text": 1}, "text", "string"),
        ({"text": "\ud800"}, "text", "surrogate"),
        ({"flag": "true"}, "flag", "true or false"),
        ({"flag": 1}, "flag", "true or false"),
        ({"small": True}, "small", "whole number"),
        ({"small": 1.5}, "small", "whole number"),
        ({"small": "1.0"}, "small", "whole number"),
        ({"small": "١"}, "small", "whole number"),
        ({"small": 2**31}, "small", "from"),
        ({"natural": -1}, "natural", "from"),
        ({"huge": 2**64}, "huge", "from"),
        ({"number": "x"}, "number", "number"),
        ({"number": "nan"}, "number", "number"),
        ({"number": 10**400}, "number", "range"),
        ({"single": 1e39}, "single", "range"),
        ({"data": "?"}, "data", "base64"),
        ({"data": 1}, "data", "string"),
        ({"colour": "RED"}, "colour", "COLOUR_RED"),
        ({"colour": 9}, "colour", "COLOUR_RED"),
        ({"colour": True}, "colour", "COLOUR_RED"),
        ({"words": "a"}, "words", "list"),
        ({"words": ["a", None]}, "words[1]", "string"),
        ({"many": [{}, {"word": 1}]}, "many[1].word", "string"),
        ({"many": [None]}, "many[0]", "object"),
        ({"nested": {"inner": {"numbers": [1, "x"]}}}, "nested.inner.numbers[1]", "whole number"),
        ({"nested": []}, "nested", "object"),
        ({"marks": []}, "marks", "object"),
        ({"marks": {"a": 1}}, "marks[a]", "string"),
        ({"flags": {"x": True}}, "flags[x]", "whole number"),
        ({"by_flag": {"yes": {}}}, "by_flag[yes]", "true or false"),
        ({"by_flag": {"true": {"word": 1}}}, "by_flag[true].word", "string"),
        ({"context": []}, "context", "Struct"),
        ({"context": {"a": "\ud800"}}, "context", "surrogate"),
        ({"context": {"\udfff": [1]}}, "context", "surrogate"),
        ({"at": "yesterday"}, "at", "Timestamp"),
        ({"at": 5}, "at", "Timestamp"),
        ({"lasting": "1"}, "lasting", "Duration"),
        ({"wrapped": "true"}, "wrapped", "BoolValue"),
        ({"left": "a", "right": 1}, "right", "left"),
    ],
)
def test_a_refusal_has_the_path_of_its_field(value: Any, field: str, problem: str) -> None:
    with pytest.raises(HttpError, match=problem) as refused:
        fill(toy_message("Everything"), value, "")
    assert refused.value.code == "VALIDATION_FAILED"
    assert refused.value.details["field_violations"][0]["field"] == field


@pytest.mark.parametrize(
    ("value", "field", "hint"),
    [
        ({"nothing": 1}, "nothing", "no such field"),
        ({"nested": {"nothing": None}}, "nested.nothing", "no such field"),
        ({"byFlag": {}}, "byFlag", "spelled by_flag"),
        ({"a" * 5000: 1}, "a" * 64, "no such field"),
    ],
)
def test_an_unknown_field_is_named_and_a_near_one_told(value: Any, field: str, hint: str) -> None:
    with pytest.raises(HttpError, match=hint) as refused:
        fill(toy_message("Everything"), value, "")
    assert refused.value.code == "UNKNOWN_FIELD"
    assert refused.value.details["field_violations"][0]["field"] == field


@pytest.mark.parametrize("deep", ["objects", "lists"])
def test_what_is_nested_as_deep_as_allowed_goes_over_a_wire(deep: str) -> None:
    def nested(levels: int) -> Any:
        value: Any = 1
        for _ in range(levels):
            value = {"a": value} if deep == "objects" else [value]
        return value

    message = toy_message("Everything")
    fill(message, {"context": {"a": nested(29)}}, "")
    assert type(message).FromString(message.SerializeToString()) == message
    with pytest.raises(HttpError, match="nested deeper"):
        fill(toy_message("Everything"), {"context": {"a": nested(30)}}, "")


def test_null_is_absent_but_a_value_of_its_own_for_what_takes_it() -> None:
    message = toy_message("Everything")
    fill(message, json.loads('{"text": null, "nested": null, "words": null, "value": null}'), "")
    assert [field.name for field, _ in message.ListFields()] == ["value"]


def test_an_empty_object_is_present() -> None:
    message = toy_message("Everything")
    fill(message, {"nested": {}}, "")
    assert message.HasField("nested")
