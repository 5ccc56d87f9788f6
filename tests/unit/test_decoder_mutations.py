"""Every decoder on answers that nobody ever wrote: our vectors, changed at random (tests/mutations.py).

Whatever comes, a decoder raises nothing, keeps to the grammar of deltas, says the same under every cut, tells text that
can be stored, and never takes the end of the bytes for a good end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from random import Random

import pytest

from cuts import at_random, byte_by_byte, check_grammar, decode, joined
from event_stream import event
from mutations import mutated_events, mutated_lines, mutated_messages
from provider_vectors import Vector, read_vectors
from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.delta import Delta, EndOfStream, Finish, StateDelta, StreamDecoder
from thinkaloud_server.providers.table import DIALECTS

# A search of hours is one with other seeds: MUTATION_SEEDS=1000:2000.
FIRST, _, END = os.environ.get("MUTATION_SEEDS", "0:6").partition(":")
SEEDS = range(int(FIRST), int(END))

MUTATORS: Mapping[str, Callable[[bytes, Random], bytes]] = {
    "ollama": mutated_lines,
    "bedrock-converse": mutated_messages,
}
# What ends an answer well without a reason to finish, in formats or at vendors that leave it out.
END_MARKS = (b"[DONE]", b"message_stop", b"message-end", b"messageStop")


def decoder_of(dialect: str, vector: Vector) -> StreamDecoder:
    return DIALECTS[dialect].decoder(vector.endpoint, vector.request)


def streamed(dialect: str) -> list[Vector]:
    """The vectors that are streams; one JSON value or a page has no frames."""
    return [vector for vector in read_vectors(dialect) if vector.response.strip()[:1] not in (b"[", b"<", b"")]


def check(dialect: str, deltas: list[Delta], body: bytes) -> None:
    check_grammar(deltas)
    assembler = Assembler()
    for delta in deltas:
        repr(delta).encode()
        assembler.feed(delta)
        if isinstance(delta, StateDelta):
            json.loads(delta.payload)
    assembler.end()
    answer = assembler.answer
    "".join(
        (answer.text, answer.reasoning, answer.state_payload, *(call.arguments for call in answer.tool_calls))
    ).encode()
    ended_well = isinstance(deltas[-1], EndOfStream)
    if ended_well and not any(isinstance(delta, Finish) for delta in deltas):
        whole_value = body.lstrip(b"\xef\xbb\xbf \r\n").startswith((b"{", b"["))
        assert whole_value or any(mark in body for mark in END_MARKS)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_decoder_makes_sense_of_anything(dialect: str, seed: int) -> None:
    mutate = MUTATORS.get(dialect, mutated_events)
    for vector in streamed(dialect):
        random = Random(f"{vector.name} {seed}")
        body = mutate(vector.response, random)
        new = partial(decoder_of, dialect, vector)
        try:
            deltas = decode(new(), [body])
            check(dialect, deltas, body)
            expected = joined(deltas)
            assert joined(decode(new(), at_random(body, seed))) == expected
            if len(body) < 1000:
                assert joined(decode(new(), byte_by_byte(body))) == expected
        except Exception as error:
            error.add_note(f"{dialect}, {vector.name}, seed {seed}: {body!r}")
            raise


@pytest.mark.parametrize("dialect", DIALECTS)
def test_there_are_streams_of_every_dialect_to_be_changed(dialect: str) -> None:
    assert len(streamed(dialect)) > 30
    mutate = MUTATORS.get(dialect, mutated_events)
    changed = sum(mutate(vector.response, Random(vector.name)) != vector.response for vector in streamed(dialect))
    assert changed > len(streamed(dialect)) * 0.8


DEEP = (b"[" * 200_000, b'{"data":' * 50_000, b'{"data":[{"id":"a","x":' + b"[" * 100_000)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("deep", DEEP, ids=["lists", "objects", "in a listing"])
def test_json_nested_too_deep_is_a_failure_like_another(dialect: str, deep: bytes) -> None:
    """Nobody's recursion is without end, and nobody's error may be another than those that are expected."""
    vector = streamed(dialect)[0]
    for body in (deep, b"data: " + deep + b"\n\n", deep + b"\n", event("messageStart", deep)):
        check(dialect, decode(decoder_of(dialect, vector), [body]), body)
    assert DIALECTS[dialect].failure(vector.endpoint, 400, {}, deep, reasoning_sent=True).message
    with pytest.raises(ValueError):
        DIALECTS[dialect].models(vector.endpoint, deep)
