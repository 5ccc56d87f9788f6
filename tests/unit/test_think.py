"""core/think.py: every case of inline think tags, cut at every place."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from thinkaloud_server.core.tag import ANY_TAG, LITERALS, NAMES
from thinkaloud_server.core.think import Piece, ThinkMode, ThinkSplitter
from vectors.think_tags import CASES, ORPHANS, Joined, r, t


def joined(pieces: Iterable[Piece]) -> Joined:
    """Neighbouring pieces of one kind made one."""
    found: Joined = []
    for kind, text in pieces:
        assert text, "no piece is empty"
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + text)
        else:
            found.append((kind, text))
    return found


def split(mode: ThinkMode, pieces: Iterable[str]) -> tuple[Joined, bool]:
    splitter = ThinkSplitter(mode)
    found = [piece for text in pieces for piece in splitter.feed(text)]
    found += splitter.end()
    assert splitter.end() == [], "end gives nothing twice"
    return joined(found), splitter.orphan_close


def cut(text: str, places: Iterable[int]) -> list[str]:
    bounds = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:stop] for start, stop in pairwise(bounds)]


def every_cut(mode: ThinkMode, text: str) -> tuple[Joined, bool]:
    """The result of the whole text, after it was found to be that of each cut in two, and of single characters."""
    whole = split(mode, [text])
    assert split(mode, list(text)) == whole, "by character"
    for place in range(1, len(text)):
        assert split(mode, [text[:place], "", text[place:]]) == whole, f"cut at {place}"
    return whole


@pytest.mark.parametrize(("mode", "text", "pieces"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_tags_are_told_from_text_in_every_cut(mode: ThinkMode, text: str, pieces: Joined) -> None:
    assert every_cut(mode, text) == (pieces, False)


@pytest.mark.parametrize(
    ("mode", "text", "left", "orphan"), [case[1:] for case in ORPHANS], ids=[case[0] for case in ORPHANS]
)
def test_a_closing_tag_without_a_block_is_dropped_only_when_it_stands_alone(
    mode: ThinkMode, text: str, left: str, orphan: bool
) -> None:
    assert every_cut(mode, text) == ([t(left)], orphan)


def test_a_closing_tag_after_a_block_is_text_in_auto() -> None:
    assert every_cut("auto", "<think>a</think>b\n</think>\nc") == ([r("a"), t("b\n</think>\nc")], False)


def test_a_closing_tag_after_a_block_may_be_an_orphan_in_anywhere() -> None:
    assert every_cut("anywhere", "<think>a</think>b\n</think>\nc") == ([r("a"), t("b\n\nc")], True)


@pytest.mark.parametrize("name", [*NAMES, "Thought", "mm:think", "antml:thinking", "seed:think"])
@pytest.mark.parametrize("mode", ["auto", "anywhere"])
def test_every_name_opens_and_closes(mode: ThinkMode, name: str) -> None:
    assert every_cut(mode, f"<{name}>\na\n</{name}>\n\nb") == ([r("a\n"), t("b")], False)


@pytest.mark.parametrize("opening", LITERALS)
@pytest.mark.parametrize("mode", ["auto", "anywhere", "inside"])
def test_every_pair_opens_and_closes(mode: ThinkMode, opening: str) -> None:
    assert every_cut(mode, f"{opening}\na\n{LITERALS[opening]}\n\nb") == ([r("a\n"), t("b")], False)


# Holding back.


@pytest.mark.parametrize(
    ("mode", "before", "text", "at_once"),
    [
        ("auto", "a", " b", " b"),
        ("auto", "a", "b <", "b "),
        ("auto", "a", "b <t", "b "),
        ("auto", "a", "b <table", "b <table"),
        ("auto", "a", "b </", "b "),
        ("auto", "a", "b </d", "b </d"),
        ("auto", "a", "`", "`"),
        ("auto", "<think>a</think>b", " <", " <"),
        ("auto", "<think>", "a <t", "a "),
        ("auto", "<think>", "a <th", "a <th"),
        ("auto", "<think>", "a </", "a "),
        ("auto", "<think>", "a </thinking", "a </thinking"),
        ("auto", "<think>", "a ◁", "a ◁"),
        ("auto", "◁think▷", "a ◁/th", "a "),
        ("inside", "a", "◁", ""),
        ("off", "a", "<", "<"),
    ],
)
def test_only_what_can_become_a_tag_is_held_back(mode: ThinkMode, before: str, text: str, at_once: str) -> None:
    splitter = ThinkSplitter(mode)
    splitter.feed(before)
    assert "".join(piece.text for piece in splitter.feed(text)) == at_once


def test_at_most_one_tag_is_held_back() -> None:
    splitter = ThinkSplitter("auto")
    given_back = sum(len(piece.text) for piece in splitter.feed("<think " + "x" * 1000))
    assert given_back == 1007
    splitter = ThinkSplitter("auto")
    assert splitter.feed("<think " + "x" * 255) == []
    assert splitter.feed("x") == [Piece("text", "<think " + "x" * 256)]


def test_text_that_is_no_longer_read_passes_in_one_piece() -> None:
    splitter = ThinkSplitter("auto")
    splitter.feed("<think>a</think>b")
    assert splitter.pass_through("<think>`</think>")
    assert splitter.feed("x <") == [Piece("text", "x <")]


def test_watched_text_passes_unless_it_could_hold_a_tag() -> None:
    splitter = ThinkSplitter("auto")
    assert not splitter.pass_through("a")
    splitter.feed("a\n")
    assert splitter.pass_through("b\n")
    assert not splitter.pass_through("</think>")
    assert splitter.feed("</think>\nc") == [Piece("text", "\nc")]
    assert splitter.orphan_close


# Tool calls and native reasoning beside the text.


@pytest.mark.parametrize(
    ("mode", "before", "released", "after", "pieces"),
    [
        ("auto", "<think>a </", [r("a </")], "b</think>", [t("b</think>")]),
        ("auto", "<think>", [], "\nb", [t("\nb")]),
        ("inside", "", [], "b", [t("b")]),
        ("inside", "<thi", [r("<thi")], "b", [t("b")]),
        ("anywhere", "<think>a", [r("a")], "b<think>c", [t("b"), r("c")]),
        ("auto", "", [], "<think>b</think>c", [r("b"), t("c")]),
        ("auto", "\n\n", [t("\n\n")], "<think>b", [r("b")]),
        ("auto", "<thi", [t("<thi")], "nk>b", [t("nk>b")]),
        ("auto", "a <", [t("a <")], "b", [t("b")]),
        ("auto", "<think>a</think>\n", [r("a")], "\nb", [t("b")]),
        ("off", "a<", [t("a<")], "b", [t("b")]),
    ],
)
def test_a_tool_call_ends_a_block(mode: ThinkMode, before: str, released: Joined, after: str, pieces: Joined) -> None:
    for cut_before, cut_after in (([before], [after]), (list(before), list(after))):
        splitter = ThinkSplitter(mode)
        found = [piece for text in cut_before for piece in splitter.feed(text)]
        assert joined(found + splitter.implicit_close()) == released
        found = [piece for text in cut_after for piece in splitter.feed(text)]
        assert joined(found + splitter.end()) == pieces


@pytest.mark.parametrize(
    ("mode", "before", "released", "after", "pieces"),
    [
        ("auto", "", [], "<think>b</think>c", [t("<think>b</think>c")]),
        ("auto", "", [], "</think>\n\nb</think>\n", [t("b</think>\n")]),
        ("auto", "", [], "\n</thinking>b", [t("b")]),
        ("auto", "", [], "\n</thi", [t("\n</thi")]),
        ("auto", "", [], "</thing>", [t("</thing>")]),
        ("auto", "", [], " " * 257 + "</think>", [t(" " * 257 + "</think>")]),
        ("auto", "\n", [], "</think>b", [t("b")]),
        ("auto", "\n", [], "b", [t("\nb")]),
        ("auto", "<th", [], "ink>b", [t("<think>b")]),
        ("auto", "a\n", [t("a\n")], "</think>\nb", [t("</think>\nb")]),
        ("auto", "a <", [t("a <")], "b", [t("b")]),
        ("auto", "<think>a</", [r("a</")], "</think>\nb", [t("b")]),
        ("auto", "<think>a</think>", [r("a")], "\nb", [t("b")]),
        ("auto", "<think>a</think>b", [r("a"), t("b")], "\n</think>\n", [t("\n</think>\n")]),
        ("inside", "", [], "a</think>", [t("a</think>")]),
        ("inside", "a", [r("a")], "b", [t("b")]),
        ("anywhere", "a", [t("a")], "<think>b</think>", [t("<think>b</think>")]),
        ("anywhere", "<think>a</think>", [r("a")], "<think>b", [t("<think>b")]),
        ("off", "", [], "</think>b", [t("</think>b")]),
    ],
)
def test_native_reasoning_makes_tags_text_but_for_one_stray_close(
    mode: ThinkMode, before: str, released: Joined, after: str, pieces: Joined
) -> None:
    for cut_before, cut_after in (([before], [after]), (list(before), list(after))):
        splitter = ThinkSplitter(mode)
        found = [piece for text in cut_before for piece in splitter.feed(text)]
        assert joined(found + splitter.native_reasoning()) == released
        assert splitter.native_reasoning() == []
        found = [piece for text in cut_after for piece in splitter.feed(text)]
        assert joined(found + splitter.end()) == pieces
        assert not splitter.orphan_close


# What nobody thought of.

MODES: list[ThinkMode] = ["auto", "inside", "off", "anywhere"]
TOKENS = [
    *("<think>", "</think>", "<thinking k=1>", "</thinking>", "<think/>", "<tool_call>", "<|channel>thought\n"),
    *("<channel|>", "◁think▷", "◁/think▷", "[THINK]", "[/THINK]", "<mm:", "< think", "<think a", "</", "<", ">"),
    *("/", "=", "[", "think", "a", " ", "\n", "\r\n", "\r", "`", "``", "```", "~", "~~~", "`" * 70, "é🤔"),
]
TEXTS = st.lists(st.sampled_from(TOKENS), max_size=25).map("".join)
PLACES = st.lists(st.integers(0, 1 << 16), max_size=10)


@settings(max_examples=400)
@given(st.sampled_from(MODES), TEXTS, PLACES)
@example("anywhere", "<think a=[THINK]b>", [])
def test_cutting_elsewhere_changes_nothing(mode: ThinkMode, text: str, places: list[int]) -> None:
    whole = split(mode, [text])
    assert split(mode, list(text)) == whole
    assert split(mode, cut(text, places)) == whole


@given(st.sampled_from(MODES), TEXTS)
def test_nothing_is_doubled_or_moved(mode: ThinkMode, text: str) -> None:
    found, _ = split(mode, [text])
    rest = iter(text)
    assert all(character in rest for _, piece in found for character in piece), "what comes out is left of the text"


@given(st.sampled_from(MODES), st.lists(st.sampled_from(["a", "b c", "d\n", "é🤔"]), max_size=8), TEXTS)
def test_nothing_is_lost_but_tags_and_white_space(mode: ThinkMode, words: list[str], tags: str) -> None:
    words = [f"{word}{number}" for number, word in enumerate(words)]
    found, _ = split(mode, [tags.join(words)])
    out = "".join(piece for _, piece in found)
    assert all(word in out for word in words)


@given(st.sampled_from(["auto", "off", "anywhere"]), st.text(), PLACES)
def test_text_without_tags_comes_out_as_it_is(mode: ThinkMode, text: str, places: list[int]) -> None:
    assume(mode == "off" or ANY_TAG.whole.search(text.replace("`", "").replace("~", "")) is None)
    assert split(mode, cut(text, places)) == ([t(text)] if text else [], False)


@given(TEXTS, PLACES, TEXTS, PLACES, st.sampled_from(MODES), st.booleans())
def test_beside_other_deltas_too_cutting_changes_nothing(
    before: str, places_before: list[int], after: str, places_after: list[int], mode: ThinkMode, native: bool
) -> None:
    def run(first: list[str], second: list[str]) -> tuple[Joined, Joined, bool]:
        splitter = ThinkSplitter(mode)
        early = [piece for text in first for piece in splitter.feed(text)]
        early += splitter.native_reasoning() if native else splitter.implicit_close()
        late = [piece for text in second for piece in splitter.feed(text)]
        return joined(early), joined(late + splitter.end()), splitter.orphan_close

    whole = run([before], [after])
    assert run(list(before), list(after)) == whole
    assert run(cut(before, places_before), cut(after, places_after)) == whole


@pytest.mark.parametrize("mode", MODES)
def test_a_megabyte_of_brackets_takes_no_time(mode: ThinkMode) -> None:
    text = "<" * 1_000_000
    took = []
    for _ in range(3):
        began = time.process_time()
        split(mode, [text])
        took.append(time.process_time() - began)
    # 0.1 s on a quiet machine; the factor is for a busy one. Quadratic time would be hours.
    assert min(took) < 0.4


@pytest.mark.parametrize("unit", ["<", "<think", "</think>\n", "x</think>", "`", "[", " "])
def test_four_times_the_text_takes_about_four_times_as_long(unit: str) -> None:
    """Compared within one run, so that a slow machine does not matter: quadratic time would be sixteen times."""

    def least(text: str) -> float:
        took = []
        for _ in range(5):
            began = time.process_time()
            split("anywhere", [text])
            took.append(time.process_time() - began)
        return min(took)

    text = unit * (100_000 // len(unit))
    assert least(text * 4) < 9 * least(text) + 0.005


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "unit",
    [
        "<t",
        "<think",
        "<think a=",
        "`",
        "`x",
        "~",
        "</think> ",
        "x</think>",
        "<think></think>",
        "\n",
        " ",
        "[",
        "◁/think",
    ],
)
def test_time_is_linear(mode: ThinkMode, unit: str) -> None:
    text = unit * (200_000 // len(unit))
    began = time.process_time()
    split(mode, [text])
    split(mode, list(text[:20_000]))
    assert time.process_time() - began < 10
