"""Every recorded stream of Bedrock, under every cut, against the second opinion that lies beside it.

What is compared is what the wire said, before inline tags (Nova's `<thinking>`) are split from the text.
"""

from __future__ import annotations

import json
from functools import partial

import pytest

from cuts import decode, same_for_every_cut
from recorded import RECORDED, Recorded, digest, streams_of
from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.delta import (
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
from thinkaloud_server.providers.rows.bedrock_converse import GENERIC, VENDORS

STREAMS = streams_of("bedrock-converse")
pytestmark = pytest.mark.skipif(not STREAMS, reason=f"the recorded set is not at {RECORDED}")
each_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)

# Streams of InvokeModel, whose events are the model's own in base64. `observed` did not look inside; what is there was
# read by hand: text, finish (ours, the model's), input and output tokens.
INVOKED: dict[str, tuple[str, tuple[str, str], tuple[int, int]]] = {
    # A guardrail blocked the prompt: no `completionReason` then, but its action says why there is no more.
    "bedrock/amazon-titan-text-express-v1-no-finish-bedrock": (
        "Input blocked",
        ("content_filter", "INTERVENED"),
        (6, 3),
    ),
    "bedrock/us-anthropic-claude-sonnet-4-5-no-finish-bedrock": ("Olá!", ("stop", "end_turn"), (16, 7)),
}


@each_stream
def test_every_cut_gives_the_same_and_the_wire_is_told_truly(stream: Recorded) -> None:
    deltas = same_for_every_cut(partial(stream.decoder, GENERIC), stream.body, random_cuts=50)
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    reasoning = "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
    observed = stream.observed
    if stream.name in INVOKED:
        assert observed["events"] > 0
        assert observed["text_chars"] == 0
        assert text == INVOKED[stream.name][0]
    else:
        assert digest(text) == observed["text_sha256"]
    assert digest(reasoning) == observed["reasoning_sha256"]
    calls = [[delta.name, delta.arguments] for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert calls == observed["tool_calls"]


@each_stream
def test_a_stream_ends_as_it_did_and_tells_its_usage(stream: Recorded) -> None:
    deltas = decode(stream.decoder(GENERIC), [stream.body])
    assert isinstance(deltas[0], ResponseInfo)
    assert isinstance(deltas[-1], EndOfStream)
    finishes = [(delta.reason, delta.native) for delta in deltas if isinstance(delta, Finish)]
    usage = [delta.usage for delta in deltas if isinstance(delta, UsageReport)][-1]
    if stream.name in INVOKED:
        _, finish, counted = INVOKED[stream.name]
        assert finishes == [finish]
        assert stream.observed["finish"] == []
    else:
        assert [native for _, native in finishes] == stream.observed["finish"]
        counted = (stream.observed["usage"]["inputTokens"], stream.observed["usage"]["outputTokens"])
    assert (usage.input_tokens, usage.output_tokens) == counted


@each_stream
def test_signed_and_encrypted_reasoning_is_kept_for_replay(stream: Recorded) -> None:
    deltas = decode(stream.decoder(GENERIC), [stream.body])
    kept = [block for delta in deltas if isinstance(delta, StateDelta) for block in json.loads(delta.payload)]
    thoughts = [block["reasoningContent"] for block in kept if "reasoningContent" in block]
    assert sum("signature" in thought.get("reasoningText", {}) for thought in thoughts) == stream.observed["signatures"]
    assert sum("redactedContent" in thought for thought in thoughts) == stream.observed["redacted"]
    reasoning = "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
    assert "".join(thought.get("reasoningText", {}).get("text", "") for thought in thoughts) == reasoning
    if kept:
        assert sum(block.get("text", 0) for block in kept) == stream.observed["text_chars"]


@each_stream
def test_a_stream_cut_short_never_ends_well_before_its_finish(stream: Recorded) -> None:
    for size in range(0, len(stream.body), max(1, len(stream.body) // 300)):
        deltas = decode(stream.decoder(GENERIC), [stream.body[:size]])
        if not any(isinstance(delta, Finish) for delta in deltas):
            assert isinstance(deltas[-1], Failure)
            assert deltas[-1].reason is ErrorReason.UPSTREAM_TRUNCATED


@each_stream
def test_a_byte_that_changed_on_the_way_is_never_believed(stream: Recorded) -> None:
    for place in range(0, len(stream.body), max(1, len(stream.body) // 100)):
        broken = bytearray(stream.body)
        broken[place] ^= 0x10
        deltas = decode(stream.decoder(GENERIC), [bytes(broken)])
        finished = any(isinstance(delta, Finish) for delta in deltas)
        assert isinstance(deltas[-1], Failure) or finished
        if isinstance(deltas[-1], Failure):
            assert deltas[-1].reason in (ErrorReason.UPSTREAM_PROTOCOL_ERROR, ErrorReason.UPSTREAM_TRUNCATED)


@each_stream
def test_every_row_decodes_alike(stream: Recorded) -> None:
    first, *others = [decode(stream.decoder(row), [stream.body]) for row in (GENERIC, *VENDORS)]
    assert all(other == first for other in others)


@each_stream
def test_the_assembler_takes_it(stream: Recorded) -> None:
    assembler = Assembler()
    deltas = decode(stream.decoder(GENERIC), [stream.body])
    for delta in deltas:
        assembler.feed(delta)
    assembler.end()
    answer = assembler.answer
    assert answer.ended
    assert [call.name for call in answer.tool_calls] == [name for name, _ in stream.observed["tool_calls"]]
    wire = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta | ReasoningDelta))
    kept = len(answer.text) + len(answer.reasoning)
    if "<thinking>" in wire:
        # A pair of tags and the white space around them.
        assert answer.reasoning
        assert len(wire) - 60 <= kept < len(wire)
    else:
        assert kept == len(wire)


def test_the_table_names_streams_that_are_there_and_all_seven_are() -> None:
    assert set(INVOKED) <= {stream.name for stream in STREAMS}
    assert len(STREAMS) == 7
