"""core/tag.py: whole tags, their beginnings, and what is neither."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.tag import (
    ANY_TAG,
    LITERALS,
    NAMES,
    NAMESPACES,
    TAG_CHARS_MAX,
    TOOL_CALL,
    TagPattern,
    closes,
    closing_of,
    is_empty,
    opened_by,
)

GAP = " \t\r\n" * 2
NAMED = [*NAMES, *(name.upper() for name in NAMES), *(f"{space}:think" for space in NAMESPACES), "mm|thought"]
OPENING = [
    *(f"<{name}>" for name in NAMED),
    *LITERALS,
    "< think >",
    f"<{GAP}think{GAP}/{GAP}>",
    "<think/>",
    '<mm:think a="b" c=d/>',
    "<think\nk=v>",
    f"<{GAP}antml:antthinking a={'x' * 253}>",
]
CLOSING = [*(f"</{name}>" for name in NAMED), *LITERALS.values(), "< / think >", f"<{GAP}/{GAP}seed:think{GAP}>"]
NEITHER = [
    "<thin>",
    "<thinkx>",
    "<think",
    "<think k>",
    "<think about it>",
    "<thinkk=v>",
    "<think=v>",
    f"<think k={'x' * 254}>",
    f"<{GAP} think>",
    "<//think>",
    "</think/>",
    "</think k=v>",
    "<mm:>",
    "<mm: think>",
    "<x:think>",
    "<think k=<>",
    "[think]",
    "[/ THINK]",
    "◁think>",
    "<|channel>thoughtful",
    "<|Begin_of_thought|>",
    TOOL_CALL,
    "<thin\u212a>",
]


def test_the_bound_is_above_the_longest_tag() -> None:
    assert max(map(len, [*OPENING, *CLOSING])) < TAG_CHARS_MAX


@pytest.mark.parametrize("text", OPENING)
def test_opening_tags_open(text: str) -> None:
    tag = ANY_TAG.whole.fullmatch(text)
    assert tag
    assert opened_by(tag)
    assert not closes(tag)
    assert is_empty(tag) == ("/" in text)


@pytest.mark.parametrize("text", CLOSING)
def test_closing_tags_close(text: str) -> None:
    tag = ANY_TAG.whole.fullmatch(text)
    assert tag
    assert closes(tag)
    assert not opened_by(tag)
    assert closing_of("").whole.fullmatch(text)


@pytest.mark.parametrize("text", NEITHER)
def test_other_things_are_no_tags(text: str) -> None:
    assert ANY_TAG.whole.search(text) is None


@pytest.mark.parametrize("text", ["`", "``", "`" * 64, "~~~", "~" * 64])
def test_runs_count_once_they_cannot_grow(text: str) -> None:
    assert ANY_TAG.whole.search(text) is None
    found = ANY_TAG.whole.search(f"{text}x")
    assert found
    assert found[0] == text
    assert not opened_by(found)
    assert not closes(found)


@pytest.mark.parametrize("text", [*OPENING, *CLOSING])
def test_every_beginning_of_a_tag_is_one(text: str) -> None:
    _check_beginnings(ANY_TAG, text)


@pytest.mark.parametrize("text", [*CLOSING, TOOL_CALL])
def test_every_beginning_of_a_closing_tag_is_one(text: str) -> None:
    _check_beginnings(closing_of(""), text)


@pytest.mark.parametrize("opened", [*NAMES, *LITERALS])
def test_a_block_is_closed_by_its_own_tag_only(opened: str) -> None:
    own = LITERALS.get(opened, f"</{opened}>")
    pattern = closing_of(opened)
    assert pattern.whole.fullmatch(own)
    assert pattern.whole.fullmatch(TOOL_CALL)
    _check_beginnings(pattern, own)
    others = {*(f"</{name}>" for name in NAMES), *LITERALS.values()} - {own}
    assert not any(pattern.whole.search(other) for other in others)


def test_what_a_tag_opened_tells_what_closes_it() -> None:
    for text, opened in [("<mm:Think>", "think"), ("<REASON k=v>", "reason"), ("[THINK]", "[THINK]")]:
        tag = ANY_TAG.whole.fullmatch(text)
        assert tag
        assert opened_by(tag) == opened


@pytest.mark.parametrize(
    "text", ["x", "<x", "<thinkx", "<think>x", "<mmx", "</thinkx", "[Tx", "◁x", "<|x", "<think k=<"]
)
def test_what_cannot_become_a_tag_is_no_beginning(text: str) -> None:
    found = ANY_TAG.beginning.search(text)
    assert found is None or found[0] == "<"


def _check_beginnings(pattern: TagPattern, text: str) -> None:
    for length in range(1, len(text)):
        found = pattern.beginning.search(f"x{text[:length]}")
        assert found, text[:length]
        assert found.start() == 1, text[:length]
