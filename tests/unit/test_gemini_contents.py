"""The history as Gemini takes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cuts import decode
from provider_vectors import read_vectors
from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.message import (
    ImagePart,
    Message,
    Part,
    ReasoningState,
    Role,
    TextPart,
    ToolCall,
    ToolResult,
)
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.gemini import GEMINI
from thinkaloud_server.providers.gemini.replay import FOREIGN_SIGNATURE
from thinkaloud_server.providers.table import vendor_named

G25, G3 = "gemini-2.5-flash", "gemini-3-flash-preview"
ADD = ToolCall("call_1", "add", '{"a": 2.50}')
MUL = ToolCall("call_2", "mul", "{}")


def message(role: Role, *parts: Part | str, state: ReasoningState | None = None) -> Message:
    return Message(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts), state=state)


def body(*messages: Message, model: str = G25) -> dict[str, Any]:
    endpoint = Endpoint("it", "http://provider.example/v1", vendor_named("gemini"))
    value: dict[str, Any] = json.loads(GEMINI.request(endpoint, ModelRequest(model, messages)).body)
    return value


def sent(*messages: Message, model: str = G25) -> list[tuple[str, Any]]:
    return [(content["role"], content["parts"]) for content in body(*messages, model=model)["contents"]]


def call_part(name: str, args: object, **more: object) -> dict[str, object]:
    return {"functionCall": {"name": name, "args": args}, **more}


def result_part(name: str, response: object, **more: object) -> dict[str, object]:
    return {"functionResponse": {"name": name, "response": response, **more}}


def test_roles_alternate() -> None:
    assert sent(
        message("user", "a"),
        message("user", "b", "c"),
        message("assistant", "d"),
        message("assistant", "e"),
        message("user", "f"),
    ) == [
        ("user", [{"text": "a"}, {"text": "b"}, {"text": "c"}]),
        ("model", [{"text": "d"}, {"text": "e"}]),
        ("user", [{"text": "f"}]),
    ]


def test_an_empty_answer_is_left_out() -> None:
    assert sent(message("user", "a"), message("assistant", ""), message("user", "b")) == [
        ("user", [{"text": "a"}, {"text": "b"}])
    ]


def test_system_messages_are_the_instruction_wherever_they_stand() -> None:
    it = body(message("system", "A"), message("user", "a"), message("system", "B", ""))
    assert it["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert it["contents"] == [{"role": "user", "parts": [{"text": "a"}]}]


@pytest.mark.parametrize(
    ("image", "part"),
    [
        (
            ImagePart(data_base64="AAAA", content_type="image/jpeg"),
            {"inlineData": {"mimeType": "image/jpeg", "data": "AAAA"}},
        ),
        (ImagePart(data_base64="AAAA"), {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        (ImagePart(url="data:image/webp;base64,AAAA"), {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}}),
        (
            ImagePart(url="https://x.example/a.JPG?w=1"),
            {"fileData": {"fileUri": "https://x.example/a.JPG?w=1", "mimeType": "image/jpeg"}},
        ),
        (
            ImagePart(url="gs://bucket/a", content_type="image/png"),
            {"fileData": {"fileUri": "gs://bucket/a", "mimeType": "image/png"}},
        ),
        (ImagePart(url="https://x.example/a"), {"fileData": {"fileUri": "https://x.example/a"}}),
    ],
)
def test_pictures(image: ImagePart, part: object) -> None:
    assert sent(message("user", "Look:", image)) == [("user", [{"text": "Look:"}, part])]


def test_calls_and_results_are_joined_by_name() -> None:
    assert sent(
        message("user", "a"),
        message("assistant", "So.", ADD, MUL),
        message("tool", ToolResult("call_1", '{"sum": 4}')),
        message("tool", ToolResult("call_2", "no number", is_error=True)),
        message("user", "b"),
    ) == [
        ("user", [{"text": "a"}]),
        ("model", [{"text": "So."}, call_part("add", {"a": 2.5}), call_part("mul", {})]),
        ("user", [result_part("add", {"sum": 4}), result_part("mul", {"error": "no number"}), {"text": "b"}]),
    ]


@pytest.mark.parametrize(
    ("result", "response"),
    [("4", {"output": "4"}), ("[4]", {"output": "[4]"}), ("", {"output": ""}), ('{"a":{}}', {"a": {}})],
)
def test_a_result_is_an_object(result: str, response: object) -> None:
    contents = sent(message("user", "a"), message("assistant", ADD), message("user", ToolResult("call_1", result)))
    assert contents[-1] == ("user", [result_part("add", response)])


def test_an_id_that_comes_again_means_the_last_call_with_it() -> None:
    contents = sent(
        message("user", "a"),
        message("assistant", ToolCall("call_0", "add", "{}")),
        message("tool", ToolResult("call_0", "1")),
        message("assistant", ToolCall("call_0", "mul", "{}")),
        message("tool", ToolResult("call_0", "2")),
    )
    assert [
        part["functionResponse"]["name"] for role, parts in contents for part in parts if "functionResponse" in part
    ] == ["add", "mul"]


def test_arguments_that_are_no_object_are_kept_under_a_name() -> None:
    contents = sent(message("user", "a"), message("assistant", ToolCall("1", "f", "{oops"), ToolCall("2", "g", "")))
    assert contents[-1] == ("model", [call_part("f", {"arguments": "{oops"}), call_part("g", {})])


PARTS = [
    {"text": "So."},
    {"functionCall": {"name": "add", "args": {"a": 2}, "id": "fc-1"}, "thoughtSignature": "s1"},
    {"functionCall": {"name": "mul", "args": {}}},
    {"text": "", "thoughtSignature": "s2"},
]


def state(provider: str = "it", model: str = G3) -> ReasoningState:
    return ReasoningState(provider, model, json.dumps({"parts": PARTS}))


def test_its_own_answer_is_replayed_verbatim_with_its_ids() -> None:
    contents = sent(
        message("user", "a"),
        message("assistant", "So.", ADD, MUL, state=state()),
        message("tool", ToolResult("call_1", "4"), ToolResult("call_2", "5")),
        model=G3,
    )
    assert contents[1] == ("model", PARTS)
    assert contents[2] == (
        "user",
        [result_part("add", {"output": "4"}, id="fc-1"), result_part("mul", {"output": "5"})],
    )


@pytest.mark.parametrize("foreign", [None, state("openai"), state(model="gemini-3-pro-preview")])
def test_a_foreign_call_carries_the_documented_signature_where_one_is_wanted(foreign: ReasoningState | None) -> None:
    history = (message("user", "a"), message("assistant", "So.", ADD, MUL, state=foreign))
    assert sent(*history, model=G3)[1][1] == [
        {"text": "So."},
        call_part("add", {"a": 2.5}, thoughtSignature=FOREIGN_SIGNATURE),
        call_part("mul", {}),
    ]
    for unsigned in ("gemini-2.5-flash", "gemma-4-31b-it"):
        assert sent(*history, model=unsigned)[1][1] == [
            {"text": "So."},
            call_part("add", {"a": 2.5}),
            call_part("mul", {}),
        ]


@pytest.mark.parametrize(
    "name", ["tool-call", "tool-calls-in-parallel", "tool-calls-in-two-chunks", "tool-call-in-fragments"]
)
def test_what_was_decoded_is_what_is_sent_back(name: str) -> None:
    """A tool's loop: the API refuses the second request when the first call of a step lacks its signature."""
    vector = next(vector for vector in read_vectors("gemini") if vector.name == name)
    assembler = Assembler()
    for delta in decode(GEMINI.decoder(vector.endpoint, vector.request), [vector.response]):
        assembler.feed(delta)
    assembler.end()
    answer = assembler.answer
    assert answer.finish == "tool_calls"
    kept = ReasoningState("it", G3, answer.state_payload)
    text = (answer.text,) if answer.text else ()
    _, (_, parts), (_, results) = sent(
        message("user", "a"),
        message("assistant", *text, *answer.tool_calls, state=kept),
        message("tool", *(ToolResult(call.id, "4") for call in answer.tool_calls)),
        model=G3,
    )
    made = [part for part in parts if "functionCall" in part]
    assert made[0]["thoughtSignature"] == "c2ln"
    assert [part["functionCall"]["args"] for part in made] == [json.loads(call.arguments) for call in answer.tool_calls]
    for part, result in zip(made, results, strict=True):
        assert result["functionResponse"]["name"] == part["functionCall"]["name"]
        assert result["functionResponse"].get("id") == part["functionCall"].get("id")


def test_each_step_of_a_foreign_history_has_its_own() -> None:
    contents = sent(
        message("user", "a"),
        message("assistant", ADD),
        message("tool", ToolResult("call_1", "4")),
        message("assistant", MUL),
        model=G3,
    )
    assert [parts[0].get("thoughtSignature") for role, parts in contents if role == "model"] == [FOREIGN_SIGNATURE] * 2


@pytest.mark.parametrize(
    "messages",
    [
        (),
        (message("system", "A"),),
        (message("user", ImagePart()),),
        (message("user", ADD),),
        (message("tool", "text"),),
        (message("system", ImagePart(url="x")),),
        (message("assistant", ImagePart(url="x")),),
        (message("assistant", ToolResult("call_1", "4")),),
        (message("user", ToolResult("call_1", "4")),),
        (message("user", ToolResult("call_1", "4")), message("assistant", ADD)),
    ],
)
def test_what_the_format_cannot_carry_is_refused(messages: tuple[Message, ...]) -> None:
    with pytest.raises(ChatError) as caught:
        body(*messages)
    assert caught.value.reason is ErrorReason.VALIDATION_FAILED
