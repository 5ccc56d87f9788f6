"""Examples in comments: taken out of the text, read as JSON; and those of the contract are true."""

from __future__ import annotations

import pytest
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass

from thinkaloud.v1 import chat_service_pb2, event_pb2
from thinkaloud_server.web.openapi.comment import contract_comments
from thinkaloud_server.web.openapi.examples import Example, split


def test_a_comment_without_examples_stays_as_it_is() -> None:
    text = "One.\n\nTwo, e.g. {} and Example.\n  three"
    assert split(text) == (text, ())


def test_examples_are_taken_out_in_their_order() -> None:
    comment = 'Before.\n\nExample "One": {"a": 1}\n\nExample "Two, over lines":\n  {"a": [\n   2]}\n\nAfter.'
    text, examples = split(comment)
    assert text == "Before.\n\nAfter."
    assert examples == (Example("One", {"a": 1}), Example("Two, over lines", {"a": [2]}))
    assert [each.name for each in examples] == ["one", "two_over_lines"]


@pytest.mark.parametrize("broken", ['{"a": }', '{"a": 1} and more', '{"a"'])
def test_an_example_that_is_no_json_is_a_fault(broken: str) -> None:
    with pytest.raises(ValueError, match="'Broken' is not JSON"):
        split(f'Example "Broken": {broken}')


@pytest.mark.parametrize(
    "message",
    [
        chat_service_pb2.ChatRequest,
        *(event_pb2.CompleteEvent, event_pb2.ErrorEvent, event_pb2.HeartbeatEvent),
        *(event_pb2.ReasoningEvent, event_pb2.StartEvent, event_pb2.TokenEvent),
    ],
    ids=lambda each: each.DESCRIPTOR.name,
)
def test_examples_of_the_contract_are_messages(message: type) -> None:
    descriptor = message.DESCRIPTOR  # type: ignore[attr-defined]  # of a generated class
    examples = contract_comments().examples(descriptor.full_name)
    assert examples
    for example in examples:
        parsed = json_format.ParseDict(example.value, GetMessageClass(descriptor)())
        assert parsed.ByteSize() > 0
