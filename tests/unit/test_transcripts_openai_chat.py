"""Every recorded stream of the dialect, under every cut, against the second opinion that lies beside it.

What is compared is what the wire said, before inline think tags are split from the text. Where we differ from
`observed`, the tables of tests/recorded.py say why.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from cuts import at_sizes, decode, joined, same_for_every_cut, text_of
from recorded import (
    FAILED,
    FINISH_CONTRADICTS,
    INLINE_TAGS,
    NO_FINISH,
    STREAMS,
    Recorded,
    digest,
    each_stream,
    needs_recorded,
)
from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    ResponseInfo,
    StateDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.providers.rows import GENERIC

pytestmark = needs_recorded


def calls_of(deltas: Sequence[Delta]) -> list[list[str]]:
    calls: dict[int, list[str]] = {}
    for delta in deltas:
        if isinstance(delta, ToolCallDelta):
            call = calls.setdefault(delta.index, ["", ""])
            call[0] += delta.name
            call[1] += delta.arguments
    return list(calls.values())


def last_usage(deltas: Sequence[Delta]) -> tuple[int, int] | None:
    reports = [delta.usage for delta in deltas if isinstance(delta, UsageReport)]
    return (reports[-1].input_tokens, reports[-1].output_tokens) if reports else None


@each_stream
def test_every_cut_gives_the_same_and_the_wire_is_told_truly(stream: Recorded) -> None:
    vendor = stream.vendor()
    deltas = same_for_every_cut(partial(stream.decoder, vendor), stream.body, random_cuts=50)
    if sizes := stream.meta["chunk_sizes"]:
        assert joined(decode(stream.decoder(vendor), at_sizes(stream.body, sizes))) == deltas

    observed = stream.observed
    assert digest(text_of(deltas, ReasoningDelta)) == observed["reasoning_sha256"]
    assert digest(text_of(deltas, TextDelta)) == observed["text_sha256"]
    assert calls_of(deltas) == observed["tool_calls"]


@each_stream
def test_a_stream_ends_as_it_did(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    finishes = [delta.reason for delta in deltas if isinstance(delta, Finish)]
    observed = stream.observed["finish"]
    assert finishes == observed[:1]
    if len(set(observed)) > 1:
        assert FINISH_CONTRADICTS[stream.name] == tuple(observed)

    if stream.name in FAILED:
        reason, words = FAILED[stream.name]
        assert isinstance(deltas[-1], Failure)
        assert deltas[-1].reason is reason
        assert words in deltas[-1].message
    else:
        assert isinstance(deltas[-1], EndOfStream)
        assert observed or stream.name in NO_FINISH
        assert not stream.observed["errors"]


@each_stream
def test_usage_is_the_vendors_last_word(stream: Recorded) -> None:
    usage = last_usage(decode(stream.decoder(stream.vendor()), [stream.body]))
    assert usage == stream.usage


@each_stream
def test_a_vendor_that_nobody_recognises_is_decoded_alike(stream: Recorded) -> None:
    """As behind a proxy, or replayed by a local server: nothing that the wire says depends on the row."""
    known = decode(stream.decoder(stream.vendor()), [stream.body])
    generic = decode(stream.decoder(GENERIC), [stream.body])
    assert [delta for delta in generic if not isinstance(delta, StateDelta)] == [
        delta for delta in known if not isinstance(delta, StateDelta)
    ]


@each_stream
def test_a_stream_begins_with_its_model(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    assert isinstance(deltas[0], ResponseInfo)
    assert deltas[0].model


@each_stream
def test_signed_and_encrypted_reasoning_is_kept_for_replay(stream: Recorded) -> None:
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    details = [
        detail
        for delta in deltas
        if isinstance(delta, StateDelta)
        for detail in json.loads(delta.payload).get("reasoning_details", [])
    ]
    assert sum(bool(detail.get("signature")) for detail in details) == stream.observed["signatures"]
    assert sum(detail["type"] == "reasoning.encrypted" for detail in details) == stream.observed["redacted"]


@each_stream
def test_a_stream_cut_short_never_ends_well_before_its_finish(stream: Recorded) -> None:
    for share in range(1, 10):
        cut = stream.body[: len(stream.body) * share // 10]
        deltas = decode(stream.decoder(stream.vendor()), [cut])
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
    answer = assembler.answer
    wire = len(text_of(deltas, TextDelta, ReasoningDelta, RefusalDelta))
    kept = len(answer.text) + len(answer.reasoning)
    text = text_of(deltas, TextDelta)
    if "<think" in text or "</think" in text or "<reasoning" in text:
        # A pair of tags and the white space around them.
        assert wire - 60 <= kept <= wire
    else:
        assert kept == wire


def test_the_tables_name_streams_that_are_there() -> None:
    names = {stream.name for stream in STREAMS}
    assert {*FAILED, *NO_FINISH, *FINISH_CONTRADICTS, *INLINE_TAGS} <= names
