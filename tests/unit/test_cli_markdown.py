"""Blocks of growing markdown: settled once nothing to come can change them, whatever the cuts."""

from __future__ import annotations

import pytest

from thinkaloud_server.app.cli_markdown import Blocks, clean, tail

TEXT = """# Title

First paragraph
of two lines.

- one

  belongs to one

- two
1. three

```python
def f():

    return 1

not a paragraph
```

~~~~
```
~~~
~~~~
After.

"""


def blocks(pieces: list[str]) -> list[str]:
    cutter = Blocks()
    settled = [block for piece in pieces if (block := cutter.feed(piece))]
    return [*settled, cutter.end()]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_cutting_the_input_elsewhere_loses_and_adds_nothing(size: int) -> None:
    assert "".join(blocks([TEXT[at : at + size] for at in range(0, len(TEXT), size)])) == TEXT


def test_a_block_settles_when_the_next_one_has_a_line() -> None:
    cutter = Blocks()
    assert cutter.feed("one\n\n") == ""
    assert cutter.pending == "one\n\n"
    assert cutter.feed("two") == ""
    assert cutter.feed("\n") == "one\n\n"
    assert cutter.pending == "two\n"
    assert cutter.end() == "two\n"
    assert cutter.pending == ""


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param("- one\n\n  more of one\n\n  and more\n", id="list-with-paragraphs"),
        pytest.param("```\na\n\nb\n\nc\n```\n", id="fence"),
        pytest.param("~~~~\n```\n\n~~~\n\nx\n~~~~\n", id="fence-in-fence"),
        pytest.param("```python\na\n\n``` not closing\n\nb\n", id="info-does-not-close"),
        pytest.param("one\ntwo\nthree\n", id="paragraph"),
    ],
)
def test_what_belongs_together_stays_together(whole: str) -> None:
    assert blocks(list(whole)) == [whole]


def test_a_closed_fence_lets_the_next_block_settle_it() -> None:
    assert blocks(["```\na\n\nb\n```\n\nnext\n", "x"]) == ["```\na\n\nb\n```\n\n", "next\nx"]


def test_an_ended_cutter_begins_anew() -> None:
    cutter = Blocks()
    cutter.feed("```\nopen\n\n")
    cutter.end()
    assert cutter.feed("a\n\nb\n") == "a\n\n"


def test_the_tail_of_code_stays_code() -> None:
    assert tail("```python\n1\n2\n3\n4", 2) == "```python\n3\n4"
    assert tail("1\n2\n3\n4", 2) == "3\n4"
    assert tail("1\n2", 2) == "1\n2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("\x1b]0;title\x07", "]0;title"),
        ("a\rb\bc\x00d\x7fe\x9bf", "abcdef"),
        ("line\n\ttab ü 漢", "line\n\ttab ü 漢"),
    ],
    ids=["colour", "title", "controls", "text"],
)
def test_no_words_of_a_model_drive_the_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown
