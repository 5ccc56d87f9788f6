"""Reasoning items kept and put back: verbatim, in order, each before the item that it stood before."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from thinkaloud_server.core.message import Message, ReasoningState, TextPart, ToolCall
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_responses.replay import Output, is_replayable, replayed_items
from thinkaloud_server.providers.table import vendor_named

ENDPOINT = Endpoint("it", "http://provider.example/v1", vendor_named("openai", "openai-responses"))


def reasoning(number: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": f"rs_{number}", "type": "reasoning", "summary": [], "encrypted_content": f"E{number}", **more}


def message(text: str, number: int = 1, **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": content, **more}


def call(number: int = 1) -> dict[str, Any]:
    return {
        "id": f"fc_{number}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"c{number}",
        "name": "weather",
        "arguments": '{"city": "Oslo"}',
    }


def payload(*items: dict[str, Any]) -> str:
    output = Output()
    for place, item in enumerate(items):
        output.add(place, msgspec.Raw(json.dumps(item).encode()), item)
    return output.payload()


def replayed(*items: dict[str, Any], text: str | None = None, to: str = "m-1", **state: Any) -> Any:
    """What is sent for the answer of these items, as JSON; None where the plain history must do."""
    parts: list[TextPart | ToolCall] = []
    if text is None:
        text = "".join(part["text"] for item in items if item["type"] == "message" for part in item["content"])
    if text:
        parts.append(TextPart(text))
    parts += [
        ToolCall(item["call_id"], item["name"], item["arguments"]) for item in items if item["type"] == "function_call"
    ]
    kept = replace(ReasoningState("it", "m-1", payload(*items)), **state)
    sent = replayed_items(ENDPOINT, to, Message("assistant", tuple(parts), state=kept))
    return None if sent is None else json.loads(msgspec.json.encode(sent))


def wire(item: dict[str, Any]) -> dict[str, Any]:
    """An item as it is sent back: what servers add to a text of theirs is not sent."""
    if item["type"] != "message":
        return item
    return {**item, "content": [{"type": "output_text", "text": item["content"][0]["text"], "annotations": []}]}


ANSWERS: dict[str, list[dict[str, Any]]] = {
    "before a message": [reasoning(), message("Hi")],
    "before a call": [reasoning(), call()],
    "before two calls": [reasoning(), call(1), call(2)],
    "between calls": [reasoning(1), call(1), reasoning(2), call(2)],
    "two in a row": [reasoning(1), reasoning(2), message("Hi")],
    "a message of another phase": [reasoning(1), message("Wait", phase="commentary"), reasoning(2), message("Hi", 2)],
    "text and a call": [message("Wait"), reasoning(), call()],
    "raw": [reasoning(encrypted_content=None, content=[{"type": "reasoning_text", "text": "Think"}]), call()],
    "summary": [reasoning(summary=[{"type": "summary_text", "text": "Think"}]), message("Hi")],
    "with a tool of the provider": [reasoning(), {"id": "ws_1", "type": "web_search_call"}, message("Hi")],
    "before an empty message": [reasoning(), message(""), call()],
}


@pytest.mark.parametrize("items", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_goes_back_as_it_came(items: list[dict[str, Any]]) -> None:
    assert replayed(*items) == [wire(item) for item in items]


def test_reasoning_goes_back_in_the_very_bytes() -> None:
    raw = b'{"id":"rs_1",  "type":"reasoning","summary":[],"encrypted_content":"E\\u00e9", "x":1.0}'
    output = Output()
    output.add(0, msgspec.Raw(raw), json.loads(raw))
    output.add(1, msgspec.Raw(b"{}"), message("Hi"))
    state = ReasoningState("it", "m-1", output.payload())
    sent = replayed_items(ENDPOINT, "m-1", Message("assistant", (TextPart("Hi"),), state=state))
    assert sent is not None
    assert bytes(sent[0]) == raw


def test_neither_text_nor_arguments_are_kept_twice() -> None:
    kept = payload(reasoning(), message("Something long"), call())
    assert "Something long" not in kept
    assert "Oslo" not in kept


@pytest.mark.parametrize(
    "items",
    [
        [],
        [message("Hi")],
        [reasoning()],
        [message("Hi"), reasoning()],
        [reasoning(encrypted_content=None), message("Hi")],
        [reasoning(encrypted_content=None, summary=[{"type": "summary_text", "text": "Think"}]), message("Hi")],
    ],
    ids=repr,
)
def test_where_there_is_nothing_to_put_back_nothing_is_kept(items: list[dict[str, Any]]) -> None:
    assert payload(*items) == ""


def test_reasoning_at_the_end_is_left_out_for_nothing_follows_it() -> None:
    assert replayed(reasoning(1), message("Hi"), reasoning(2)) == [reasoning(1), wire(message("Hi"))]


def test_what_followed_reasoning_that_is_gone_has_no_id() -> None:
    gone = reasoning(1, encrypted_content="")
    sent = replayed(gone, call(1), reasoning(2), message("Hi"))
    assert [item.get("id") for item in sent] == [None, "rs_2", "msg_1"]


@pytest.mark.parametrize(
    "state",
    [{"provider": "other"}, {"model": "m-2"}, {"payload": "nope"}, {"payload": "{}"}, {"payload": "[1]"}],
    ids=repr,
)
def test_the_state_of_another_is_not_sent(state: dict[str, str]) -> None:
    assert replayed(reasoning(), message("Hi"), **state) is None


def test_reasoning_in_the_open_may_go_to_another_model() -> None:
    raw = reasoning(encrypted_content=None, content=[{"type": "reasoning_text", "text": "Think"}])
    assert replayed(raw, message("Hi"), to="m-2") == [raw, wire(message("Hi"))]


def test_the_model_may_be_named_with_its_provider() -> None:
    state = ReasoningState("it", "it/m-1", payload(reasoning(), message("Hi")))
    assert replayed_items(ENDPOINT, "m-1", Message("assistant", (TextPart("Hi"),), state=state)) is not None


def test_a_vendor_that_takes_none_back_gets_none() -> None:
    state = ReasoningState("it", "m-1", payload(reasoning(), message("Hi")))
    local = replace(ENDPOINT, vendor=vendor_named("lmstudio", "openai-responses"))
    assert replayed_items(local, "m-1", Message("assistant", (TextPart("Hi"),), state=state)) is None


def test_a_message_that_was_changed_goes_back_without_its_reasoning() -> None:
    two = (reasoning(1), message("Wait"), reasoning(2), message("Hi", 2))
    assert replayed(*two, text="Wait") is None
    assert replayed(reasoning(), message("Hi"), text="") is None
    state = ReasoningState("it", "m-1", payload(reasoning(), call(1), call(2)))
    one_call = Message("assistant", (ToolCall("c1", "weather", "{}"),), state=state)
    assert replayed_items(ENDPOINT, "m-1", one_call) is None


def test_a_text_that_lost_its_think_tags_is_still_its_messages() -> None:
    sent = replayed(reasoning(), message("<think>Hm</think>Hi"), text="Hi")
    assert sent[1]["content"][0]["text"] == "Hi"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"encrypted_content": "E"}, True),
        ({"content": [{"type": "reasoning_text", "text": "Think"}]}, True),
        ({"content": []}, False),
        ({"encrypted_content": ""}, False),
        ({"summary": [{"type": "summary_text", "text": "Think"}]}, False),
    ],
)
def test_what_holds_the_reasoning_itself(item: dict[str, Any], expected: bool) -> None:
    assert is_replayable(item) is expected


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b"3"])
def test_what_is_no_item_is_not_kept(raw: bytes) -> None:
    output = Output()
    for number, item in enumerate((msgspec.json.encode(reasoning()), raw, msgspec.json.encode(message("Rome")))):
        whole = msgspec.json.decode(item) if item else {}
        output.add(number, msgspec.Raw(item), whole if isinstance(whole, dict) else {})
    assert [item["type"] for item in json.loads(output.payload())["output"]] == ["reasoning", "message"]
