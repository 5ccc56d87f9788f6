"""tests/fakes/formats.py: the answers that other tests spoil are good ones, in every dialect."""

from __future__ import annotations

import json

import pytest

from cuts import check_grammar, decode
from fakes.formats import FORMATS, TEXT
from observed import calls_of, text_of
from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.delta import EndOfStream, ReasoningDelta, StreamDecoder, TextDelta
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.rows import GENERICS
from thinkaloud_server.providers.table import DIALECTS


def decoder(dialect: str) -> StreamDecoder:
    endpoint = Endpoint("it", "http://provider.example/v1", GENERICS[dialect], api_key="canary-k3y")
    return DIALECTS[dialect].decoder(endpoint, ModelRequest("m", ()))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_answer_in_every_dialect_is_understood(dialect: str) -> None:
    deltas = decode(decoder(dialect), [FORMATS[dialect].answer(reasoning='17 "times" 23', arguments='{"a": 1}')])
    check_grammar(deltas)
    assert isinstance(deltas[-1], EndOfStream)
    assert (text_of(deltas, ReasoningDelta), text_of(deltas, TextDelta)) == ('17 "times" 23', TEXT)
    assert [(name, json.loads(arguments)) for name, arguments in calls_of(deltas)] == [("f", {"a": 1})]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_without_tools_it_ends_with_stop(dialect: str) -> None:
    assembler = Assembler()
    for delta in decode(decoder(dialect), [FORMATS[dialect].answer()]):
        assembler.feed(delta)
    assembler.end()
    assert (assembler.answer.text, assembler.answer.finish) == (TEXT, "stop")
    assert assembler.answer.failure is None
