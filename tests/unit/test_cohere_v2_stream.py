"""The decoder of `cohere-v2`: every vector under every cut, and what no vector can show."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuts import check_grammar, decode, same_for_every_cut
from provider_vectors import Vector, as_json, read_vectors
from thinkaloud_server.core.delta import EndOfStream, Failure, ReasoningDelta, StreamDecoder, TextDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.cohere_v2 import COHERE_V2
from thinkaloud_server.providers.cohere_v2.stream import CohereDecoder
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.error_body import ErrorBody
from thinkaloud_server.providers.table import vendor_named

VECTORS = read_vectors("cohere-v2")
KEY = "canary-k3y-of-the-provider"


def decoder(*, reasoning: bool = False) -> StreamDecoder:
    endpoint = Endpoint("it", "http://provider.example", vendor_named("cohere"), api_key=KEY)
    control = ReasoningControl("high") if reasoning else None
    return COHERE_V2.decoder(endpoint, ModelRequest("command-a-reasoning-08-2025", (), reasoning=control))


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def text(words: str, kind: str = "text") -> bytes:
    return event({"type": "content-delta", "index": 0, "delta": {"message": {"content": {kind: words}}}})


END = event({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}})


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_gives_its_deltas_however_it_is_cut(vector: Vector) -> None:
    new = partial(COHERE_V2.decoder, vector.endpoint, vector.request)
    deltas = same_for_every_cut(new, vector.response, random_cuts=15) if vector.response else decode(new(), [b""])
    assert [as_json(delta) for delta in deltas] == list(vector.deltas)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_cut_off_anywhere_never_ends_well_before_its_end(vector: Vector) -> None:
    for size in range(0, len(vector.response), 7):
        deltas = decode(COHERE_V2.decoder(vector.endpoint, vector.request), [vector.response[:size]])
        check_grammar(deltas)
        if isinstance(deltas[-1], EndOfStream):
            assert b"message-end" in vector.response[:size] or vector.response[:1] == b"{"


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 40


def test_text_is_passed_on_with_the_event_that_it_came_in() -> None:
    it = decoder()
    assert list(it.feed(text("a"))) == [TextDelta("a")]
    assert list(it.feed(text("b", "thinking"))) == [ReasoningDelta("b")]


def test_the_end_is_told_with_the_event_that_says_it() -> None:
    it = decoder()
    assert isinstance(it.feed(text("a") + END)[-1], EndOfStream)
    assert list(it.feed(text("b") + b"data: [DONE]\n\n")) == []
    assert list(it.end()) == []


def test_the_refusal_of_a_control_in_the_stream_is_marked() -> None:
    body = b'event: error\ndata: {"status": 400, "message": "thinking is not supported by this model"}\n\n'
    assert decode(decoder(reasoning=True), [body]) == [
        Failure(
            ErrorReason.VALIDATION_FAILED, "thinking is not supported by this model", status=400, reasoning_refused=True
        )
    ]


def test_the_key_is_in_no_message() -> None:
    failure = decode(decoder(), [event({"message": f"key {KEY} is odd"})])[-1]
    assert isinstance(failure, Failure)
    assert KEY not in failure.message


def test_a_frame_over_the_limit_is_a_protocol_error() -> None:
    for start in (b"data: ", b"{"):
        failure = decode(CohereDecoder(classify=_never, frame_bytes_max=1000), [start, b"x" * 2000])[-1]
        assert isinstance(failure, Failure)
        assert failure.reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


_KEYS = st.sampled_from(
    [
        *("type", "index", "delta", "message", "content", "text", "thinking", "tool_plan", "tool_calls", "function"),
        *("name", "arguments", "id", "finish_reason", "usage", "tokens", "error"),
    ]
)
_TYPES = st.sampled_from(
    ["message-start", "content-start", "content-delta", "tool-plan-delta", "tool-call-start", "message-end", "error"]
)


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    check_grammar(decode(decoder(), [data]))
    check_grammar(decode(decoder(), [b"data: " + data + b"\n\n"]))


@settings(max_examples=150)
@given(
    _TYPES,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
        max_leaves=20,
    ),
)
def test_no_json_breaks_it(kind: str, value: object) -> None:
    body = json.dumps(value).encode()
    check_grammar(decode(decoder(), [b"data: " + body + b"\n\n", END]))
    check_grammar(decode(decoder(), [f"event: {kind}\n".encode() + b"data: " + body + b"\n\n", END]))
    check_grammar(decode(decoder(), [event({"type": kind, "delta": {"message": value}}), END]))
    check_grammar(decode(decoder(), [body]))


def _never(body: ErrorBody) -> Failure:
    raise AssertionError(body)
