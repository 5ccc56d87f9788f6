"""Every recorded stream of `ollama`, under every cut, against the second opinion that lies beside it.

What is compared is what the wire said, before inline think tags are split from the text.
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
from thinkaloud_server.providers.rows.ollama import GENERIC, VENDORS

STREAMS = streams_of("ollama")
pytestmark = pytest.mark.skipif(not STREAMS, reason=f"the recorded set is not at {RECORDED}")
each_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)

# Thoughts in the text: in tags, of a model that Ollama did not know to think; or, with `think: false`, of one that
# thought all the same after its template had opened the tag. What becomes of the tags is the assembler's.
INLINE = {
    "ollama/qwen3-14b-inline-tags-ollama": "<think>",
    "ollama/qwen3-4b-inline-tags-ollama": "</think>",
    "ollama/qwen3-4b-inline-tags-tool-call-ollama": "</think>",
}


@each_stream
def test_every_cut_gives_the_same_and_the_wire_is_told_truly(stream: Recorded) -> None:
    deltas = same_for_every_cut(partial(stream.decoder, GENERIC), stream.body, random_cuts=50)
    observed = stream.observed
    text = "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))
    reasoning = "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
    assert digest(text) == observed["text_sha256"]
    assert digest(reasoning) == observed["reasoning_sha256"]
    # `observed` wrote the arguments anew, with other white space.
    calls = [(delta.name, json.loads(delta.arguments)) for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert calls == [(name, json.loads(arguments)) for name, arguments in observed["tool_calls"]]
    assert INLINE.get(stream.name, "") in text


@each_stream
def test_a_stream_ends_as_it_did_and_tells_its_usage(stream: Recorded) -> None:
    deltas = decode(stream.decoder(GENERIC), [stream.body])
    assert isinstance(deltas[0], ResponseInfo)
    assert deltas[0].model == stream.meta["model"]
    assert isinstance(deltas[-1], EndOfStream)
    assert [delta.native for delta in deltas if isinstance(delta, Finish)] == stream.observed["finish"]
    (usage,) = [delta.usage for delta in deltas if isinstance(delta, UsageReport)]
    counted = stream.observed["usage"]
    assert (usage.input_tokens, usage.output_tokens) == (counted["prompt_eval_count"], counted["eval_count"])


@each_stream
def test_thoughts_are_kept_for_replay(stream: Recorded) -> None:
    deltas = decode(stream.decoder(GENERIC), [stream.body])
    reasoning = "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta))
    kept = [json.loads(delta.payload) for delta in deltas if isinstance(delta, StateDelta)]
    assert kept == ([{"thinking": reasoning}] if reasoning else [])


@each_stream
def test_a_stream_cut_short_never_ends_well(stream: Recorded) -> None:
    for size in range(0, len(stream.body.rstrip()), max(1, len(stream.body) // 200)):
        deltas = decode(stream.decoder(GENERIC), [stream.body[:size]])
        assert isinstance(deltas[-1], Failure)
        assert deltas[-1].reason is ErrorReason.UPSTREAM_TRUNCATED


@each_stream
def test_every_row_decodes_alike(stream: Recorded) -> None:
    first, *others = [decode(stream.decoder(row), [stream.body]) for row in (GENERIC, *VENDORS)]
    assert all(other == first for other in others)


@each_stream
def test_the_assembler_takes_it(stream: Recorded) -> None:
    assembler = Assembler()
    for delta in decode(stream.decoder(GENERIC), [stream.body]):
        assembler.feed(delta)
    assembler.end()
    answer = assembler.answer
    assert answer.ended
    assert bool(answer.tool_calls) == bool(stream.observed["tool_calls"])
    if answer.tool_calls:
        assert answer.finish == "tool_calls"
    said = stream.observed["text_chars"] + stream.observed["reasoning_chars"]
    kept = len(answer.text) + len(answer.reasoning)
    # A pair of tags and the white space around them.
    assert said - 60 * (stream.name in INLINE) <= kept <= said


def test_the_table_names_streams_that_are_there_and_all_seven_are() -> None:
    assert set(INLINE) <= {stream.name for stream in STREAMS}
    assert len(STREAMS) == 7
