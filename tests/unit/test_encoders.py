"""The encoders: what each dialect's stream must look like, and that our own decoders read back what was said.

The round trip runs over every dialect that is registered, so it grows with the table.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from thinkaloud_server.core.assembler import Answer, Assembler
from thinkaloud_server.core.delta import (
    Failure,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.place import frame_end, frames_of
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.encoders import ENCODINGS, Done, Name, Pause, Signature, Step, events
from thinkaloud_server.providers.table import DIALECTS, vendor_for

NAME = Name("the-model", "7", 1_700_000_000)
USAGE = Usage(20, 12, 5, 4)
THINKS: tuple[Step, ...] = (
    ReasoningDelta("17 × 20 "),
    Pause(0.5),
    ReasoningDelta("= 340"),
    Signature("c2VhbA=="),
    TextDelta("It is "),
    TextDelta("391\n\n— “sicher” 🙂."),
    Finish("stop"),
    UsageReport(USAGE),
)
CALLS: tuple[Step, ...] = (
    ReasoningDelta("I need a tool."),
    Signature("c2VhbA=="),
    ToolCallDelta(0, "call_a", "add"),
    ToolCallDelta(0, arguments='{"a": 1, '),
    ToolCallDelta(0, arguments='"b": "zwölf"}'),
    ToolCallDelta(1, "call_b", "now"),
    Finish("tool_calls"),
    UsageReport(USAGE),
)
INTERLEAVED: tuple[Step, ...] = (
    ReasoningDelta("one"),
    TextDelta("two"),
    ReasoningDelta("three"),
    TextDelta("four"),
    Finish("length"),
    UsageReport(USAGE),
)
SCRIPTS = {"thinks": THINKS, "calls": CALLS, "interleaved": INTERLEAVED, "plain": (TextDelta("Hi"),)}
FAILURE = Failure(ErrorReason.UPSTREAM_ERROR, "engine died", 500)

each_dialect = pytest.mark.parametrize("dialect", ENCODINGS)


def frames(dialect: str, steps: tuple[Step, ...]) -> list[bytes]:
    stream = ENCODINGS[dialect].stream(events(steps), NAME)
    return [frame for frame in stream if not isinstance(frame, Pause)]


def payloads(dialect: str, steps: tuple[Step, ...]) -> list[Any]:
    """The JSON of each frame, with the event's name or type where it has one."""
    found: list[Any] = []
    for frame in frames(dialect, steps):
        if dialect == "bedrock-converse":
            found.append(opened(frame))
        elif dialect == "ollama":
            found.append(json.loads(frame))
        else:
            name, data = read_event(frame)
            if data == "[DONE]":
                found.append(data)
                continue
            value = json.loads(data)
            assert name in ("", value.get("type")), "the event's name stands in its data too"
            found.append(value)
    return found


def read_event(frame: bytes) -> tuple[str, str]:
    fields = dict(line.split(": ", 1) for line in frame.decode().split("\n") if line.strip())
    return fields.get("event", "").strip(), fields["data"].strip()


def opened(message: bytes) -> dict[str, Any]:
    """A binary message, both checksums checked."""
    total, headers_length, checksum = struct.unpack(">III", message[:12])
    assert total == len(message)
    assert checksum == zlib.crc32(message[:8])
    assert struct.unpack(">I", message[-4:])[0] == zlib.crc32(message[:-4])
    headers, rest = {}, message[12 : 12 + headers_length]
    while rest:
        name, rest = rest[1 : 1 + rest[0]].decode(), rest[1 + rest[0] :]
        assert rest[0] == 7, "a string"
        (length,) = struct.unpack(">H", rest[1:3])
        headers[name], rest = rest[3 : 3 + length].decode(), rest[3 + length :]
    kind = headers.get(":event-type") or headers[":exception-type"]
    assert headers[":message-type"] == ("event" if ":event-type" in headers else "exception")
    return {kind: json.loads(message[12 + headers_length : -4])}


@each_dialect
@pytest.mark.parametrize("steps", SCRIPTS.values(), ids=SCRIPTS)
def test_every_piece_is_one_frame_of_the_content_type(dialect: str, steps: tuple[Step, ...]) -> None:
    kind = frames_of(ENCODINGS[dialect].content_type)
    for frame in frames(dialect, steps):
        assert frame_end(frame, kind) == len(frame)


@each_dialect
def test_pauses_stay_where_they_were(dialect: str) -> None:
    before = tuple(ENCODINGS[dialect].stream(events((TextDelta("a"), Pause(2.0), TextDelta("b"))), NAME))
    assert [item for item in before if isinstance(item, Pause)] == [Pause(2.0)]
    at = before.index(Pause(2.0))
    assert any(b'"a"' in item for item in before[:at] if isinstance(item, bytes))
    assert any(b'"b"' in item for item in before[at:] if isinstance(item, bytes))


def test_openai_chat_is_deltas_then_finish_then_usage_then_the_mark() -> None:
    chunks = payloads("openai-chat", CALLS)
    assert chunks[-1] == "[DONE]"
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[:-2]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[1] == {"reasoning_content": "I need a tool."}
    assert deltas[2]["reasoning_details"][0]["signature"] == "c2VhbA=="
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [call["index"] for call in calls] == [0, 0, 0, 1]
    assert (calls[0]["id"], calls[0]["type"]) == ("call_a", "function")
    assert chunks[-3]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[-2]["choices"] == []
    assert chunks[-2]["usage"] == {
        "prompt_tokens": 20,
        "completion_tokens": 12,
        "total_tokens": 32,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }


def test_openai_responses_are_numbered_and_hold_the_whole_response_at_the_end() -> None:
    told = payloads("openai-responses", THINKS)
    assert [each["sequence_number"] for each in told] == list(range(len(told)))
    assert [each["type"].removeprefix("response.") for each in told] == [
        *("created", "in_progress"),
        *("output_item.added", "reasoning_summary_part.added"),
        *("reasoning_summary_text.delta", "reasoning_summary_text.delta", "reasoning_summary_text.done"),
        *("reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "completed"),
    ]
    response = told[-1]["response"]
    thought, said = response["output"]
    assert (thought["type"], thought["encrypted_content"]) == ("reasoning", "c2VhbA==")
    assert thought["summary"] == [{"type": "summary_text", "text": "17 × 20 = 340"}]
    assert said["content"][0]["text"] == "It is 391\n\n— “sicher” 🙂."
    assert response["usage"]["output_tokens_details"] == {"reasoning_tokens": 5}
    assert payloads("openai-responses", INTERLEAVED)[-1]["type"] == "response.incomplete"
    call = payloads("openai-responses", CALLS)[-1]["response"]["output"][1]
    assert (call["type"], call["call_id"], json.loads(call["arguments"])) == (
        "function_call",
        "call_a",
        {"a": 1, "b": "zwölf"},
    )


def test_anthropic_messages_are_blocks_that_start_and_stop_with_the_signature_at_the_end_of_one() -> None:
    told = payloads("anthropic-messages", CALLS)
    assert [each["type"] for each in told] == [
        *("message_start", "ping"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert told[4]["delta"] == {"type": "signature_delta", "signature": "c2VhbA=="}
    assert [each["index"] for each in told if each["type"] == "content_block_start"] == [0, 1, 2]
    assert told[6]["content_block"] == {"type": "tool_use", "id": "call_a", "name": "add", "input": {}}
    assert told[-2]["delta"]["stop_reason"] == "tool_use"
    assert told[-2]["usage"]["input_tokens"] == 16, "what was cached is not input here"
    assert told[-2]["usage"]["cache_read_input_tokens"] == 4


def test_gemini_has_crlf_whole_calls_and_the_signature_on_the_next_part_that_is_no_thought() -> None:
    assert all(frame.endswith(b"\r\n\r\n") for frame in frames("gemini", THINKS))
    parts = [each["candidates"][0]["content"]["parts"][0] for each in payloads("gemini", CALLS)]
    assert parts[0] == {"text": "I need a tool.", "thought": True}
    assert parts[1]["functionCall"] == {"name": "add", "args": {"a": 1, "b": "zwölf"}, "id": "call_a"}
    assert parts[1]["thoughtSignature"] == "c2VhbA=="
    assert "thoughtSignature" not in parts[2]
    last = payloads("gemini", THINKS)[-1]
    assert last["candidates"][0]["content"]["parts"] == [{"text": "", "thoughtSignature": "c2VhbA=="}]
    assert last["candidates"][0]["finishReason"] == "STOP"
    assert (last["usageMetadata"]["candidatesTokenCount"], last["usageMetadata"]["thoughtsTokenCount"]) == (7, 5)


def test_ollama_is_lines_with_thinking_beside_content_and_counts_in_the_one_that_is_done() -> None:
    lines = payloads("ollama", CALLS)
    assert lines[0]["message"] == {"role": "assistant", "content": "", "thinking": "I need a tool."}
    assert lines[1]["message"]["tool_calls"][0]["function"]["arguments"] == {"a": 1, "b": "zwölf"}
    assert [line["done"] for line in lines] == [False, False, False, True]
    assert (lines[-1]["done_reason"], lines[-1]["prompt_eval_count"], lines[-1]["eval_count"]) == ("stop", 20, 12)
    assert lines[0]["created_at"] == "2023-11-14T22:13:20Z"


def test_cohere_has_a_tool_call_that_is_an_object() -> None:
    told = payloads("cohere-v2", CALLS)
    assert told[-1] == "[DONE]"
    assert [each["type"] for each in told[:-1]] == [
        *("message-start", "content-start", "content-delta", "content-end"),
        *("tool-call-start", "tool-call-delta", "tool-call-delta", "tool-call-end"),
        *("tool-call-start", "tool-call-end", "message-end"),
    ]
    assert told[1]["delta"]["message"]["content"]["type"] == "thinking"
    assert told[4]["delta"]["message"]["tool_calls"]["function"] == {"name": "add", "arguments": ""}
    assert (told[4]["index"], told[8]["index"]) == (0, 1)
    assert told[-2]["delta"]["finish_reason"] == "TOOL_CALL"
    assert told[-2]["delta"]["usage"]["tokens"] == {"input_tokens": 20, "output_tokens": 12, "reasoning_tokens": 5}


def test_bedrock_has_a_start_for_tools_alone_and_usage_after_the_stop() -> None:
    told = payloads("bedrock-converse", CALLS)
    assert [next(iter(each)) for each in told] == [
        *("messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop"),
        *("contentBlockStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop"),
        *("contentBlockStart", "contentBlockStop", "messageStop", "metadata"),
    ]
    assert told[1]["contentBlockDelta"]["delta"] == {"reasoningContent": {"text": "I need a tool."}}
    assert told[2]["contentBlockDelta"]["delta"] == {"reasoningContent": {"signature": "c2VhbA=="}}
    assert told[4]["contentBlockStart"]["start"] == {"toolUse": {"toolUseId": "call_a", "name": "add"}}
    assert told[-2] == {"messageStop": {"stopReason": "tool_use"}}
    assert told[-1]["metadata"]["usage"]["inputTokens"] == 16


@each_dialect
def test_a_failure_in_the_stream_is_said_and_is_the_end(dialect: str) -> None:
    said = payloads(dialect, (TextDelta("half"), FAILURE, TextDelta("never")))
    assert "engine died" in json.dumps(said[-1])
    assert "never" not in json.dumps(said)
    cut = (TextDelta("half"), Failure(ErrorReason.UPSTREAM_TRUNCATED, "cut"))
    assert "cut" not in json.dumps(payloads(dialect, cut))
    assert len(frames(dialect, cut)) < len(frames(dialect, (TextDelta("half"),)))


@each_dialect
@pytest.mark.parametrize("steps", SCRIPTS.values(), ids=SCRIPTS)
def test_the_answer_as_one_object_says_the_same(dialect: str, steps: tuple[Step, ...]) -> None:
    done = list(events(steps))[-1]
    assert isinstance(done, Done)
    whole = json.dumps(ENCODINGS[dialect].whole(done, NAME), ensure_ascii=False)
    for block in done.blocks:
        told = block.name if block.kind == "call" else json.dumps(block.text, ensure_ascii=False)[1:-1]
        assert told in whole
    assert json.loads(whole)


@dataclass(frozen=True)
class Lossy:
    """What a format cannot say, so that no decoder can read it back."""

    reasoning_tokens: bool = True
    cached_tokens: bool = True
    finish: tuple[tuple[FinishReason, FinishReason], ...] = ()


LOSSES = {
    "ollama": Lossy(reasoning_tokens=False, cached_tokens=False, finish=(("tool_calls", "stop"),)),
    "bedrock-converse": Lossy(reasoning_tokens=False),
    "gemini": Lossy(finish=(("tool_calls", "stop"),)),
}


def decoded(dialect: str, pieces: list[bytes]) -> Answer:
    endpoint = Endpoint("it", "http://provider.example/v1", vendor_for("", "", dialect))
    decoder = DIALECTS[dialect].decoder(endpoint, ModelRequest("the-model", ()))
    assembler = Assembler(think_tags="off")
    for piece in pieces:
        for delta in decoder.feed(piece):
            assembler.feed(delta)
    for delta in decoder.end():
        assembler.feed(delta)
    assembler.end()
    return assembler.answer


def cuttings(body: bytes) -> list[list[bytes]]:
    chance = Random(len(body))
    at = sorted(chance.sample(range(len(body)), 20))
    cut = [body[start:end] for start, end in zip([0, *at], [*at, len(body)], strict=True)]
    return [[body], cut, [body[place : place + 1] for place in range(len(body))]]


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) & set(ENCODINGS)))
@pytest.mark.parametrize("steps", SCRIPTS.values(), ids=SCRIPTS)
def test_what_was_written_is_read_back_by_our_decoder(dialect: str, steps: tuple[Step, ...]) -> None:
    done = list(events(steps))[-1]
    assert isinstance(done, Done)
    loss = LOSSES.get(dialect, Lossy())
    for pieces in cuttings(b"".join(frames(dialect, steps))):
        answer = decoded(dialect, pieces)
        assert answer.failure is None
        assert answer.ended
        assert answer.text == done.text("text")
        # Summaries of several parts are told as paragraphs.
        assert answer.reasoning.replace("\n", "") == done.text("reasoning")
        calls = [(call.name, json.loads(call.arguments)) for call in answer.tool_calls]
        assert calls == [(call.name, json.loads(call.text or "{}")) for call in done.calls]
        assert answer.finish in (done.finish.reason, dict(loss.finish).get(done.finish.reason))
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (
            done.usage.input_tokens,
            done.usage.output_tokens,
        )
        if loss.reasoning_tokens:
            assert answer.usage.reasoning_tokens == done.usage.reasoning_tokens
        if loss.cached_tokens:
            assert answer.usage.cached_tokens == done.usage.cached_tokens


@pytest.mark.parametrize("dialect", sorted(set(DIALECTS) & set(ENCODINGS)))
def test_a_failure_that_was_written_is_read_back(dialect: str) -> None:
    body = b"".join(frames(dialect, (TextDelta("half"), FAILURE)))
    answer = decoded(dialect, [body])
    assert answer.text == "half"
    assert answer.failure is not None
    assert "engine died" in answer.failure.message


def test_every_dialect_that_we_read_can_be_written() -> None:
    assert set(DIALECTS) <= set(ENCODINGS)
