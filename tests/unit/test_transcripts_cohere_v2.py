"""Every recorded stream of `cohere-v2`, under every cut, against the second opinion that lies beside it."""

from __future__ import annotations

import json
from functools import partial

import pytest

from cuts import at_sizes, decode, joined, same_for_every_cut, text_of
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
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.providers.rows.cohere_v2 import GENERIC

STREAMS = streams_of("cohere-v2")
pytestmark = pytest.mark.skipif(not STREAMS, reason=f"the recorded set is not at {RECORDED}")
each_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)

# The vendor's words for the reasons that we know; `observed` has the vendor's.
FINISHES = {"COMPLETE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}


def told(stream: Recorded) -> list[Delta]:
    return joined(decode(stream.decoder(stream.vendor()), [stream.body]))


@each_stream
def test_every_cut_gives_the_same_and_the_wire_is_told_truly(stream: Recorded) -> None:
    vendor = stream.vendor()
    assert vendor.dialect == "cohere-v2"
    deltas = same_for_every_cut(partial(stream.decoder, vendor), stream.body, random_cuts=50)
    if sizes := stream.meta["chunk_sizes"]:
        assert joined(decode(stream.decoder(vendor), at_sizes(stream.body, sizes))) == deltas

    observed = stream.observed
    assert digest(text_of(deltas, ReasoningDelta)) == observed["reasoning_sha256"]
    assert digest(text_of(deltas, TextDelta)) == observed["text_sha256"]
    calls = [[delta.name, delta.arguments] for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert calls == observed["tool_calls"]


@each_stream
def test_a_plan_is_told_apart_from_thinking(stream: Recorded) -> None:
    kinds = {delta.kind for delta in told(stream) if isinstance(delta, ReasoningDelta)}
    fields = stream.observed["reasoning_fields"]
    assert kinds == {{"tool_plan": "plan", "content.thinking": "raw"}[field] for field in fields}


@each_stream
def test_a_stream_ends_as_it_did(stream: Recorded) -> None:
    deltas = told(stream)
    finishes = [(delta.reason, delta.native) for delta in deltas if isinstance(delta, Finish)]
    assert finishes == [(FINISHES[word], word) for word in stream.observed["finish"]]
    assert isinstance(deltas[-1], EndOfStream)
    assert not stream.observed["errors"]


@each_stream
def test_usage_is_what_was_read_and_written(stream: Recorded) -> None:
    (usage,) = (delta.usage for delta in told(stream) if isinstance(delta, UsageReport))
    observed = stream.observed["usage"]
    tokens = observed["tokens"]
    assert usage == Usage(
        tokens["input_tokens"],
        tokens["output_tokens"],
        tokens.get("reasoning_tokens", 0),
        observed.get("cached_tokens", 0),
    )


@each_stream
def test_plan_and_thoughts_are_kept_where_tools_were_called(stream: Recorded) -> None:
    deltas = told(stream)
    states = [json.loads(delta.payload) for delta in deltas if isinstance(delta, StateDelta)]
    reasoning = text_of(deltas, ReasoningDelta)
    if not (stream.observed["tool_calls"] and reasoning):
        assert states == []
        return
    (state,) = states
    thoughts = [item["thinking"] for item in state.get("content", [])]
    assert "".join([*thoughts, state.get("tool_plan", "")]) == reasoning


@each_stream
def test_a_vendor_that_nobody_recognises_is_decoded_alike(stream: Recorded) -> None:
    assert joined(decode(stream.decoder(GENERIC), [stream.body])) == told(stream)


@each_stream
def test_a_stream_begins_with_its_id(stream: Recorded) -> None:
    first = told(stream)[0]
    assert isinstance(first, ResponseInfo)
    assert first.response_id


@each_stream
def test_a_stream_cut_short_never_ends_well_before_its_finish(stream: Recorded) -> None:
    for size in range(0, len(stream.body), max(1, len(stream.body) // 200)):
        deltas = decode(stream.decoder(stream.vendor()), [stream.body[:size]])
        if not any(isinstance(delta, Finish) for delta in deltas):
            assert isinstance(deltas[-1], Failure)
            assert deltas[-1].reason is ErrorReason.UPSTREAM_TRUNCATED


@each_stream
def test_the_assembler_takes_it_and_changes_no_text(stream: Recorded) -> None:
    assembler = Assembler()
    deltas = told(stream)
    for delta in deltas:
        assembler.feed(delta)
    assembler.end()
    answer = assembler.answer
    assert answer.reasoning == text_of(deltas, ReasoningDelta)
    assert answer.text == text_of(deltas, TextDelta)
    assert [call.name for call in answer.tool_calls] == [name for name, _ in stream.observed["tool_calls"]]


def test_the_set_is_all_there() -> None:
    assert len(STREAMS) >= 8
