"""The decoder of `bedrock-converse`: every vector under every cut, and what no vector can show."""

from __future__ import annotations

from functools import partial

import pytest

from bedrock_vectors import ANSWERS, START, end, exception, text
from cuts import check_grammar, decode, same_for_every_cut
from provider_vectors import Vector, as_json, read_vectors
from thinkaloud_server.core.delta import EndOfStream, Failure, Finish, StreamDecoder
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.bedrock_converse import BEDROCK_CONVERSE
from thinkaloud_server.providers.bedrock_converse.stream import ConverseDecoder
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import vendor_named

VECTORS = read_vectors("bedrock-converse")
KEY = "canary-k3y-of-the-provider"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def decoder(*, reasoning: bool = False) -> StreamDecoder:
    endpoint = Endpoint("it", "https://bedrock.example", vendor_named("bedrock", "bedrock-converse"), api_key=KEY)
    control = ReasoningControl("high") if reasoning else None
    return BEDROCK_CONVERSE.decoder(endpoint, ModelRequest(CLAUDE, (), reasoning=control))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_gives_its_deltas_however_it_is_cut(vector: Vector) -> None:
    new = partial(BEDROCK_CONVERSE.decoder, vector.endpoint, vector.request)
    deltas = same_for_every_cut(new, vector.response, random_cuts=15) if vector.response else decode(new(), [b""])
    assert [as_json(delta) for delta in deltas] == list(vector.deltas)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_cut_off_anywhere_never_ends_well_before_its_finish(vector: Vector) -> None:
    for size in range(0, len(vector.response), 3):
        deltas = decode(BEDROCK_CONVERSE.decoder(vector.endpoint, vector.request), [vector.response[:size]])
        check_grammar(deltas)
        if isinstance(deltas[-1], EndOfStream):
            assert any(isinstance(delta, Finish) for delta in deltas)


def test_the_vectors_are_what_their_script_writes() -> None:
    assert {vector.name: vector.response for vector in VECTORS} == ANSWERS
    assert len(VECTORS) >= 50


def test_the_usage_ends_the_answer_before_the_connection_does() -> None:
    it = decoder()
    assert isinstance(it.feed(START + text("a") + end())[-1], EndOfStream)
    assert list(it.feed(text("b"))) == []
    assert list(it.end()) == []


def test_a_message_that_is_too_long_is_refused() -> None:
    it = ConverseDecoder(classify=lambda body: Failure(ErrorReason.UPSTREAM_ERROR, body.message), frame_bytes_max=500)
    deltas = it.feed(text("x" * 500))
    assert isinstance(deltas[-1], Failure)
    assert deltas[-1].reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


def test_a_refused_control_is_seen_before_anything_was_said_and_not_after() -> None:
    refusal = exception("validationException", "extraneous key [thinking] is not permitted")
    first = decode(decoder(reasoning=True), [START + refusal])[-1]
    later = decode(decoder(reasoning=True), [START + text("a") + refusal])[-1]
    unasked = decode(decoder(), [START + refusal])[-1]
    assert [it.reasoning_refused for it in (first, later, unasked) if isinstance(it, Failure)] == [True, False, False]


def test_an_error_shows_no_key_and_no_host() -> None:
    failure = decode(decoder(), [exception("validationException", f"bedrock.example and {KEY}")])[-1]
    assert isinstance(failure, Failure)
    assert KEY not in failure.message
    assert "bedrock.example" not in failure.message
