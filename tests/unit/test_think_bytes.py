"""Every case of inline think tags, cut at every byte of the stream that carries it: from the wire to the answer."""

from __future__ import annotations

import json
import re

import pytest

from cuts import byte_by_byte, decode
from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.core.think import ThinkMode
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.rows import GENERICS
from thinkaloud_server.providers.table import DIALECTS
from vectors.think_tags import CASES, ORPHANS, Joined

# Lone surrogates cannot come over a wire; so long a tag says nothing that a short one does not.
CARRIED = [case for case in CASES if len(case[2]) < 60 and not re.search("[\ud800-\udfff]", case[2])]


def body_of(text: str) -> bytes:
    """A stream of two chunks, its text as it is in UTF-8 and not as escapes."""
    half = len(text) // 2
    chunks = [{"choices": [{"index": 0, "delta": {"content": part}}]} for part in (text[:half], text[half:])]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False, separators=(',', ':'))}\n\n" for chunk in chunks]
    return ("".join(lines) + "data: [DONE]\n\n").encode()


def answer_of(mode: ThinkMode, pieces: list[bytes]) -> tuple[str, str, bool]:
    endpoint = Endpoint("it", "http://provider.example/v1", GENERICS["openai-chat"])
    assembler = Assembler(think_tags=mode)
    for delta in decode(DIALECTS["openai-chat"].decoder(endpoint, ModelRequest("m", ())), pieces):
        assembler.feed(delta)
    assembler.end()
    return assembler.answer.reasoning, assembler.answer.text, assembler.answer.orphan_close


def at_every_byte(mode: ThinkMode, text: str) -> tuple[str, str, bool]:
    body = body_of(text)
    whole = answer_of(mode, [body])
    assert answer_of(mode, byte_by_byte(body)) == whole
    for place in range(1, len(body)):
        assert answer_of(mode, [body[:place], body[place:]]) == whole, place
    return whole


@pytest.mark.parametrize(("mode", "text", "pieces"), [case[1:] for case in CARRIED], ids=[case[0] for case in CARRIED])
def test_reasoning_and_text_are_the_same_wherever_the_bytes_are_cut(mode: ThinkMode, text: str, pieces: Joined) -> None:
    reasoning = "".join(said for kind, said in pieces if kind == "reasoning")
    answer = "".join(said for kind, said in pieces if kind == "text")
    assert at_every_byte(mode, text) == (reasoning, answer, False)


@pytest.mark.parametrize(
    ("mode", "text", "left", "orphan"), [case[1:] for case in ORPHANS], ids=[case[0] for case in ORPHANS]
)
def test_orphans_too(mode: ThinkMode, text: str, left: str, orphan: bool) -> None:
    assert at_every_byte(mode, text) == ("", left, orphan)


def test_all_cases_that_were_specified_are_there() -> None:
    """Number 12, native reasoning beside tags, is in test_think.py, where there is more than text."""
    numbers = {int(found[0]) for case in CASES if (found := re.match(r"\d+", case[0]))}
    assert numbers == {*range(1, 15)} - {12}
