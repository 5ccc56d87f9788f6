"""The decoder of `openai-chat`: every vector under every cut, and what no vector can show."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cuts import check_grammar, decode, same_for_every_cut
from provider_vectors import Vector, as_json, read_vectors
from thinkaloud_server.core.delta import (
    EndOfStream,
    Failure,
    Finish,
    StateDelta,
    StreamDecoder,
    TextDelta,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.error_body import ErrorBody
from thinkaloud_server.providers.openai_chat import OPENAI_CHAT
from thinkaloud_server.providers.openai_chat.stream import ChatDecoder
from thinkaloud_server.providers.table import vendor_named
from thinkaloud_server.providers.vendors import Vendor

VECTORS = read_vectors("openai-chat")
KEY = "canary-k3y-of-the-provider"


def decoder(vendor: str | Vendor = "generic", *, reasoning: bool = False) -> StreamDecoder:
    row = vendor_named(vendor, "openai-chat") if isinstance(vendor, str) else vendor
    endpoint = Endpoint("it", "http://provider.example/v1", row, api_key=KEY)
    control = ReasoningControl("high") if reasoning else None
    return OPENAI_CHAT.decoder(endpoint, ModelRequest("m-1", (), reasoning=control))


def chunk(**delta: object) -> bytes:
    return (
        b"data: "
        + json.dumps({"id": "1", "model": "m-1", "choices": [{"index": 0, "delta": delta}]}).encode()
        + b"\n\n"
    )


STOP = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_gives_its_deltas_however_it_is_cut(vector: Vector) -> None:
    new = partial(OPENAI_CHAT.decoder, vector.endpoint, vector.request)
    deltas = same_for_every_cut(new, vector.response, random_cuts=15) if vector.response else decode(new(), [b""])
    assert [as_json(delta) for delta in deltas] == list(vector.deltas)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_cut_off_anywhere_never_ends_well_before_its_finish(vector: Vector) -> None:
    for size in range(0, len(vector.response), 7):
        deltas = decode(OPENAI_CHAT.decoder(vector.endpoint, vector.request), [vector.response[:size]])
        check_grammar(deltas)
        if isinstance(deltas[-1], EndOfStream):
            marked = b"[DONE]" in vector.response[:size]
            assert marked or any(isinstance(delta, Finish) for delta in deltas)


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 70


def test_nothing_is_read_after_the_end_mark() -> None:
    it = decoder()
    first = it.feed(chunk(content="a") + STOP + DONE + chunk(content="b"))
    assert isinstance(first[-1], EndOfStream)
    assert list(it.feed(chunk(content="c"))) == []
    assert list(it.end()) == []


def test_nothing_is_read_after_a_failure() -> None:
    it = decoder()
    first = it.feed(b'data: {"error":"no"}\n\n' + chunk(content="b") + DONE)
    assert [type(delta) for delta in first] == [Failure]
    assert list(it.feed(STOP + DONE)) == []
    assert list(it.end()) == []


def test_text_is_passed_on_with_the_chunk_that_it_came_in() -> None:
    it = decoder()
    assert TextDelta("a") in it.feed(chunk(content="a"))
    assert list(it.feed(chunk(content="b"))) == [TextDelta("b")]


def test_a_frame_over_the_limit_is_a_protocol_error() -> None:
    it = ChatDecoder(finish_optional=False, replay=(), classify=_never, frame_bytes_max=1000)
    deltas = decode(it, [b"data: ", b"x" * 2000])
    assert _reasons(deltas) == [ErrorReason.UPSTREAM_PROTOCOL_ERROR]


def test_a_whole_answer_over_the_limit_is_a_protocol_error() -> None:
    it = ChatDecoder(finish_optional=False, replay=(), classify=_never, frame_bytes_max=1000)
    assert _reasons(decode(it, [b"{", b" " * 2000])) == [ErrorReason.UPSTREAM_PROTOCOL_ERROR]


def test_a_long_stream_of_small_frames_is_under_the_limit() -> None:
    it = ChatDecoder(finish_optional=False, replay=(), classify=_never, frame_bytes_max=1000)
    deltas = decode(it, [chunk(content="a" * 100)] * 50 + [STOP, DONE])
    assert isinstance(deltas[-1], EndOfStream)


def _never(body: ErrorBody) -> Failure:
    raise AssertionError(body)


def _reasons(deltas: list[object] | object) -> list[ErrorReason]:
    assert isinstance(deltas, list)
    return [delta.reason for delta in deltas if isinstance(delta, Failure)]


@pytest.mark.parametrize(
    ("vendor", "ends_well"),
    [("generic", True), ("snowflake", True), ("vllm", True), ("openai", False), ("openrouter", False)],
)
def test_the_end_mark_without_a_finish_is_believed_as_the_row_says(vendor: str, ends_well: bool) -> None:
    deltas = decode(decoder(vendor), [chunk(content="a") + DONE])
    assert isinstance(deltas[-1], EndOfStream) is ends_well


def test_the_end_mark_is_not_believed_after_an_error_line() -> None:
    deltas = decode(decoder(), [chunk(content="a") + b'error: {"message":"failed to decode"}\n\n' + DONE])
    assert isinstance(deltas[-1], Failure)
    assert "failed to decode" in deltas[-1].message


def test_the_state_comes_before_the_end_and_never_with_a_failure() -> None:
    detail = {"type": "reasoning.encrypted", "data": "abc", "index": 0}
    good = decode(decoder("openrouter"), [chunk(reasoning_details=[detail]) + STOP + DONE])
    assert [type(delta) for delta in good[-2:]] == [StateDelta, EndOfStream]
    bad = decode(decoder("openrouter"), [chunk(reasoning_details=[detail])])
    assert not any(isinstance(delta, StateDelta) for delta in bad)


def test_a_refused_control_is_one_only_where_one_was_sent_and_nothing_said() -> None:
    error = b'data: {"error":{"message":"Unsupported parameter: reasoning_effort","code":400}}\n\n'
    sent = decode(decoder(reasoning=True), [error])[-1]
    not_sent = decode(decoder(), [error])[-1]
    said = decode(decoder(reasoning=True), [chunk(content="a") + error])[-1]
    assert isinstance(sent, Failure)
    assert isinstance(not_sent, Failure)
    assert isinstance(said, Failure)
    assert (sent.reasoning_refused, not_sent.reasoning_refused, said.reasoning_refused) == (True, False, False)
    assert (sent.reason, said.reason) == (ErrorReason.VALIDATION_FAILED, ErrorReason.UPSTREAM_ERROR)


def test_an_overloaded_provider_that_has_said_something_is_not_to_be_asked_again() -> None:
    error = b'data: {"error":{"message":"overloaded","code":503}}\n\n'
    before, after = decode(decoder(), [error])[-1], decode(decoder(), [chunk(content="a") + error])[-1]
    assert isinstance(before, Failure)
    assert isinstance(after, Failure)
    assert (before.unprocessed, after.unprocessed) == (True, False)


@pytest.mark.parametrize(
    "body",
    [
        f'data: {{"error":{{"message":"bad key {KEY}"}}}}\n\n',
        f"event: error\ndata: key {KEY}\n\n",
        f'{{"detail":"Invalid API key: {KEY}"}}',
        f'error: {{"message":"{KEY} is wrong"}}\n\n',
        f"data: garbage {KEY}\n\n",
        f"<html><title>{KEY}</title></html>",
        f'data: {{"choices":[{{"index":0,"finish_reason":"error","delta":{{"content":null}}}}],"x":"{KEY}"}}\n\n',
    ],
)
def test_the_key_is_in_no_failure(body: str) -> None:
    deltas = decode(decoder(), [body.encode()])
    assert isinstance(deltas[-1], Failure)
    assert KEY not in repr(deltas)
    assert KEY not in deltas[-1].message


def test_the_key_is_in_no_repr_of_decoder_endpoint_or_request() -> None:
    endpoint = Endpoint(
        "it", "http://h/v1", vendor_named("azure", "openai-chat"), api_key=KEY, headers=(("x-auth", KEY),)
    )
    request = ModelRequest("m-1", ())
    built = OPENAI_CHAT.request(endpoint, request)
    for thing in (endpoint, built, OPENAI_CHAT.listing(endpoint), OPENAI_CHAT.decoder(endpoint, request), OPENAI_CHAT):
        assert KEY not in repr(thing)


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    check_grammar(decode(decoder(), [data]))
    check_grammar(decode(decoder(), [b"data: " + data + b"\n\n", STOP]))


_KEYS = st.sampled_from(
    [
        *("choices", "delta", "content", "reasoning", "reasoning_content", "reasoning_details", "tool_calls", "id"),
        *("function", "name", "arguments", "index", "finish_reason", "usage", "error", "message", "detail", "type"),
        *("metadata", "raw", "code", "loc", "x_groq", "base_resp", "text", "thinking", "signature", "refusal"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500)
@given(st.lists(st.dictionaries(_KEYS, JSON, max_size=4), max_size=4))
def test_no_json_makes_it_raise(values: list[dict[str, object]]) -> None:
    body = b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)
    check_grammar(decode(decoder("openrouter", reasoning=True), [body]))
    check_grammar(decode(decoder("deepseek", reasoning=True), [body.removeprefix(b"data: ")]))


@settings(max_examples=300)
@given(JSON)
@example({"reasoning": "0", "reasoning_details": True})
def test_no_choice_makes_it_raise(value: object) -> None:
    body = json.dumps({"id": "1", "choices": [{"index": 0, "delta": value, "finish_reason": value}]}).encode()
    check_grammar(decode(decoder("openrouter"), [b"data: " + body + b"\n\n", STOP]))


def test_deep_nesting_is_a_failure_and_no_crash() -> None:
    nested = b"[" * 100_000 + b"]" * 100_000
    deep = b'{"choices":' + nested + b"}"
    deeper = b'{"choices":[{"index":0,"delta":{"content":' + nested + b"}}]}"
    for body in (b"data: " + deep + b"\n\n", deep, b"data: " + deeper + b"\n\n", deeper):
        deltas = decode(decoder(), [body])
        assert isinstance(deltas[-1], Failure)
