"""The decoder of `gemini`: every vector under every cut, and what no vector can show."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuts import check_grammar, decode, same_for_every_cut
from provider_vectors import Vector, as_json, read_vectors
from thinkaloud_server.core.delta import (
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    StreamDecoder,
    TextDelta,
    UsageReport,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.error_body import ErrorBody
from thinkaloud_server.providers.gemini import GEMINI
from thinkaloud_server.providers.gemini.stream import GeminiDecoder
from thinkaloud_server.providers.table import vendor_named

VECTORS = read_vectors("gemini")
KEY = "canary-k3y-of-the-provider"


def decoder(model: str = "gemini-2.5-flash", *, reasoning: bool = False) -> StreamDecoder:
    endpoint = Endpoint("it", "http://provider.example/v1", vendor_named("gemini"), api_key=KEY)
    control = ReasoningControl("high") if reasoning else None
    return GEMINI.decoder(endpoint, ModelRequest(model, (), reasoning=control))


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"


def chunk(*parts: object, finish: str = "") -> bytes:
    candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return event({"candidates": [candidate], "modelVersion": "m-1", "responseId": "1"})


STOP = chunk({"text": ""}, finish="STOP")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_gives_its_deltas_however_it_is_cut(vector: Vector) -> None:
    new = partial(GEMINI.decoder, vector.endpoint, vector.request)
    deltas = same_for_every_cut(new, vector.response, random_cuts=15) if vector.response else decode(new(), [b""])
    assert [as_json(delta) for delta in deltas] == list(vector.deltas)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_cut_off_anywhere_never_ends_well_before_its_finish(vector: Vector) -> None:
    for size in range(0, len(vector.response), 7):
        deltas = decode(GEMINI.decoder(vector.endpoint, vector.request), [vector.response[:size]])
        check_grammar(deltas)
        if isinstance(deltas[-1], EndOfStream):
            assert any(isinstance(delta, Finish) for delta in deltas)


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 60


def test_text_is_passed_on_with_the_chunk_that_it_came_in() -> None:
    it = decoder()
    assert TextDelta("a") in it.feed(chunk({"text": "a"}))
    assert list(it.feed(chunk({"text": "b"}))) == [TextDelta("b")]
    assert list(it.feed(chunk({"text": "c", "thought": True}))) == [ReasoningDelta("c", "summary")]


def test_nothing_is_read_after_a_failure() -> None:
    it = decoder()
    deltas = decode(it, [event({"error": {"code": 500, "message": "no"}}) + chunk({"text": "b"}) + STOP])
    assert [type(delta) for delta in deltas] == [Failure]


def test_usage_is_told_once_while_it_stays_the_same() -> None:
    counts = {"promptTokenCount": 7, "totalTokenCount": 7}
    one = event({"candidates": [{"content": {"parts": [{"text": "a"}]}}], "usageMetadata": counts})
    deltas = decode(decoder(), [one, one, one, STOP])
    assert sum(isinstance(delta, UsageReport) for delta in deltas) == 1


def test_the_refusal_of_a_control_in_the_stream_is_marked() -> None:
    body = event({"error": {"code": 400, "message": "Thinking is not enabled for models/x", "status": "INVALID"}})
    assert decode(decoder(reasoning=True), [body])[-1] == Failure(
        ErrorReason.VALIDATION_FAILED, "Thinking is not enabled for models/x", status=400, reasoning_refused=True
    )


def test_once_something_was_said_an_error_is_the_providers() -> None:
    body = event({"error": {"code": 400, "message": "Thinking is not enabled for models/x"}})
    failure = decode(decoder(reasoning=True), [chunk({"text": "a"}), body])[-1]
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.reasoning_refused) == (ErrorReason.UPSTREAM_ERROR, False)


def test_the_key_is_in_no_message() -> None:
    body = event({"error": {"code": 400, "message": f"API key {KEY} is odd"}})
    failure = decode(decoder(), [body])[-1]
    assert isinstance(failure, Failure)
    assert KEY not in failure.message


def test_a_frame_over_the_limit_is_a_protocol_error() -> None:
    for start in (b"data: ", b"[{"):
        it = GeminiDecoder(classify=_never, frame_bytes_max=1000)
        failure = decode(it, [start, b"x" * 2000])[-1]
        assert isinstance(failure, Failure)
        assert failure.reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


def test_of_a_long_stream_only_its_last_words_are_kept() -> None:
    deltas = decode(decoder(), [chunk({"text": "a" * 1000})] * 200 + [b'{"error": {"code": 503, "message": "later"}}'])
    assert deltas[-1] == Failure(ErrorReason.UPSTREAM_RATE_LIMITED, "later", status=503)


def test_words_about_an_error_are_none() -> None:
    """A stream that was cut off inside of an event which holds the word."""
    deltas = decode(decoder(), [chunk({"text": '{"error"'})[:-4]])
    failure = deltas[-1]
    assert isinstance(failure, Failure)
    assert failure.reason is ErrorReason.UPSTREAM_TRUNCATED


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    check_grammar(decode(decoder(), [data]))
    check_grammar(decode(decoder(), [b"data: " + data + b"\n\n"]))


_KEYS = st.sampled_from(
    [
        *("candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "name", "args"),
        *("partialArgs", "jsonPath", "willContinue", "finishReason", "usageMetadata", "promptTokenCount", "index"),
        *("promptFeedback", "blockReason", "error", "message", "modelVersion", "id"),
    ]
)


@settings(max_examples=150)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
        max_leaves=20,
    )
)
def test_no_json_breaks_it(value: object) -> None:
    body = json.dumps(value).encode()
    check_grammar(decode(decoder(), [b"data: " + body + b"\n\n", STOP]))
    check_grammar(decode(decoder(), [body]))


def _never(body: ErrorBody) -> Failure:
    raise AssertionError(body)
