"""Messages to JSON: the short way equal to json_format, and streamed messages to events."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from fakes.toy import toy_message
from thinkaloud.v1 import chat_service_pb2, event_pb2, run_service_pb2
from thinkaloud_server.web import write
from thinkaloud_server.web.write import event_of, json_of, line_of

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
INT32 = st.integers(-(2**31), 2**31 - 1)
CASES = {field.name: field.message_type for field in event_pb2.ChatEvent.DESCRIPTOR.oneofs_by_name["event"].fields}


def slow(message: Message) -> Any:
    return json.loads(
        json_format.MessageToJson(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    )


def filled(descriptor: Any, depth: int = 0) -> st.SearchStrategy[Message]:
    """Messages of this type, with any of its fields set to anything; messages in messages three deep."""
    fields = {f.name: strategy for f in descriptor.fields if (strategy := _values(f, depth)) is not None}
    if descriptor.oneofs:
        # Of fields that exclude each other the last one given would stay; one is enough.
        fields = {name: each for name, each in fields.items() if len(_siblings(descriptor, name)) == 1}
    return st.fixed_dictionaries({}, optional=fields).map(lambda values: GetMessageClass(descriptor)(**values))


def _siblings(descriptor: Any, name: str) -> list[Any]:
    of = descriptor.fields_by_name[name].containing_oneof
    return [name] if of is None else list(of.fields)


def _values(field: Any, depth: int) -> st.SearchStrategy[Any] | None:
    kinds: dict[int, st.SearchStrategy[Any]] = {
        field.CPPTYPE_STRING: TEXT,
        field.CPPTYPE_INT32: INT32,
        field.CPPTYPE_BOOL: st.booleans(),
        field.CPPTYPE_DOUBLE: st.floats(),
    }
    inner = field.message_type
    if inner is not None:
        if depth == 3 or inner.GetOptions().map_entry or inner.file.package == "google.protobuf":
            return None
        one: Any = filled(inner, depth + 1)
    else:
        one = kinds.get(field.cpp_type) if field.type != field.TYPE_BYTES else None
    return st.lists(one, max_size=3) if one is not None and field.is_repeated else one


@pytest.mark.parametrize("case", ["token", "reasoning", "complete", "start", "tool_call"])
def test_the_hot_events_take_the_short_way(case: str) -> None:
    descriptor = CASES[case]
    assert descriptor is not None
    assert write.writer_of(descriptor) is not write._by_the_book


@pytest.mark.parametrize("case", CASES)
def test_every_event_is_written_as_json_format_does(case: str) -> None:
    descriptor = CASES[case]
    assert descriptor is not None

    @given(filled(descriptor))
    def holds(message: Message) -> None:
        written = json_of(message)
        assert json.loads(written) == slow(message)
        # The same bytes too, but for the order of the fields: no line ends, nothing escaped without need.
        assert sorted(written) == sorted(msgspec.json.encode(write.plain_of(message)))
        assert b"\n" not in written
        assert b"\r" not in written

    holds()


def test_what_is_absent_is_not_printed_and_all_else_is() -> None:
    written = json.loads(json_of(event_pb2.CompleteEvent()))
    assert {"response", "iterations", "reasoning_only", "action_results", "tool_calls"} <= set(written)
    assert not {"reasoning", "usage", "timing"} & set(written)
    written = json.loads(json_of(event_pb2.CompleteEvent(reasoning="")))
    assert written["reasoning"] == ""


def test_each_kind_of_field_is_written_as_the_mapping_says() -> None:
    message = toy_message("Everything")
    message.big, message.number, message.data, message.colour = 2**60, float("nan"), b"a", 1
    message.marks["k"] = "v"
    message.at.FromJsonString("2024-02-29T12:00:00.5Z")
    message.context["a"] = [1, None]
    written = json.loads(json_of(message))
    assert written == slow(message)
    assert (written["big"], written["number"], written["data"]) == (str(2**60), "NaN", "YQ==")
    assert (written["colour"], written["at"]) == ("COLOUR_RED", "2024-02-29T12:00:00.500Z")


@pytest.mark.parametrize("kind", [chat_service_pb2.ChatResponse, run_service_pb2.WatchRunResponse])
def test_an_event_is_found_in_its_wrapper(kind: Any) -> None:
    message = kind()
    message.event.sequence = 7
    message.event.token.token = ' "because"\n'
    assert event_of(message) == ("token", b'{"token":" \\"because\\"\\n","index":0}', 7, "")
    message.event.start.run_id = "run_1"
    assert event_of(message)[0::3] == ("start", "run_1")
    message.event.heartbeat.last_sequence = 5
    message.event.sequence = 0
    assert event_of(message) == ("heartbeat", b'{"last_sequence":5}', 0, "")


def test_a_message_with_a_oneof_is_its_own_event_and_one_without_is_unnamed() -> None:
    count = toy_message("CountResponse")
    count.sequence = 3
    count.done.numbers.extend([1, 2])
    assert event_of(count) == ("done", b'{"numbers":[1,2]}', 3, "")
    nested = toy_message("Nested")
    nested.word = "w"
    case, data, sequence, run_id = event_of(nested)
    assert (case, json.loads(data), sequence, run_id) == ("message", {"word": "w", "numbers": []}, 0, "")


def test_a_case_that_is_no_message_is_told_by_the_whole() -> None:
    message = toy_message("Everything")
    message.right = 4
    case, data, _, _ = event_of(message)
    assert (case, json.loads(data)["right"]) == ("right", 4)


def test_an_event_without_a_case_is_unnamed() -> None:
    assert event_of(chat_service_pb2.ChatResponse())[0] == "message"


@given(TEXT, INT32)
def test_a_line_is_json_around_the_same_data(token: str, index: int) -> None:
    message = chat_service_pb2.ChatResponse()
    message.event.sequence = 9
    message.event.reasoning.token = token
    message.event.reasoning.index = index
    line = json.loads(line_of(event_of(message)._replace(run_id="run_1")))
    data = {"token": token, "kind": "", "index": index}
    assert line == {"event": "reasoning", "sequence": 9, "run_id": "run_1", "data": data}
