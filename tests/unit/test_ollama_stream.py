"""The decoder of `ollama`: every vector under every cut, and what no vector can show."""

from __future__ import annotations

import json
from functools import partial

import pytest

from cuts import check_grammar, decode, same_for_every_cut
from provider_vectors import Vector, as_json, read_vectors
from thinkaloud_server.core.delta import EndOfStream, Failure, Finish, StreamDecoder, TextDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.ollama import OLLAMA
from thinkaloud_server.providers.ollama.stream import OllamaDecoder
from thinkaloud_server.providers.table import vendor_named

VECTORS = read_vectors("ollama")
KEY = "canary-k3y-of-the-provider"


def decoder(*, reasoning: bool = False) -> StreamDecoder:
    endpoint = Endpoint("it", "http://provider.example", vendor_named("ollama"), api_key=KEY)
    return OLLAMA.decoder(endpoint, ModelRequest("m", (), reasoning=ReasoningControl("high") if reasoning else None))


def line(text: str) -> bytes:
    return json.dumps({"model": "m", "message": {"role": "assistant", "content": text}, "done": False}).encode() + b"\n"


DONE = b'{"model":"m","message":{"content":""},"done":true,"done_reason":"stop"}\n'


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_gives_its_deltas_however_it_is_cut(vector: Vector) -> None:
    new = partial(OLLAMA.decoder, vector.endpoint, vector.request)
    deltas = same_for_every_cut(new, vector.response, random_cuts=15) if vector.response else decode(new(), [b""])
    assert [as_json(delta) for delta in deltas] == list(vector.deltas)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_cut_off_anywhere_never_ends_well_before_it_is_done(vector: Vector) -> None:
    for size in range(len(vector.response)):
        deltas = decode(OLLAMA.decoder(vector.endpoint, vector.request), [vector.response[:size]])
        check_grammar(deltas)
        if isinstance(deltas[-1], EndOfStream):
            assert b'"done":true' in vector.response[:size]
            assert any(isinstance(delta, Finish) for delta in deltas)


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 45


def test_the_last_line_ends_the_answer_before_the_connection_does() -> None:
    it = decoder()
    assert isinstance(it.feed(line("a") + DONE)[-1], EndOfStream)
    assert list(it.feed(line("b"))) == []
    assert list(it.end()) == []


def test_a_line_that_never_ends_is_refused() -> None:
    it = OllamaDecoder(classify=lambda body: Failure(ErrorReason.UPSTREAM_ERROR, body.message), line_bytes_max=64)
    deltas = it.feed(b'{"message":{"content":"' + b"x" * 64)
    assert isinstance(deltas[-1], Failure)
    assert deltas[-1].reason is ErrorReason.UPSTREAM_PROTOCOL_ERROR


def test_an_error_after_something_was_said_is_never_the_requests_fault() -> None:
    error = b'{"error":"\\"m\\" does not support thinking"}\n'
    first = decode(decoder(reasoning=True), [error])[-1]
    later = decode(decoder(reasoning=True), [line("a") + error])[-1]
    assert isinstance(first, Failure)
    assert isinstance(later, Failure)
    assert first.reasoning_refused
    assert (later.reason, later.reasoning_refused) == (ErrorReason.UPSTREAM_ERROR, False)


def test_an_error_shows_no_key_and_no_host() -> None:
    failure = decode(decoder(), [f'{{"error":"at provider.example with {KEY}"}}\n'.encode()])[-1]
    assert isinstance(failure, Failure)
    assert KEY not in failure.message
    assert "provider.example" not in failure.message


def test_one_value_is_read_as_one_line() -> None:
    """What a base class would hand over, were the first byte believed."""
    it = OllamaDecoder(classify=lambda body: Failure(ErrorReason.UPSTREAM_ERROR, body.message))
    out: list[object] = []
    it._value(line("a").strip(), out)  # type: ignore[arg-type]  # a list of deltas
    assert TextDelta("a") in out
    assert isinstance(out[-1], Failure)


def test_nothing_that_stands_for_an_error_but_says_nothing_is_one() -> None:
    body = b'{"error":"","model":"m","message":{"content":"a"},"done":false}\n' + DONE
    assert isinstance(decode(decoder(), [body])[-1], EndOfStream)
