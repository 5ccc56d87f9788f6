"""The decoder of `anthropic-messages`: every vector under every cut, and what no vector can show."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuts import check_grammar, decode, same_for_every_cut
from provider_vectors import Vector, as_json, read_vectors
from thinkaloud_server.core.delta import EndOfStream, Failure, Finish, ReasoningDelta, StreamDecoder, TextDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.anthropic_messages import ANTHROPIC_MESSAGES
from thinkaloud_server.providers.anthropic_messages.stream import MessagesDecoder
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.error_body import ErrorBody
from thinkaloud_server.providers.table import vendor_named

VECTORS = read_vectors("anthropic-messages")
KEY = "canary-k3y-of-the-provider"


def decoder(*, reasoning: bool = False) -> StreamDecoder:
    endpoint = Endpoint("it", "http://provider.example", vendor_named("anthropic"), api_key=KEY)
    control = ReasoningControl("high") if reasoning else None
    return ANTHROPIC_MESSAGES.decoder(endpoint, ModelRequest("claude-opus-4-8", (), reasoning=control))


def event(name: str, **fields: object) -> bytes:
    return f"event: {name}\ndata: ".encode() + json.dumps({"type": name, **fields}).encode() + b"\n\n"


def said(index: int, kind: str, text: str) -> bytes:
    return event("content_block_delta", index=index, delta={"type": f"{kind}_delta", kind: text})


STOP = event("message_delta", delta={"stop_reason": "end_turn"}) + event("message_stop")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_gives_its_deltas_however_it_is_cut(vector: Vector) -> None:
    new = partial(ANTHROPIC_MESSAGES.decoder, vector.endpoint, vector.request)
    deltas = same_for_every_cut(new, vector.response, random_cuts=15) if vector.response else decode(new(), [b""])
    assert [as_json(delta) for delta in deltas] == list(vector.deltas)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_cut_off_anywhere_never_ends_well_before_its_finish(vector: Vector) -> None:
    for size in range(0, len(vector.response), 7):
        deltas = decode(ANTHROPIC_MESSAGES.decoder(vector.endpoint, vector.request), [vector.response[:size]])
        check_grammar(deltas)
        if isinstance(deltas[-1], EndOfStream):
            marked = vector.endpoint.vendor.finish_optional and b"message_stop" in vector.response[:size]
            assert marked or any(isinstance(delta, Finish) for delta in deltas)


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 70


def test_nothing_is_read_after_the_end_mark() -> None:
    it = decoder()
    first = it.feed(said(0, "text", "a") + STOP + said(0, "text", "b"))
    assert isinstance(first[-1], EndOfStream)
    assert list(it.feed(said(0, "text", "c"))) == []
    assert list(it.end()) == []


def test_a_delta_comes_out_as_soon_as_its_event_is_whole() -> None:
    it = decoder()
    assert list(it.feed(said(0, "thinking", "Hm")[:-1])) == []
    assert list(it.feed(b"\n")) == [ReasoningDelta("Hm")]
    assert list(it.feed(said(1, "text", "4"))) == [TextDelta("4", 1)]


def test_a_refused_control_is_told_apart_from_another_refusal() -> None:
    words = {"type": "invalid_request_error", "message": "adaptive thinking is not supported on this model"}
    refusal = event("error", error=words)
    for asked in (True, False):
        failure = decode(decoder(reasoning=asked), [refusal])[-1]
        assert isinstance(failure, Failure)
        assert failure.reasoning_refused is asked


def test_an_error_that_quotes_the_key_does_not_pass_it_on() -> None:
    for body in (
        event("error", error={"type": "authentication_error", "message": f"bad key {KEY}"}),
        json.dumps({"type": "error", "error": {"message": f"bad key {KEY}"}}).encode(),
        f"event: error\ndata: bad key {KEY}\n\n".encode(),
    ):
        failure = decode(decoder(), [body])[-1]
        assert isinstance(failure, Failure)
        assert KEY not in failure.message


def test_a_frame_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    def classify(body: ErrorBody) -> Failure:
        raise AssertionError(body)

    it = MessagesDecoder(finish_optional=False, classify=classify, frame_bytes_max=1000)
    deltas = decode(it, [b"data: " + b"x" * 400] * 4)
    assert isinstance(deltas[-1], Failure)
    assert deltas[-1].reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["text", "thinking"]), st.text(max_size=8)), max_size=20), st.integers(1, 40))
def test_no_text_is_lost_or_doubled_whatever_is_interleaved(parts: list[tuple[str, str]], size: int) -> None:
    body = b"".join(said(index % 3, kind, text) for index, (kind, text) in enumerate(parts)) + STOP
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    deltas = decode(decoder(), pieces)
    for kind, type_ in (("text", TextDelta), ("thinking", ReasoningDelta)):
        told = "".join(delta.text for delta in deltas if isinstance(delta, type_))
        assert told == "".join(text for part, text in parts if part == kind)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([vector.response for vector in VECTORS]).map(lambda body: body[: len(body) // 2]),
            st.recursive(
                st.one_of(st.none(), st.integers(-9, 2**40), st.text(max_size=5), st.booleans()),
                lambda inner: st.one_of(
                    st.lists(inner, max_size=3),
                    st.dictionaries(
                        st.sampled_from(
                            ["type", "index", "delta", "content_block", "message", "usage", "error", "text", "input"]
                        ),
                        inner,
                        max_size=5,
                    ),
                ),
            ).map(lambda value: f"event: message\ndata: {json.dumps(value)}\n\n".encode()),
        ),
        max_size=5,
    )
)
def test_no_bytes_make_it_raise(pieces: list[bytes]) -> None:
    check_grammar(decode(decoder(), pieces))
