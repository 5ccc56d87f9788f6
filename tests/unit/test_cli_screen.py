"""A run on a terminal, seen through a terminal of our own: what remains on it after the run."""

from __future__ import annotations

import io
import re
from contextlib import suppress

import pytest
from rich.console import Console

from thinkaloud import events
from thinkaloud_server.app.cli_screen import Screen, thought_for

START = events.Start(run_id="run_1", model="demo/reasoner", sequence=1)


def shown(*said: events.Event, show_reasoning: bool = False, height: int = 24) -> str:
    """All that was written, without colours and cursor movements."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=60, height=height, legacy_windows=False)
    with Screen(console, show_reasoning=show_reasoning) as screen:
        for event in said:
            screen.show(event)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def rest(text: str) -> str:
    """What stands below the last thing that was drawn and erased again."""
    return text.rpartition("\r")[2]


def test_reasoning_folds_into_one_line_and_the_answer_stays() -> None:
    text = rest(shown(START, events.Reasoning("let me think"), events.Token("It is **391**.")))
    assert "It is 391." in text
    assert "**" not in text


def test_a_folded_thought_is_gone() -> None:
    text = shown(START, events.Reasoning("let me think"), events.Token("391"))
    after = text[text.index("thought") :]
    assert "let me think" not in after
    assert after.count("391") >= 1


def test_shown_reasoning_stays_above_its_line() -> None:
    text = shown(
        START, events.Reasoning("first\nsec"), events.Reasoning("ond"), events.Token("391"), show_reasoning=True
    )
    assert text.index("first") < text.index("second") < text.rindex("thought") < text.rindex("391")


def test_a_stopped_answer_keeps_what_was_said() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=60, height=24)
    screen = Screen(console, show_reasoning=False)
    with suppress(KeyboardInterrupt), screen:
        screen.show(events.Token("half an ans"))
        raise KeyboardInterrupt
    assert "half an ans" in stream.getvalue()


def test_a_model_that_thinks_again_gets_a_second_line() -> None:
    text = shown(events.Reasoning("a"), events.Token("one"), events.Reasoning("b"), events.Token("two"))
    order = [text.index("thought"), text.rindex("one"), text.rindex("thought"), text.rindex("two")]
    assert order == sorted(order)


def test_an_answer_longer_than_the_terminal_is_whole_and_in_order() -> None:
    pieces = [events.Token(f"line {number}\n\n") for number in range(100)]
    text = shown(*pieces, height=10)
    places = [text.index(f"line {number} ") for number in range(100)]
    assert places == sorted(places)


def test_a_block_longer_than_the_terminal_is_whole_at_the_end() -> None:
    pieces = [
        events.Token("```\n"),
        *(events.Token(f"code {number}\n") for number in range(100)),
        events.Token("```\n"),
    ]
    text = shown(*pieces, height=10)
    assert all(f"code {number}" in text for number in range(100))


def test_a_model_cannot_drive_the_terminal() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=60, height=24)
    with Screen(console, show_reasoning=True) as screen:
        screen.show(events.Reasoning("\x1b]0;owned\x07\n"))
        screen.show(events.Token("\x1b]0;owned\x07 \x1b[2J and\n\n[text](http://example.com)\n"))
    assert "\x1b]" not in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()
    assert "http://example.com" in stream.getvalue()


def test_nothing_said_leaves_nothing() -> None:
    assert not rest(shown(START)).strip()


@pytest.mark.parametrize(
    ("seconds", "line"),
    [(0.01, "thought"), (3.21, "thought for 3.2 s"), (59.96, "thought for 60.0 s"), (125, "thought for 2 min 5 s")],
)
def test_the_line_says_how_long(seconds: float, line: str) -> None:
    assert thought_for(seconds) == line
