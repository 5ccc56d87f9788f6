"""What the proto's comments say of a name: text, its first sentence, and examples.

Descriptors in generated modules carry no comments; scripts/generate writes them beside the modules (comments.json). A
service that has none is documented all the same, by its names and types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

import msgspec

import thinkaloud.v1 as contract
from thinkaloud_server.web.openapi.examples import Example, split

_FIRST_SENTENCE = re.compile(r".*?[.:!?](?=\s|$)", re.DOTALL)


class Comments:
    """Comments by the full name of what they stand at; an enum's value is `<enum's full name>.<value>`."""

    def __init__(self, said: Mapping[str, str]) -> None:
        self._said = {name: split(comment) for name, comment in said.items()}

    def text(self, name: str) -> str:
        """All but the examples; empty when nothing is said."""
        return self._said.get(name, ("", ()))[0]

    def examples(self, name: str) -> tuple[Example, ...]:
        """The examples, in their order."""
        return self._said.get(name, ("", ()))[1]

    def summary(self, name: str) -> str:
        """The first sentence, on one line and without its full stop."""
        sentence = _FIRST_SENTENCE.match(text := self.text(name))
        return " ".join((sentence[0] if sentence else text).split()).rstrip(".:")


def contract_comments() -> Comments:
    """The comments of thinkaloud.v1."""
    return Comments(msgspec.json.decode(files(contract).joinpath("comments.json").read_bytes(), type=dict[str, str]))
