"""Every recorded stream of `anthropic-messages`, under every cut, against the second opinion that lies beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

import pytest

from cuts import at_sizes, decode, joined, same_for_every_cut, text_of
from recorded import Recorded, digest, streams_of
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
from thinkaloud_server.providers.anthropic_messages.finish import finish_of
from thinkaloud_server.providers.rows.anthropic_messages import GENERIC

STREAMS = streams_of("anthropic-messages")
pytestmark = pytest.mark.skipif(not STREAMS, reason="the recorded set is not here")
each_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)

# Tools that the provider runs itself: `observed` counts their calls, but no caller is to answer them.
OWN_TOOLS = {"anthropic/claude-sonnet-5-tool-call-thinking-omitted-anthropic": [["advisor", ""]]}
# Vertex tells the input at the start alone, and `observed` keeps the last object. The number is in the stream.
INPUT_AT_THE_START = {"vertex/claude-haiku-4-5-reasoning-anthropic": 66}


def calls_of(deltas: Sequence[Delta]) -> list[list[str]]:
    calls: dict[int, list[str]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            call = calls.setdefault(delta.index, ["", ""])
            call[0] += delta.name
            call[1] += delta.arguments
    return list(calls.values())


@each_stream
def test_every_cut_gives_the_same_and_the_wire_is_told_truly(stream: Recorded) -> None:
    vendor = stream.vendor()
    deltas = same_for_every_cut(partial(stream.decoder, vendor), stream.body, random_cuts=50)
    if sizes := stream.meta["chunk_sizes"]:
        assert joined(decode(stream.decoder(vendor), at_sizes(stream.body, sizes))) == deltas

    observed = stream.observed
    assert digest(text_of(deltas, ReasoningDelta)) == observed["reasoning_sha256"]
    assert digest(text_of(deltas, TextDelta)) == observed["text_sha256"]
    assert calls_of(deltas) + OWN_TOOLS.get(stream.name, []) == observed["tool_calls"]


@each_stream
def test_a_stream_ends_as_it_did(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    [finish] = [delta for delta in deltas if isinstance(delta, Finish)]
    assert [finish.native] == stream.observed["finish"]
    assert finish == finish_of(finish.native)
    assert isinstance(deltas[-1], EndOfStream)
    assert not stream.observed["errors"]


@each_stream
def test_usage_is_the_vendors_last_word(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    usage = [delta.usage for delta in deltas if isinstance(delta, UsageReport)][-1]
    observed = stream.observed["usage"]
    cached = observed.get("cache_read_input_tokens", 0)
    inputs = observed.get("input_tokens", 0) + cached + observed.get("cache_creation_input_tokens", 0)
    assert usage.input_tokens == inputs + INPUT_AT_THE_START.get(stream.name, 0)
    assert usage.cached_tokens == cached
    assert usage.output_tokens == observed["output_tokens"]
    assert usage.reasoning_tokens == observed.get("output_tokens_details", {}).get("thinking_tokens", 0)


@each_stream
def test_a_vendor_that_nobody_recognises_is_decoded_alike(stream: Recorded) -> None:
    known, generic = stream.decoder(stream.vendor()), stream.decoder(GENERIC)
    assert decode(known, [stream.body]) == decode(generic, [stream.body])


@each_stream
def test_a_stream_begins_with_its_model(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    assert isinstance(deltas[0], ResponseInfo)
    assert deltas[0].model.startswith("claude")


@each_stream
def test_signed_and_encrypted_reasoning_is_kept_for_replay(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    blocks = [
        block
        for delta in deltas
        if isinstance(delta, StateDelta)
        for block in json.loads(delta.payload)["blocks"]
        if block["type"] in ("thinking", "redacted_thinking")
    ]
    assert sum(bool(block.get("signature")) for block in blocks) == stream.observed["signatures"]
    assert sum(bool(block.get("data")) for block in blocks) == stream.observed["redacted"]
    assert "".join(block.get("thinking", "") for block in blocks) == text_of(deltas, ReasoningDelta)


@each_stream
def test_a_stream_cut_short_never_ends_well_before_its_finish(stream: Recorded) -> None:
    for size in range(0, len(stream.body), 97):
        deltas = decode(stream.decoder(stream.vendor()), [stream.body[:size]])
        if not any(isinstance(delta, Finish) for delta in deltas):
            assert isinstance(deltas[-1], Failure)
            assert deltas[-1].reason is ErrorReason.UPSTREAM_TRUNCATED


@each_stream
def test_the_assembler_takes_it_and_loses_no_text(stream: Recorded) -> None:
    assembler = Assembler()
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    for delta in deltas:
        assembler.feed(delta)
    assembler.end()
    assert assembler.answer.text == text_of(deltas, TextDelta)
    assert assembler.answer.reasoning == text_of(deltas, ReasoningDelta)


def test_there_are_twenty_and_the_tables_name_those_that_are_there() -> None:
    names = {stream.name for stream in STREAMS}
    assert len(names) >= 20
    assert {*OWN_TOOLS, *INPUT_AT_THE_START} <= names
