"""What is gathered for the next request, and what of it is sent back to whom."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from thinkaloud_server.core.message import Message, ReasoningState
from thinkaloud_server.providers.openai_chat.replay import ReplayState, put_back_extras, replayed_fields

DETAILS = ("reasoning_details",)
CONTENT = ("reasoning_content",)


def gathered(*chunks: object, fields: tuple[str, ...] = DETAILS) -> Any:
    state = ReplayState(fields)
    for chunk in chunks:
        state.add_details(chunk)
    return json.loads(state.payload() or "{}").get("reasoning_details")


def text(words: str, **more: object) -> dict[str, object]:
    return {"type": "reasoning.text", "text": words, "index": 0, **more}


SIGNATURE = {"type": "reasoning.text", "signature": "s1", "index": 0}
SECRET = {"type": "reasoning.encrypted", "data": "x", "index": 0}

CASES: dict[str, tuple[list[object], object]] = {
    "neighbours of one detail are joined": ([[text("a")], [text("b")], [text("c")]], [text("abc")]),
    "two in one chunk too": ([[text("a"), text("b")]], [text("ab")]),
    "a signature joins its text": ([[text("a")], [SIGNATURE]], [text("a", signature="s1")]),
    "what is signed is whole": (
        [[text("a")], [SIGNATURE], [text("b")], [SIGNATURE]],
        [text("a", signature="s1"), text("b", signature="s1")],
    ),
    "another index is another detail": ([[text("a")], [text("b", index=1)]], [text("a"), text("b", index=1)]),
    "another id is another detail": (
        [[text("a", id="1")], [text("b", id="2")]],
        [text("a", id="1"), text("b", id="2")],
    ),
    "an id that is missing later is the same": ([[text("a", id="1")], [text("b")]], [text("ab", id="1")]),
    "encrypted ones are whole": ([[SECRET], [SECRET]], [SECRET, SECRET]),
    "order is kept": ([[text("a")], [SECRET], [text("b")]], [text("a"), SECRET, text("b")]),
    "summaries are joined": (
        [[{"type": "reasoning.summary", "summary": "a"}], [{"type": "reasoning.summary", "summary": "b"}]],
        [{"type": "reasoning.summary", "summary": "ab"}],
    ),
    "null takes nothing back": ([[text("a", format="f")], [text("b", format=None)]], [text("ab", format="f")]),
    "unknown kinds are kept": ([[{"type": "new.kind", "x": [1]}]], [{"type": "new.kind", "x": [1]}]),
    "nonsense is dropped": ([None, 3, {}, [None, "x"]], None),
}


@pytest.mark.parametrize(("chunks", "expected"), CASES.values(), ids=CASES)
def test_details_are_gathered(chunks: list[object], expected: object) -> None:
    assert gathered(*chunks) == expected


def test_only_the_fields_of_the_row_are_gathered() -> None:
    assert gathered([text("a")], fields=CONTENT) is None
    state = ReplayState(CONTENT)
    state.add_reasoning("a")
    state.add_reasoning("b")
    assert json.loads(state.payload()) == {"reasoning_content": "ab"}
    assert ReplayState(()).payload() == ""


def test_joining_many_chunks_is_linear() -> None:
    state = ReplayState(DETAILS)
    for _ in range(20_000):
        state.add_details([text("word ")])
    assert len(json.loads(state.payload())["reasoning_details"][0]["text"]) == 100_000


PAYLOAD = '{"reasoning_details":[{"type":"reasoning.text", "text":"a"}],"reasoning_content":"b"}'


@pytest.mark.parametrize(
    ("state", "fields", "expected"),
    [
        (ReasoningState("it", "m", PAYLOAD), DETAILS, {"reasoning_details"}),
        (ReasoningState("it", "it/m", PAYLOAD), DETAILS, {"reasoning_details"}),
        (ReasoningState("it", "m", PAYLOAD), CONTENT, {"reasoning_content"}),
        (ReasoningState("it", "m", PAYLOAD), (), set()),
        (ReasoningState("other", "m", PAYLOAD), DETAILS + CONTENT, set()),
        (ReasoningState("it", "another", PAYLOAD), DETAILS + CONTENT, {"reasoning_content"}),
        (ReasoningState("it", "m", "no json"), DETAILS, set()),
        (ReasoningState("it", "m", "[1]"), DETAILS, set()),
        (None, DETAILS, set()),
    ],
    ids=[
        *("own", "own, model with provider", "own content", "vendor wants nothing", "foreign provider"),
        *("other model", "broken", "not an object", "none"),
    ],
)
def test_state_goes_back_to_who_made_it(
    state: ReasoningState | None, fields: tuple[str, ...], expected: set[str]
) -> None:
    message = Message("assistant", (), state=state)
    for with_tools in (False, True):
        assert set(replayed_fields(message, fields, "it", "m", with_tools=with_tools)) == expected


def test_what_goes_back_is_verbatim() -> None:
    message = Message("assistant", (), state=ReasoningState("it", "m", PAYLOAD))
    raw = replayed_fields(message, DETAILS, "it", "m", with_tools=False)["reasoning_details"]
    assert msgspec.json.encode(raw) == b'[{"type":"reasoning.text", "text":"a"}]'


@pytest.mark.parametrize(
    ("fields", "with_tools", "reasoning", "expected"),
    [
        (CONTENT, True, "2 and 2", {"reasoning_content": "2 and 2"}),
        (CONTENT, False, "2 and 2", {}),
        (CONTENT, True, "", {}),
        (DETAILS, True, "2 and 2", {}),
        ((), True, "2 and 2", {}),
    ],
)
def test_what_a_caller_says_that_the_model_thought_goes_back_where_that_is_insisted_on(
    fields: tuple[str, ...], with_tools: bool, reasoning: str, expected: dict[str, str]
) -> None:
    message = Message("assistant", (), reasoning)
    assert replayed_fields(message, fields, "it", "m", with_tools=with_tools) == expected


def test_a_state_outranks_what_was_thought_aloud() -> None:
    message = Message("assistant", (), "aloud", ReasoningState("other", "m", PAYLOAD))
    assert replayed_fields(message, CONTENT, "it", "m", with_tools=True) == {}


def extra(signature: str) -> dict[str, Any]:
    return {"google": {"thought_signature": signature}}


def test_what_came_with_a_call_is_kept_by_the_calls_number() -> None:
    assert json.loads(ReplayState(("extra_content",)).payload({1: extra("s")})) == {"extra_content": [None, extra("s")]}
    assert ReplayState(("extra_content",)).payload({}) == ""
    assert ReplayState(DETAILS).payload({0: extra("s")}) == ""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"extra_content": msgspec.Raw(b'[{"a":1},null]')}, [{"id": "x", "extra_content": {"a": 1}}, {"id": "y"}]),
        (
            {"extra_content": msgspec.Raw(b'[{"a":1},{"a":2},{"a":3}]')},
            [{"id": "x", "extra_content": {"a": 1}}, {"id": "y", "extra_content": {"a": 2}}],
        ),
        ({"extra_content": msgspec.Raw(b'{"a":1}')}, [{"id": "x"}, {"id": "y"}]),
        ({}, [{"id": "x"}, {"id": "y"}]),
    ],
)
def test_what_came_with_a_call_goes_back_with_it(fields: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    wire, calls = {"role": "assistant", **fields}, [{"id": "x"}, {"id": "y"}]
    put_back_extras(wire, calls)
    assert wire == {"role": "assistant"}
    assert calls == expected


def test_what_came_with_a_call_is_bound_to_its_model() -> None:
    message = Message("assistant", (), state=ReasoningState("it", "m", '{"extra_content":[{"a":1}]}'))
    assert set(replayed_fields(message, ("extra_content",), "it", "m", with_tools=True)) == {"extra_content"}
    assert replayed_fields(message, ("extra_content",), "it", "another", with_tools=True) == {}
