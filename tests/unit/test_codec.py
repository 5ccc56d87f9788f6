"""Events and messages to JSON and back."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.stored import a_complete, a_question, a_run, a_start, an_answer, an_error
from thinkaloud_server.core import event as events
from thinkaloud_server.core.event import Event, Logged, Token
from thinkaloud_server.core.message import Message, ToolCall
from thinkaloud_server.stores import codec

RUN = a_run(conversation_id="conv_1")
ACTION = events.Action("a1", "search", '{"q": "x"}', "completed", "found")
EVENTS: list[Event] = [
    a_start(RUN),
    events.Progress(1, 5, "thinking"),
    events.Reasoning("hm", "plan", 3),
    events.Token("hi", 2),
    events.ToolCallEvent("c1", "add", '{"a"', done=True, arguments='{"a": 1}'),
    ACTION,
    events.Status("running", "step 1"),
    events.RunMessage("assistant", "between"),
    events.Warning("FELL_BACK", "another model answers"),
    replace(a_complete(RUN), tool_calls=(ToolCall("c1", "add", "{}"),), action_results=(ACTION,)),
    an_error(RUN),
]
NAMES = [
    "start",
    "progress",
    "reasoning",
    "token",
    "tool_call",
    "action",
    "status",
    "message",
    "warning",
    "complete",
    "error",
]


def test_the_list_of_events_is_whole() -> None:
    assert {type(event) for event in EVENTS} == set(typing.get_args(Event))


def test_the_types_are_the_contracts_words() -> None:
    words = "start progress reasoning token tool_call action status message warning complete error"
    assert words.split() == NAMES


@pytest.mark.parametrize(("event", "name"), list(zip(EVENTS, NAMES, strict=True)), ids=NAMES)
def test_every_event_comes_back_equal(event: Event, name: str) -> None:
    found, payload = codec.encode_event(event)
    assert found == name
    assert codec.decode_event(name, payload) == event
    assert msgspec.json.decode(payload).keys() == set(type(event).__dataclass_fields__)


@given(st.text())
def test_any_text_without_surrogates_comes_back(text: str) -> None:
    assert codec.decode_event(*codec.encode_event(Token(text))) == Token(text)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("\ud83d", "\ufffd"),
        ("a\udd14b", "a\ufffdb"),
        ("\ud83e\udd14", "🤔"),
        ("\udd14\ud83e", "\ufffd\ufffd"),
        ("é\ud800é", "é\ufffdé"),
    ],
    ids=["high", "low", "pair", "wrong-order", "between"],
)
def test_half_a_surrogate_pair_is_stored_as_the_replacement_character(text: str, stored: str) -> None:
    assert codec.decode_event(*codec.encode_event(Token(text))) == Token(stored)
    assert codec.storable(text) == stored


def test_surrogates_are_replaced_at_any_depth() -> None:
    details: Mapping[str, Any] = {"a\ud800": ["\ud800", {"b": "\ud800"}, 1, None, True, 1.5]}
    name, payload = codec.encode_event(replace(an_error(RUN), details=details))
    assert codec.decode_event(name, payload) == replace(
        an_error(RUN), details={"a\ufffd": ["\ufffd", {"b": "\ufffd"}, 1, None, True, 1.5]}
    )


def test_details_may_be_any_mapping() -> None:
    name, payload = codec.encode_event(replace(an_error(RUN), details=MappingProxyType({"a": 1})))
    assert codec.decode_event(name, payload) == replace(an_error(RUN), details={"a": 1})


def test_what_is_no_json_is_a_bug_and_says_so() -> None:
    with pytest.raises(TypeError, match="object has no form in JSON"):
        codec.encode_event(replace(an_error(RUN), details={"a": object()}))


def test_fields_that_a_newer_release_added_are_ignored_and_missing_ones_take_their_default() -> None:
    assert codec.decode_event("token", b'{"token": "x", "colour": "red"}') == Token("x")


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"token": 1}', b"{}"])
def test_a_broken_payload_is_a_decode_error(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        codec.decode_event("token", payload)


def test_a_terminal_event_is_told_by_the_state_of_its_run() -> None:
    for event, failed in ((a_complete(RUN), False), (an_error(RUN), True)):
        assert codec.decode_terminal(codec.encode_json(event), failed=failed) == event


def test_a_page_is_an_array_of_rows() -> None:
    page = '[[3,"token",{"token":"a","index":0}],[4,"progress",{"iteration":1,"max_iterations":5}]]'
    assert codec.decode_page(page) == [Logged(3, Token("a")), Logged(4, events.Progress(1, 5))]
    assert codec.decode_page("[]") == []


@pytest.mark.parametrize("stored", [a_question(RUN), an_answer(RUN)], ids=["question", "answer"])
def test_a_message_comes_back_in_the_place_that_it_is_given(stored: Any) -> None:
    payload = codec.encode_message(stored)
    found = codec.decode_message(payload, conversation_id="conv_2", parent_id="msg_9")
    assert found == replace(stored, conversation_id="conv_2", parent_id="msg_9")
    page = f'[["msg_9",{payload.decode()}]]'
    assert codec.decode_messages(page, conversation_id="conv_2") == (found,)


def test_a_message_with_half_a_surrogate_pair_can_be_stored() -> None:
    stored = replace(a_question(RUN, "a\ud800"), message=Message("user", a_question(RUN, "a\ud800").message.parts))
    found = codec.decode_message(codec.encode_message(stored), conversation_id="conv_1", parent_id="")
    assert found.message.text == "a\ufffd"


def test_a_page_of_a_role_that_is_none_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        codec.decode_message(
            '{"message_id":"m","role":"god","run_id":"r","created_at":1.0}',
            conversation_id="c",
            parent_id="",
        )
