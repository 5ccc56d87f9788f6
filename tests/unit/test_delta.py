"""Neighbouring text of one batch is joined before it is worked on, and nothing is lost or moved by that."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.assembler import Assembler
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    Finish,
    ReasoningDelta,
    ResponseInfo,
    TextDelta,
    ToolCallDelta,
    joined,
)
from thinkaloud_server.core.event import Reasoning, Token

INFO, END = ResponseInfo("m"), EndOfStream()
CALL = ToolCallDelta(0, "call_1", "add")


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([TextDelta("a")], [(TextDelta("a"), 1)], id="one"),
        pytest.param(
            [INFO, TextDelta("a"), TextDelta("b"), TextDelta("c"), END],
            [(INFO, 1), (TextDelta("abc"), 3), (END, 1)],
            id="text among others",
        ),
        pytest.param([TextDelta("a"), TextDelta("b")], [(TextDelta("ab"), 2)], id="text to the end"),
        pytest.param(
            [TextDelta("a"), TextDelta("b", 1), TextDelta("c", 1)],
            [(TextDelta("a"), 1), (TextDelta("bc", 1), 2)],
            id="parts stay apart",
        ),
        pytest.param(
            [ReasoningDelta("a"), ReasoningDelta("b"), TextDelta("c"), ReasoningDelta("d")],
            [(ReasoningDelta("ab"), 2), (TextDelta("c"), 1), (ReasoningDelta("d"), 1)],
            id="reasoning and text stay apart",
        ),
        pytest.param(
            [ReasoningDelta("a", "summary"), ReasoningDelta("b", "raw")],
            [(ReasoningDelta("a", "summary"), 1), (ReasoningDelta("b", "raw"), 1)],
            id="kinds stay apart",
        ),
        pytest.param(
            [TextDelta("a"), CALL, TextDelta("b"), Finish("stop")],
            [(TextDelta("a"), 1), (CALL, 1), (TextDelta("b"), 1), (Finish("stop"), 1)],
            id="what stands between them",
        ),
        pytest.param(
            [TextDelta("a"), TextDelta("</think>"), TextDelta("b"), TextDelta("c")],
            [(TextDelta("a"), 1), (TextDelta("</think>"), 1), (TextDelta("bc"), 2)],
            id="a tag stands alone",
        ),
    ],
)
def test_neighbours_that_go_on_with_one_text_are_one(deltas: list[Delta], expected: list[tuple[Delta, int]]) -> None:
    assert joined(deltas) == expected


@pytest.mark.parametrize("mode", ["auto", "inside", "anywhere", "off"])
def test_an_answer_is_the_same_joined_or_not(mode: str) -> None:
    said = "<think>\nfirst of all\n</think>\n\nSo `<think>` is a tag, and 2 < 3.\n```\n<think>x</think>\n```\ndone"
    for size in (1, 2, 3, 7, 40):
        deltas = [TextDelta(said[at : at + size]) for at in range(0, len(said), size)]
        seen = []
        for batch in (joined(deltas), [(delta, 1) for delta in deltas]):
            assembler = Assembler(think_tags=mode)  # type: ignore[arg-type]  # one of its words
            events = [event for delta, _ in batch for event in assembler.feed(delta)] + assembler.end()
            text = "".join(event.token for event in events if isinstance(event, Token))
            thought = "".join(event.token for event in events if isinstance(event, Reasoning))
            seen.append((text, thought, assembler.answer))
        assert seen[0] == seen[1]
