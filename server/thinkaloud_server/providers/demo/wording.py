"""Text in the pieces that a model would send it in: words with the space before them, digits by threes."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Letters keep their combining marks: a piece never begins with one.
_PIECE = re.compile(r" ?[^\W\d_]{1,12}(?:\w*[^\x00-\x7f]\w*)?|\d{1,3}|\s+|[^\w\s]{1,3}|.", re.S)


def pieces(text: str) -> list[str]:
    """The text cut at sensible places; joined, they are the text."""
    return _PIECE.findall(text)


def awkward(text: str, turn: int) -> Iterator[str]:
    """The text cut without regard for anything, in runs of 1 to 5 characters: `turn` chooses another cutting."""
    at = 0
    while at < len(text):
        size = (3, 1, 4, 1, 5, 2)[turn % 6]
        yield text[at : at + size]
        at += size
        turn += 1


def count(text: str) -> int:
    """About how many tokens a text has, in constant time: four characters each."""
    return (len(text) + 3) // 4
