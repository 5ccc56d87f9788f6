"""Examples in the proto's comments: where a message is documented, there it is shown.

A paragraph `Example "what it shows": {...}` of a comment is JSON of the message that the comment belongs to. It is
taken out of the text, and every request or answer with that message carries it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

_MARK = re.compile(r'^Example "(?P<title>[^"\n]+)":\s*(?=[{\[])', re.MULTILINE)
_PARAGRAPH = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Example:
    """One value of a message, and what it shows."""

    title: str
    value: Any

    @property
    def name(self) -> str:
        """The title, as a key that every tool of OpenAPI takes."""
        return re.sub(r"[^a-z0-9]+", "_", self.title.lower()).strip("_")


def split(comment: str) -> tuple[str, tuple[Example, ...]]:
    """The comment without its examples, and the examples. JSON that is none is a fault of the proto: ValueError."""
    text, examples = [], []
    for paragraph in _PARAGRAPH.split(comment):
        if mark := _MARK.match(paragraph):
            try:
                value = msgspec.json.decode(paragraph[mark.end() :])
            except msgspec.DecodeError as error:
                raise ValueError(f"example {mark['title']!r} is not JSON: {error}") from error
            examples.append(Example(mark["title"], value))
        else:
            text.append(paragraph)
    return "\n\n".join(text), tuple(examples)
