"""The decoder of `openai-responses`: every vector under every cut, and what no vector can show."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cuts import check_grammar, decode, joined, same_for_every_cut
from provider_vectors import Vector, as_json, read_vectors
from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    Finish,
    ReasoningDelta,
    StateDelta,
    StreamDecoder,
    TextDelta,
)
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.error_body import ErrorBody
from thinkaloud_server.providers.openai_responses import OPENAI_RESPONSES
from thinkaloud_server.providers.openai_responses.stream import ResponsesDecoder
from thinkaloud_server.providers.table import vendor_named

VECTORS = read_vectors("openai-responses")
KEY = "canary-k3y-of-the-provider"


def decoder(vendor: str = "generic", *, reasoning: bool = False) -> StreamDecoder:
    endpoint = Endpoint("it", "http://provider.example/v1", vendor_named(vendor, "openai-responses"), api_key=KEY)
    control = ReasoningControl("high") if reasoning else None
    return OPENAI_RESPONSES.decoder(endpoint, ModelRequest("m-1", (), reasoning=control))


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def text(delta: str) -> bytes:
    return event("response.output_text.delta", output_index=0, content_index=0, delta=delta)


def summary(delta: str, index: int, place: int = 0) -> bytes:
    return event("response.reasoning_summary_text.delta", output_index=place, summary_index=index, delta=delta)


COMPLETED = event("response.completed", response={"id": "r", "status": "completed"})


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_gives_its_deltas_however_it_is_cut(vector: Vector) -> None:
    new = partial(OPENAI_RESPONSES.decoder, vector.endpoint, vector.request)
    deltas = same_for_every_cut(new, vector.response, random_cuts=15) if vector.response else decode(new(), [b""])
    assert [as_json(delta) for delta in deltas] == list(vector.deltas)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_cut_off_anywhere_never_ends_well_before_its_finish(vector: Vector) -> None:
    for size in range(0, len(vector.response), 11):
        deltas = decode(OPENAI_RESPONSES.decoder(vector.endpoint, vector.request), [vector.response[:size]])
        check_grammar(deltas)
        if isinstance(deltas[-1], EndOfStream):
            assert any(isinstance(delta, Finish) for delta in deltas)
            assert b'"status": "completed"' in vector.response[:size] or b'"response.' in vector.response[:size]


def test_there_are_vectors() -> None:
    assert len(VECTORS) > 80


def test_nothing_is_read_after_the_last_event() -> None:
    it = decoder()
    first = it.feed(text("a") + COMPLETED + text("b"))
    assert isinstance(first[-1], EndOfStream)
    assert list(it.feed(text("c"))) == []
    assert list(it.end()) == []


def test_nothing_is_read_after_a_failure() -> None:
    it = decoder()
    first = it.feed(event("error", code="server_error", message="no") + text("b") + COMPLETED)
    assert [type(delta) for delta in first] == [Failure]
    assert list(it.feed(COMPLETED)) == []
    assert list(it.end()) == []


def test_text_is_passed_on_with_the_chunk_that_it_came_in() -> None:
    it = decoder()
    assert list(it.feed(text("a"))) == [TextDelta("a")]
    assert list(it.feed(summary("b", 0, 1))) == [ReasoningDelta("b", "summary")]


def test_the_assembler_sets_the_paragraphs_of_summaries_apart() -> None:
    assembler = Assembler()
    body = summary("One", 0) + summary("Two", 1) + summary("Three", 0, 1) + text("Hi") + COMPLETED
    for delta in decode(decoder(), [body]):
        assembler.feed(delta)
    assembler.end()
    assert assembler.answer.reasoning == "One\n\nTwo\n\nThree"


def test_a_frame_over_the_limit_is_a_protocol_error() -> None:
    it = ResponsesDecoder(keeps_reasoning=False, classify=_never, frame_bytes_max=1000)
    assert _reasons(decode(it, [b"data: ", b"x" * 2000])) == [ErrorReason.UPSTREAM_PROTOCOL_ERROR]


def test_a_whole_answer_over_the_limit_is_a_protocol_error() -> None:
    it = ResponsesDecoder(keeps_reasoning=False, classify=_never, frame_bytes_max=1000)
    assert _reasons(decode(it, [b"{", b" " * 2000])) == [ErrorReason.UPSTREAM_PROTOCOL_ERROR]


def test_a_long_stream_of_small_frames_is_under_the_limit() -> None:
    it = ResponsesDecoder(keeps_reasoning=False, classify=_never, frame_bytes_max=1000)
    assert isinstance(decode(it, [text("a" * 100)] * 50 + [COMPLETED])[-1], EndOfStream)


def _never(body: ErrorBody) -> Failure:
    raise AssertionError(body)


def _reasons(deltas: list[Delta]) -> list[ErrorReason]:
    return [delta.reason for delta in deltas if isinstance(delta, Failure)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (text("a"), ErrorReason.UPSTREAM_TRUNCATED),
        (text("a") + b"data: [DONE]\n\n", ErrorReason.UPSTREAM_TRUNCATED),
        (text("a") + b'data: {"type":"response.comp', ErrorReason.UPSTREAM_TRUNCATED),
        (text("a") + b"data: garbage\n\n" + COMPLETED, ErrorReason.UPSTREAM_PROTOCOL_ERROR),
        (b"", ErrorReason.UPSTREAM_TRUNCATED),
    ],
)
def test_a_stream_that_does_not_say_that_it_is_done_is_no_answer(body: bytes, reason: ErrorReason) -> None:
    for vendor in ("generic", "vllm", "openai"):
        deltas = decode(decoder(vendor), [body])
        assert _reasons(deltas) == [reason]
        assert not any(isinstance(delta, StateDelta) for delta in deltas)


def test_a_last_event_without_its_empty_line_counts() -> None:
    assert isinstance(decode(decoder(), [text("a") + COMPLETED.rstrip(b"\n")])[-1], EndOfStream)


def test_the_state_comes_before_the_end_and_never_with_a_failure() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E"}
    answer = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Hi"}]}
    items = event("response.output_item.done", output_index=0, item=reasoning)
    items += event("response.output_item.done", output_index=1, item=answer)
    good = decode(decoder("openai"), [items + COMPLETED])
    assert [type(delta) for delta in good[-2:]] == [StateDelta, EndOfStream]
    for end in (b"", event("error", message="no")):
        assert not any(isinstance(delta, StateDelta) for delta in decode(decoder("openai"), [items + end]))
    assert not any(isinstance(delta, StateDelta) for delta in decode(decoder("lmstudio"), [items + COMPLETED]))


def test_an_error_after_hidden_reasoning_is_not_of_the_request() -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E"}
    body = event("response.output_item.done", output_index=0, item=reasoning)
    deltas = decode(decoder(), [body + event("error", code="invalid_request_error", message="no")])
    assert _reasons(deltas) == [ErrorReason.UPSTREAM_ERROR]


def test_a_refused_control_is_one_only_where_one_was_sent_and_nothing_said() -> None:
    error = event("error", error={"code": "unsupported_parameter", "message": "no", "param": "reasoning.effort"})
    sent = decode(decoder(reasoning=True), [error])[-1]
    not_sent = decode(decoder(), [error])[-1]
    said = decode(decoder(reasoning=True), [text("a") + error])[-1]
    assert isinstance(sent, Failure)
    assert isinstance(not_sent, Failure)
    assert isinstance(said, Failure)
    assert (sent.reasoning_refused, not_sent.reasoning_refused, said.reasoning_refused) == (True, False, False)


@pytest.mark.parametrize(
    "body",
    [
        f'data: {{"type":"error","message":"bad key {KEY}"}}\n\n',
        f'data: {{"type":"error","error":{{"message":"bad key {KEY}"}}}}\n\n',
        f'data: {{"type":"response.failed","response":{{"error":{{"message":"{KEY}"}}}}}}\n\n',
        f"event: error\ndata: key {KEY}\n\n",
        f'{{"error":"Invalid API key: {KEY}"}}',
        f"data: garbage {KEY}\n\n",
        f"<html><title>{KEY}</title></html>",
    ],
)
def test_the_key_is_in_no_failure(body: str) -> None:
    deltas = decode(decoder(), [body.encode()])
    assert isinstance(deltas[-1], Failure)
    assert KEY not in repr(deltas)


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    check_grammar(decode(decoder(), [data]))
    check_grammar(decode(decoder(), [b"data: " + data + b"\n\n", COMPLETED]))


_TYPES = st.sampled_from(
    [
        *("response.output_text.delta", "response.output_text.done", "response.content_part.done", "error"),
        *("response.reasoning_text.delta", "response.reasoning.done", "response.reasoning_summary_text.delta"),
        *("response.reasoning_summary_part.done", "response.refusal.delta", "response.refusal.done"),
        *("response.function_call_arguments.delta", "response.function_call_arguments.done"),
        *("response.output_item.added", "response.output_item.done", "response.created", "response.failed"),
        *("response.completed", "response.incomplete"),
    ]
)
_KEYS = st.sampled_from(
    [
        *("delta", "text", "item", "part", "response", "output", "content", "summary", "type", "id", "call_id", "name"),
        *("arguments", "output_index", "content_index", "summary_index", "item_id", "status", "error", "usage"),
        *("incomplete_details", "reason", "encrypted_content", "refusal", "code", "message", "object", "model"),
    ]
)
_WORDS = st.sampled_from(["reasoning", "message", "function_call", "output_text", "refusal", "summary_text", "a", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500)
@given(st.lists(st.tuples(_TYPES, st.dictionaries(_KEYS, JSON, max_size=5)), max_size=5))
def test_no_json_makes_it_raise_and_cuts_never_show(events: list[tuple[str, dict[str, object]]]) -> None:
    body = b"".join(_event(kind, fields) for kind, fields in events)
    whole = decode(decoder("openai", reasoning=True), [body])
    check_grammar(whole)
    halves = decode(decoder("openai", reasoning=True), [body[: len(body) // 2], body[len(body) // 2 :]])
    assert joined(halves) == joined(whole)


def _event(kind: str, fields: dict[str, object]) -> bytes:
    return b"data: " + json.dumps({**fields, "type": kind}).encode() + b"\n\n"


@settings(max_examples=300)
@given(st.dictionaries(_KEYS, JSON, max_size=6))
def test_no_response_object_makes_it_raise(value: dict[str, object]) -> None:
    check_grammar(decode(decoder("openai"), [json.dumps({**value, "object": "response"}).encode()]))
    check_grammar(decode(decoder("openai"), [json.dumps(value).encode()]))


def test_deep_nesting_is_a_failure_and_no_crash() -> None:
    deep = b'{"type":"response.output_text.delta","delta":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    for body in (b"data: " + deep + b"\n\n", deep):
        assert isinstance(decode(decoder(), [body])[-1], Failure)
