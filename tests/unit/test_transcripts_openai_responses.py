"""Every recorded stream of the Responses format, under every cut, against the second opinion that lies beside it.

Where we differ from `observed`, the tables here say why.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import pytest

from cuts import at_sizes, byte_by_byte, decode, joined, same_for_every_cut, text_of
from recorded import RECORDED, Recorded, digest, streams_of
from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    ResponseInfo,
    StateDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.message import Message, ReasoningState, TextPart
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.openai_responses import OPENAI_RESPONSES
from thinkaloud_server.providers.openai_responses.counts import usage_of
from thinkaloud_server.providers.rows import GENERICS
from thinkaloud_server.providers.table import vendor_named

STREAMS = streams_of("openai-responses")
pytestmark = pytest.mark.skipif(not STREAMS, reason=f"the recorded set is not at {RECORDED}")
each_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)

# Recordings of four answers of one tool loop in one file. `observed` joins them; one answer is one request's, so the
# decoder stops at the first `response.completed`, as it must. What is compared is that first answer.
SEVERAL_ANSWERS = {
    "azure/gpt-5-1-codex-max-reasoning-redacted-encrypted-tool-call-openai": 4,
    "openai/gpt-5-1-codex-max-reasoning-redacted-encrypted-tool-call-openai": 4,
}

FAILED = {"openai/gpt-5-nano-mid-stream-error-openai": (ErrorReason.QUOTA_EXCEEDED, "exceeded your current quota")}

# The last event, and the reasons to finish that it can mean.
FINISHES = {"response.completed": ("stop", "tool_calls"), "response.incomplete": ("length",)}


def first_answer(stream: Recorded) -> Recorded:
    """The stream up to the end of its first answer."""
    events = stream.body.split(b"\n\n")
    last = next((n for n, event in enumerate(events) if b'"type":"response.completed"' in event), len(events))
    return Recorded(stream.name, b"\n\n".join(events[: last + 1]) + b"\n\n", stream.meta)


def calls_of(deltas: Sequence[Delta]) -> list[list[str]]:
    calls: dict[int, list[str]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            call = calls.setdefault(delta.index, ["", ""])
            call[0] += delta.name
            call[1] += delta.arguments
    return list(calls.values())


def usages_of(deltas: Sequence[Delta]) -> list[Usage]:
    return [delta.usage for delta in deltas if isinstance(delta, UsageReport)]


def events_of(stream: Recorded) -> list[dict[str, Any]]:
    lines = stream.body.replace(b"\r", b"").split(b"\n")
    return [json.loads(line[6:]) for line in lines if line.startswith(b"data: ") and line != b"data: [DONE]"]


@each_stream
def test_every_cut_gives_the_same(stream: Recorded) -> None:
    vendor = stream.vendor()
    assert vendor.dialect == "openai-responses"
    deltas = same_for_every_cut(partial(stream.decoder, vendor), stream.body, random_cuts=50)
    assert joined(decode(stream.decoder(vendor), byte_by_byte(stream.body))) == deltas
    if sizes := stream.meta["chunk_sizes"]:
        assert joined(decode(stream.decoder(vendor), at_sizes(stream.body, sizes))) == deltas


@each_stream
def test_the_wire_is_told_truly(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    observed = stream.observed
    assert digest(text_of(deltas, ReasoningDelta)) == observed["reasoning_sha256"]
    if stream.name in SEVERAL_ANSWERS:
        assert len(observed["finish"]) == SEVERAL_ANSWERS[stream.name]
        assert text_of(deltas, TextDelta) == ""
        assert calls_of(deltas) == observed["tool_calls"][:1]
    else:
        assert digest(text_of(deltas, TextDelta)) == observed["text_sha256"]
        assert calls_of(deltas) == observed["tool_calls"]


@pytest.mark.parametrize("name", SEVERAL_ANSWERS)
def test_several_answers_are_each_told_truly_by_themselves(name: str) -> None:
    (stream,) = (stream for stream in STREAMS if stream.name == name)
    begins = stream.body.split(b'data: {"type":"response.created"')[1:]
    bodies = [b'data: {"type":"response.created"' + body for body in begins]
    answers = [decode(stream.decoder(stream.vendor()), [body]) for body in bodies]
    assert all(isinstance(deltas[-1], EndOfStream) for deltas in answers)
    assert [call for deltas in answers for call in calls_of(deltas)] == stream.observed["tool_calls"]
    assert digest("".join(text_of(deltas, TextDelta) for deltas in answers)) == stream.observed["text_sha256"]
    assert [usages_of(deltas)[0] for deltas in answers][-1] == usage_of(stream.observed["usage"])


@each_stream
def test_a_stream_ends_as_it_did(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    if stream.name in FAILED:
        reason, words = FAILED[stream.name]
        assert isinstance(deltas[-1], Failure)
        assert (deltas[-1].reason, words in deltas[-1].message) == (reason, True)
        assert stream.observed["errors"]
        return
    (finish,) = [delta for delta in deltas if isinstance(delta, Finish)]
    assert finish.reason in FINISHES[stream.observed["finish"][0]]
    assert (finish.reason == "tool_calls") is bool(calls_of(deltas))
    assert isinstance(deltas[-1], EndOfStream)
    assert not stream.observed["errors"]


@each_stream
def test_usage_is_the_vendors_last_word(stream: Recorded) -> None:
    usages = usages_of(decode(stream.decoder(stream.vendor()), [stream.body]))
    last = events_of(first_answer(stream))[-1]["response"]["usage"]
    assert usages == ([] if last is None else [usage_of(last)])
    if stream.name not in SEVERAL_ANSWERS:
        assert last == stream.observed["usage"]


def test_a_cost_is_told_where_the_vendor_says_one() -> None:
    costs = {stream.name: usages_of(decode(stream.decoder(stream.vendor()), [stream.body])) for stream in STREAMS}
    assert {name: usages[0].cost_usd for name, usages in costs.items() if usages and usages[0].cost_usd} == {
        "openrouter/gpt-5-nano-redacted-encrypted-openai": 8.6e-06
    }


@each_stream
def test_the_kind_of_the_reasoning_is_the_events(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    kinds = {delta.kind for delta in deltas if isinstance(delta, ReasoningDelta)}
    fields = stream.observed["reasoning_fields"]
    names = {"raw": "response.reasoning_text.delta", "summary": "response.reasoning_summary_text.delta"}
    expected = {kind for kind, name in names.items() if name in fields}
    assert kinds == expected


@each_stream
def test_a_vendor_that_nobody_recognises_is_decoded_alike(stream: Recorded) -> None:
    known = decode(stream.decoder(stream.vendor()), [stream.body])
    assert decode(stream.decoder(GENERICS["openai-responses"]), [stream.body]) == known


@each_stream
def test_a_stream_begins_with_its_model(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    assert isinstance(deltas[0], ResponseInfo)
    assert deltas[0].model


@each_stream
def test_encrypted_reasoning_is_kept_and_goes_back_as_it_came(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    states = [delta.payload for delta in deltas if isinstance(delta, StateDelta)]
    kept = [item for payload in states for item in json.loads(payload)["output"]]
    encrypted = [item for item in kept if item.get("type") == "reasoning" and item.get("encrypted_content")]
    assert len(encrypted) == stream.observed["redacted"]
    done = [event["item"] for event in events_of(stream) if event["type"] == "response.output_item.done"]
    assert [item for item in kept if item["type"] == "reasoning"] == [
        item for item in done if item["type"] == "reasoning" and (item.get("encrypted_content") or item.get("content"))
    ]


@each_stream
def test_the_answer_replayed_is_the_items_of_the_answer(stream: Recorded) -> None:
    assembler = Assembler()
    for delta in decode(stream.decoder(stream.vendor()), [stream.body]):
        assembler.feed(delta)
    assembler.end()
    answer = assembler.answer
    if not answer.state_payload:
        pytest.skip("nothing to replay")
    endpoint = Endpoint("it", "http://provider.example/v1", vendor_named("openai", "openai-responses"))
    state = ReasoningState("it", "m-1", answer.state_payload)
    history = Message("assistant", (TextPart(answer.text), *answer.tool_calls), state=state)
    body = json.loads(OPENAI_RESPONSES.request(endpoint, ModelRequest("m-1", (history,))).body)

    first = events_of(first_answer(stream))
    done = [event["item"] for event in first if event["type"] == "response.output_item.done"]
    assert body["input"] == [_without_extras(item) for item in done]


def _without_extras(item: dict[str, Any]) -> dict[str, Any]:
    """What a server adds to a text of its own, and nobody need send back."""
    if item["type"] != "message":
        return item
    texts = [{"type": "output_text", "text": part["text"], "annotations": []} for part in item["content"]]
    return {**item, "content": texts}


def end_of(stream: Recorded) -> int:
    """The size of the stream up to the last byte of the event that ends it."""
    size = 0
    for line in stream.body.splitlines(keepends=True):
        size += len(line)
        if line.startswith(b"data: {") and json.loads(line[6:])["type"] in (*FINISHES, "error"):
            return size - (len(line) - len(line.rstrip()))
    raise AssertionError("the stream has no end")


@each_stream
def test_a_stream_cut_short_never_ends_well(stream: Recorded) -> None:
    end = end_of(stream)
    for size in [*(end * share // 40 for share in range(40)), *range(end - 20, end)]:
        deltas = decode(stream.decoder(stream.vendor()), [stream.body[:size]])
        last = deltas[-1]
        assert isinstance(last, Failure)
        assert last.reason is ErrorReason.UPSTREAM_TRUNCATED
        assert not any(isinstance(delta, StateDelta | Finish) for delta in deltas)
    whole = decode(stream.decoder(stream.vendor()), [stream.body[:end]])
    assert isinstance(whole[-1], Failure if stream.name in FAILED else EndOfStream)


@each_stream
def test_the_response_object_alone_says_the_same_as_the_stream(stream: Recorded) -> None:
    """As from a server that was asked to stream and did not."""
    response: dict[str, Any] = events_of(first_answer(stream))[-1]["response"]
    if stream.name in FAILED or not response["output"]:
        pytest.skip("no output in the last event")
    vendor = stream.vendor()
    whole = decode(stream.decoder(vendor), [msgspec.json.encode(response)])
    streamed = decode(stream.decoder(vendor), [stream.body])
    assert text_of(whole, ReasoningDelta) == text_of(streamed, ReasoningDelta)
    assert text_of(whole, TextDelta) == text_of(streamed, TextDelta)
    assert calls_of(whole) == calls_of(streamed)
    assert usages_of(whole) == usages_of(streamed)
    assert isinstance(whole[-1], EndOfStream)


@each_stream
def test_the_assembler_takes_it_and_sets_paragraphs_apart(stream: Recorded) -> None:
    assembler = Assembler()
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    for delta in deltas:
        assembler.feed(delta)
    assembler.end()
    parts = {delta.part for delta in deltas if isinstance(delta, ReasoningDelta)}
    wire = text_of(deltas, ReasoningDelta)
    assert len(assembler.answer.reasoning) == len(wire) + 2 * max(0, len(parts) - 1)
    assert assembler.answer.text == text_of(deltas, TextDelta)


def test_the_tables_name_streams_that_are_there() -> None:
    names = {stream.name for stream in STREAMS}
    assert {*SEVERAL_ANSWERS, *FAILED} <= names
    assert len(names) == 24
