"""A dialect made of its functions: what each is given, and what nearly all share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cuts import decode
from fakes.line_dialect import LineDialect
from thinkaloud_server.core.delta import Failure
from thinkaloud_server.core.request import ModelInfo, ModelRequest, ReasoningControl
from thinkaloud_server.providers.dialect import Dialect, Endpoint
from thinkaloud_server.providers.table import DIALECTS, vendor_named
from thinkaloud_server.providers.wire_format import WireFormat

ENDPOINT = Endpoint("it", "http://h/v1", vendor_named("generic", "openai-chat"))
MODEL = ModelInfo("m", "it")


def test_unless_said_otherwise_a_listing_says_it_all_and_a_body_is_the_body() -> None:
    it = replace(_format("openai-chat"), name="it")
    assert it.detail(ENDPOINT, MODEL) is None
    assert it.detailed(ENDPOINT, MODEL, b"{}") is MODEL
    assert it.error_body({}, b"x") == b"x"


def test_a_body_may_be_completed_by_the_headers() -> None:
    it = replace(_format("openai-chat"), error_body=lambda headers, body: headers["why"].encode() + body)
    failure = it.failure(ENDPOINT, 400, {"why": "so "}, b"it is", reasoning_sent=False)
    assert failure.message == "so it is"


@pytest.mark.parametrize("reasoning", [None, ReasoningControl("high")])
def test_an_error_in_the_stream_is_judged_by_the_request_that_it_answers(reasoning: ReasoningControl | None) -> None:
    decoder = _format("openai-chat").decoder(ENDPOINT, ModelRequest("m", (), reasoning=reasoning))
    body = b'data: {"error":{"message":"Unsupported parameter: reasoning_effort","code":400}}\n\n'
    failure = decode(decoder, [body])[-1]
    assert isinstance(failure, Failure)
    assert failure.reasoning_refused == (reasoning is not None)


def test_every_dialect_of_the_table_goes_by_its_own_name() -> None:
    dialects: list[Dialect] = [*DIALECTS.values(), LineDialect()]
    assert [dialect.name for dialect in dialects] == [*DIALECTS, "lines"]


def _format(name: str) -> WireFormat:
    it = DIALECTS[name]
    assert isinstance(it, WireFormat)
    return it
