"""The think tags that models write, as patterns: whole ones, and a beginning of one at the end of a text.

Angle tags: <think>, < THINK >, <mm:think>, <think k="v">, <think/>, </think >. White space in them is bounded by 8
characters and attributes by 256, so what can still become a tag is never longer than TAG_CHARS_MAX. Attributes hold
"=": `<think about it>` is no tag. The other pairs count exactly as they stand. Harmony's channels are a protocol, not
a pair of tags, and not among them.

Every proper beginning of what a `whole` pattern finds is found by its `beginning` pattern: so a splitter can hold
back no more than it must. The patterns are written for `re`: each alternative begins with a character, what follows
"<" is looked at first, and possessive quantifiers bound backtracking.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import NamedTuple

NAMES = ("think", "thinking", "reason", "reasoning", "thought", "antthinking")
NAMESPACES = ("antml", "mm", "seed", "ifm")
LITERALS = {
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "<|inner_prefix|>": "<|inner_suffix|>",
    "<|channel>thought\n": "<channel|>",
    "◁think▷": "◁/think▷",
    "[THINK]": "[/THINK]",
}
TOOL_CALL = "<tool_call>"

TAG_CHARS_MAX = 320
RUN_CHARS_MAX = 64

# A run of backticks, or of three or more tildes; at the end of the text it may still grow and does not count yet.
RUN = rf"``{{0,{RUN_CHARS_MAX - 1}}}+(?!\Z)|~~~~{{0,{RUN_CHARS_MAX - 3}}}+(?!\Z)"

_CLOSING_LITERALS = frozenset(LITERALS.values())
_GAP = r"[ \t\r\n]{0,8}+"
_ATTRIBUTES = r"[ \t\r\n][^<>\[◁]{0,255}+"
_WITH_EQUALS_SIGN = r"(?=[ \t\r\n][^<>\[◁=]{0,255}+=)"
_PREFIX = rf"(?:(?:{'|'.join(NAMESPACES)})[:|])?"


class TagPattern(NamedTuple):
    """`whole` is searched everywhere, `beginning` in the last TAG_CHARS_MAX characters."""

    whole: re.Pattern[str]
    beginning: re.Pattern[str]


def opened_by(tag: re.Match[str]) -> str:
    """What this match of ANY_TAG opens, as `closing_of` takes it; "" when it opens nothing."""
    if tag["open"]:
        return tag["open"].lower()
    return tag[0] if tag[0] in LITERALS else ""


def closes(tag: re.Match[str]) -> bool:
    """Whether this match of ANY_TAG is a closing tag."""
    return tag["close"] is not None or tag[0] in _CLOSING_LITERALS


def is_empty(tag: re.Match[str]) -> bool:
    """Whether this opening tag closes itself, as <think/> does."""
    return tag[0][:-1].rstrip().endswith("/")


@cache
def closing_of(opened: str) -> TagPattern:
    """What ends a block: the closing tags for what has opened it (all of them for ""), or TOOL_CALL."""
    if opened in LITERALS:
        return _compile([], [], {TOOL_CALL, LITERALS[opened]})
    names = [opened] if opened else NAMES
    angle = _closing_angle(names)
    return _compile([angle.whole], [angle.beginning], {TOOL_CALL} if opened else {TOOL_CALL, *_CLOSING_LITERALS})


class _Grammar(NamedTuple):
    """What may follow "<": a whole tag, and any beginning of one."""

    whole: str
    beginning: str


def _opening_angle(names: Collection[str]) -> _Grammar:
    name = "|".join(names)
    return _Grammar(
        rf"(?ai:{_GAP}{_PREFIX}(?P<open>{name})(?:{_WITH_EQUALS_SIGN}{_ATTRIBUTES}|{_GAP}/?{_GAP})>)",
        rf"(?ai:{_GAP}(?:{_name_beginning(names)}|{_PREFIX}(?:{name})(?:{_ATTRIBUTES}|{_GAP}/?{_GAP}))?)",
    )


def _closing_angle(names: Collection[str]) -> _Grammar:
    name = "|".join(names)
    return _Grammar(
        rf"(?ai:{_GAP}/{_GAP}{_PREFIX}(?P<close>{name}){_GAP}>)",
        rf"(?ai:{_GAP}(?:/{_GAP}(?:{_name_beginning(names)}|{_PREFIX}(?:{name}){_GAP})?)?)",
    )


def _name_beginning(names: Iterable[str]) -> str:
    namespaces = [*NAMESPACES, *_beginnings(NAMESPACES)]
    return f"{'|'.join(_escaped(namespaces))}|{_PREFIX}(?:{'|'.join(_escaped(_beginnings(names)))})?"


def _beginnings(words: Iterable[str]) -> set[str]:
    """Every proper beginning of these words."""
    return {word[:length] for word in words for length in range(1, len(word))}


def _escaped(words: Iterable[str]) -> list[str]:
    """These words as alternatives, the longest first."""
    return [re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word))]


def _compile(
    whole: list[str], beginning: list[str], literals: Collection[str], *, others: Iterable[str] = ()
) -> TagPattern:
    """Of alternatives after "<", of literals, and of `others`, which count only as whole ones."""
    begun = _beginnings(literals)
    after_whole = "|".join([*whole, *_escaped(word[1:] for word in literals if word[0] == "<")])
    after_begun = "|".join([*beginning, *_escaped(word[1:] for word in begun if word[0] == "<")])
    whole_words = _escaped(word for word in literals if word[0] != "<")
    begun_words = _escaped(word for word in begun if word[0] != "<")
    return TagPattern(
        re.compile("|".join([rf"<(?=[ \t\r\n/a-zA-Z|])(?:{after_whole})", *whole_words, *others])),
        re.compile("|".join(word + r"\Z" for word in [f"<(?:{after_begun})", *begun_words])),
    )


_OPENING = _opening_angle(NAMES)
_CLOSING = _closing_angle(NAMES)
# Every tag; its whole pattern finds runs of backticks and tildes too, since those decide where tags count.
ANY_TAG = _compile(
    [_OPENING.whole, _CLOSING.whole],
    [_OPENING.beginning, _CLOSING.beginning],
    {*LITERALS, *_CLOSING_LITERALS},
    others=[RUN],
)
