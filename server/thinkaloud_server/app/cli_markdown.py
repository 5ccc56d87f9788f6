"""Markdown as it comes: which part of an unfinished text is settled and can be printed for good.

Pure. A terminal cannot take back what scrolled away, and rendering a whole answer again for each word costs more
with each word; so finished blocks are printed once, and only the last block is drawn again while it grows.
"""

from __future__ import annotations

import re

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
# What a terminal would take as a command: escape sequences, bells, backspaces, carriage returns, C1 controls.
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))


def clean(text: str) -> str:
    """The text without control characters: a model's words must not be able to drive the terminal."""
    return text.translate(_CONTROLS)


class Blocks:
    """Cuts growing markdown into blocks that nothing to come can change.

    A block ends at a blank line outside of a code fence, once the next line stands there without indentation: an
    indented one may still belong to a list before it.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._partial = ""
        self._fence = ""
        self._after_blank = False

    @property
    def pending(self) -> str:
        """What is not settled yet."""
        return "".join(self._lines) + self._partial

    def feed(self, text: str) -> str:
        """The blocks that this text settles, or ""."""
        *whole, self._partial = (self._partial + text).split("\n")
        settled: list[str] = []
        for line in whole:
            if self._after_blank and line.strip() and not line[0].isspace():
                settled += self._lines
                self._lines = []
            self._lines.append(line + "\n")
            self._follow(line)
        return "".join(settled)

    def end(self) -> str:
        """The rest."""
        rest, self._lines, self._partial = self.pending, [], ""
        self._fence, self._after_blank = "", False
        return rest

    def _follow(self, line: str) -> None:
        mark = _FENCE.match(line)
        if self._fence:
            if mark and mark[1].startswith(self._fence) and not line.strip().strip(self._fence[0]):
                self._fence = ""
        elif mark:
            self._fence = mark[1]
        self._after_blank = not self._fence and not line.strip()


def tail(text: str, lines: int) -> str:
    """The last lines of a growing block; inside a fence they stay code."""
    whole = text.split("\n")
    if len(whole) <= lines:
        return text
    head = _FENCE.match(whole[0])
    opening = [whole[0]] if head else []
    return "\n".join([*opening, *whole[-lines:]])
