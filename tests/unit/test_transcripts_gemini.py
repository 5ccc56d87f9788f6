"""Every recorded stream of `gemini`, under every cut, against the second opinion that lies beside it."""

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
from thinkaloud_server.providers.rows.gemini import GENERIC

STREAMS = streams_of("gemini")
pytestmark = pytest.mark.skipif(not STREAMS, reason=f"the recorded set is not at {RECORDED}")
each_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)

# The vendor's words for the reasons that we know; `observed` has the vendor's.
FINISHES = {"STOP": "stop", "MAX_TOKENS": "length"}


def told(stream: Recorded) -> list[Delta]:
    return decode(stream.decoder(stream.vendor()), [stream.body])


@each_stream
def test_every_cut_gives_the_same_and_the_wire_is_told_truly(stream: Recorded) -> None:
    vendor = stream.vendor()
    assert vendor.dialect == "gemini"
    deltas = same_for_every_cut(partial(stream.decoder, vendor), stream.body, random_cuts=50)
    if sizes := stream.meta["chunk_sizes"]:
        assert joined(decode(stream.decoder(vendor), at_sizes(stream.body, sizes))) == deltas

    observed = stream.observed
    assert digest(text_of(deltas, ReasoningDelta)) == observed["reasoning_sha256"]
    assert digest(text_of(deltas, TextDelta)) == observed["text_sha256"]


@each_stream
def test_calls_are_told_whole(stream: Recorded) -> None:
    """`observed` writes the arguments anew; we pass them on as they were spelled, so they are compared as values."""
    calls = [delta for delta in told(stream) if isinstance(delta, ToolCallDelta)]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        (name, json.loads(arguments)) for name, arguments in stream.observed["tool_calls"]
    ]
    assert all(call.arguments.encode() in stream.body for call in calls)


@each_stream
def test_a_stream_ends_as_it_did(stream: Recorded) -> None:
    deltas = told(stream)
    finishes = [(delta.reason, delta.native) for delta in deltas if isinstance(delta, Finish)]
    assert finishes == [(FINISHES[word], word) for word in stream.observed["finish"]]
    assert isinstance(deltas[-1], EndOfStream)
    assert not stream.observed["errors"]


@each_stream
def test_usage_is_the_vendors_last_word_with_the_thoughts_in_the_output(stream: Recorded) -> None:
    usage = [delta.usage for delta in told(stream) if isinstance(delta, UsageReport)][-1]
    observed = stream.observed["usage"]
    thoughts = observed.get("thoughtsTokenCount", 0)
    outputs = observed.get("candidatesTokenCount", 0) + thoughts
    assert usage == Usage(observed["promptTokenCount"], outputs, thoughts, observed.get("cachedContentTokenCount", 0))
    assert usage.input_tokens + usage.output_tokens == observed["totalTokenCount"]


@each_stream
def test_signatures_are_kept_for_replay(stream: Recorded) -> None:
    payloads = [delta.payload for delta in told(stream) if isinstance(delta, StateDelta)]
    parts = [part for payload in payloads for part in json.loads(payload)["parts"]]
    signatures = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
    assert len(signatures) == stream.observed["signatures"]
    assert all(signature.encode() in stream.body for signature in signatures)
    if parts:
        assert "".join(part.get("text", "") for part in parts) == text_of(told(stream), TextDelta)


@each_stream
def test_a_vendor_that_nobody_recognises_is_decoded_alike(stream: Recorded) -> None:
    assert decode(stream.decoder(GENERIC), [stream.body]) == told(stream)


@each_stream
def test_a_stream_begins_with_its_model(stream: Recorded) -> None:
    first = told(stream)[0]
    assert isinstance(first, ResponseInfo)
    assert first.model.startswith("gemini-")


@each_stream
def test_a_stream_cut_short_never_ends_well_before_its_finish(stream: Recorded) -> None:
    for size in range(0, len(stream.body), max(1, len(stream.body) // 200)):
        deltas = decode(stream.decoder(stream.vendor()), [stream.body[:size]])
        if not any(isinstance(delta, Finish) for delta in deltas):
            assert isinstance(deltas[-1], Failure)
            assert deltas[-1].reason is ErrorReason.UPSTREAM_TRUNCATED


@each_stream
def test_the_same_as_an_array_is_told_alike(stream: Recorded) -> None:
    """As the API writes it without `alt=sse`."""
    events = [line.removeprefix(b"data: ") for line in stream.body.replace(b"\r", b"").split(b"\n") if line]
    array = b"[" + b",\r\n".join(events) + b"]"
    assert decode(stream.decoder(stream.vendor()), [array]) == told(stream)


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
    assert len(answer.tool_calls) == len(stream.observed["tool_calls"])


def test_the_set_is_all_there() -> None:
    assert len(STREAMS) >= 19
