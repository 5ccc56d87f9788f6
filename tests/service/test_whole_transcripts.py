"""Every recorded stream, served by a real HTTP server in many cuts, out of `Chat` over a real gRPC socket.

Twice judged: what the wire said, by `observed` (tests/observed.py); and what Chat told of it, by what the wire said
and by rules written here that know nothing of the splitter of think tags.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from cuts import decode
from fakes.replay import House, Told, cuts_of, replaying, reply_of
from observed import UNREAD, calls_of, differences, digest, expected, one_after_another, same_calls, text_of
from recorded import (
    ALL_STREAMS,
    DIFFERS,
    FAILED,
    FINISH_CONTRADICTS,
    INLINE_TAGS,
    Recorded,
    each_of_all,
    needs_recorded,
)
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Failure,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    UsageReport,
)
from thinkaloud_server.providers.table import DIALECTS

pytestmark = needs_recorded

BLOCK = re.compile(r"\s*<(think|thinking|thought|reason|reasoning)>\s*(.*?)\s*</\1>[\r\n]*(.*)", re.DOTALL)
ORPHAN = re.compile(r"[\r\n]*</(think|thinking|thought|reason|reasoning)>[\r\n]*")


@pytest.fixture
async def house(stream: Recorded, tmp_path: Path) -> AsyncIterator[House]:
    async with replaying([stream], tmp_path) as house:
        yield house


def check_said(stream: Recorded, deltas: list[Delta], told: Told) -> None:
    """Reasoning and text are those of the wire; of tags, what stands inside is reasoning and the rest is text."""
    said, thought = text_of(deltas, TextDelta, RefusalDelta), text_of(deltas, ReasoningDelta)
    block = None if thought else BLOCK.fullmatch(said)
    if block is not None:
        assert (told.reasoning.strip(), told.text) == block.group(2, 3)
        return
    # Parts of a summary are paragraphs: the empty line between them is ours.
    parts = {delta.part for delta in deltas if isinstance(delta, ReasoningDelta) and delta.kind == "summary"}
    paragraphs = told.reasoning if len(parts) < 2 else told.reasoning.replace("\n\n", "")
    assert paragraphs == (thought if len(parts) < 2 else thought.replace("\n\n", ""))
    assert told.text == said or (ORPHAN.search(said) and told.text == lone_tag_dropped(said))


def lone_tag_dropped(said: str) -> str:
    """An answer without its first closing tag, and without the line ends behind one that comes first."""
    found = ORPHAN.search(said)
    assert found is not None
    tag = re.search(r"</[a-z]+>", said)
    assert tag is not None
    before, after = said[: tag.start()], said[tag.end() :]
    return before + after if before.strip() else after.lstrip("\r\n")


def check_end(stream: Recorded, deltas: list[Delta], told: Told, *, alone: bool) -> None:
    """Finish and usage are the vendor's; or it is a failure, the same as event and as status."""
    if isinstance(deltas[-1], Failure):
        error = told.end.error
        assert (error.code, error.message) == (deltas[-1].reason.value, deltas[-1].message)
        assert error.partial == bool(told.reasoning or told.text or told.calls)
        assert told.status is not None
        assert (told.status.reason, told.status.request_id) == (error.code, error.request_id)
        return
    complete = told.end.complete
    assert told.status is None, told.status
    wanted = expected(stream.dialect, stream.observed).finish or "stop"
    if not alone:
        wanted = "tool_calls" if told.calls else "stop"
    if UNREAD.isdisjoint(stream.observed["reasoning_fields"]):
        assert complete.finish_reason == wanted or "finish" in DIFFERS.get(stream.name, ((),))[0]
    usages = [delta.usage for delta in deltas if isinstance(delta, UsageReport)]
    counted = (usages[-1].input_tokens, usages[-1].output_tokens) if usages else (0, 0)
    assert (complete.usage.input_tokens, complete.usage.output_tokens) == counted
    # Who asks for reasoning is shown it in place of an answer that never came.
    assert complete.response == (told.reasoning if complete.reasoning_only else told.text)
    assert complete.reasoning == told.reasoning
    assert [[call.name, call.arguments] for call in complete.tool_calls] == told.calls
    assert complete.reasoning_only == (bool(told.reasoning) and not told.text and not told.calls)


@each_of_all
def test_a_recorded_stream_says_what_was_observed(stream: Recorded) -> None:
    vendor = stream.vendor()
    deltas = one_after_another([decode(each.decoder(vendor), [each.body]) for each in stream.answers()])
    differs = differences(
        stream.dialect, stream.observed, deltas, body=stream.body, finish_optional=vendor.finish_optional
    )
    assert set(differs) == set(DIFFERS.get(stream.name, ((),))[0]), differs


@each_of_all
async def test_a_recorded_stream_comes_out_of_chat_alike_however_it_is_cut(stream: Recorded, house: House) -> None:
    for each in stream.answers():
        await check_answer(each, house, alone=each is stream)


async def check_answer(stream: Recorded, house: House, *, alone: bool) -> None:
    """One answer in every cut, and cut off in the middle."""
    asked = len(house.provider.requests)
    deltas = decode(stream.decoder(stream.vendor()), [stream.body])
    told = {name: await house.chat(stream, reply_of(stream, pieces)) for name, pieces in cuts_of(stream).items()}
    whole = told["whole"]
    check_said(stream, deltas, whole)
    check_end(stream, deltas, whole, alone=alone)
    assert same_calls(whole.calls, calls_of(deltas))
    for name, each in told.items():
        assert each.joined == whole.joined, name
        assert (each.status is None) == (whole.status is None), name
    if isinstance(deltas[-1], EndOfStream):
        assert len(house.provider.requests) - asked == len(told), "nothing was asked twice"
    half = await house.chat(stream, reply_of(stream, (stream.body[: len(stream.body) // 2],), ending="cut"))
    check_cut_off(half, whole)


def check_cut_off(half: Told, whole: Told) -> None:
    """An answer that is cut off in the middle ends with an error, and what was said is kept."""
    error = half.end.error
    assert error.code == "UPSTREAM_TRUNCATED" or error.code == whole.end.error.code != ""
    assert error.partial == bool(half.reasoning or half.text or half.calls)
    assert half.status is not None
    assert (half.status.reason, half.status.request_id) == (error.code, error.request_id)
    assert whole.reasoning.startswith(half.reasoning)
    assert whole.text.startswith(half.text)


@pytest.mark.parametrize("stream", [each for each in ALL_STREAMS if each.name in FAILED], ids=lambda each: each.name)
async def test_a_stream_that_failed_fails_with_the_words_of_its_provider(stream: Recorded, house: House) -> None:
    reason, words = FAILED[stream.name]
    told = await house.chat(stream, reply_of(stream, (stream.body,)))
    error = told.end.error
    assert (error.code, error.retryable, error.partial) == (reason.value, True, True)
    assert words in error.message
    assert told.status is not None
    assert (told.status.reason, told.status.code) == (reason.value, grpc.StatusCode.ABORTED)


def test_the_tables_name_streams_that_are_there_and_say_what_is_so() -> None:
    streams = {stream.name: stream for stream in ALL_STREAMS}
    assert set(streams) >= {*FAILED, *INLINE_TAGS, *FINISH_CONTRADICTS, *DIFFERS}
    for name, tag in INLINE_TAGS.items():
        stream = streams[name]
        block = BLOCK.fullmatch(text_of(decode(stream.decoder(stream.vendor()), [stream.body]), TextDelta))
        assert block is not None, name
        assert block.group(1) == tag, name


def test_every_dialect_that_is_recorded_is_replayed() -> None:
    assert {stream.dialect for stream in ALL_STREAMS} <= set(DIALECTS)
    assert digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
