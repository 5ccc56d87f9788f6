"""What was told of each part of an answer, so that a summing-up adds what is new and nothing twice.

Every text of this format comes up to five times: in deltas, in the `done` of its part, of its content part and of its
item, and in the response at the end. Servers leave out any of these. What came in deltas counts; a summing-up that
goes on where they stopped says the rest, and one that says something else is not heard.

A part is known by its kind, the place of its item, and its number in there. Ours are numbered by kind, in the order of
their beginning: the first part of another item is another part, although its number in there is 0 again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

Kind = Literal["text", "refusal", "raw", "summary"]
Place = int | str | None


class _Part:
    """One part: our number of it, the event by whose name it comes, and its pieces."""

    __slots__ = ("name", "number", "pieces")

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.pieces: list[str] = []


class Told:
    """The parts of one answer."""

    def __init__(self) -> None:
        self._parts: dict[tuple[Kind, Place, int | None], _Part] = {}
        self._counts: dict[Kind, int] = {}
        # The part that is being told: nearly every event goes on with the one before it.
        self._name = ""
        self._place: Place = None
        self._index: int | None = None
        self._number = -1
        self._pieces: list[str] = []

    def more(self, kind: Kind, name: str, place: Place, index: int | None, text: str) -> int:
        """A delta, of an event of this name: our number of its part, or -1 where another event tells the same."""
        if name != self._name or place != self._place or index != self._index:
            part = self._part(kind, place, index, name)
            if part.name != name:
                return -1
            self._name, self._place, self._index = name, place, index
            self._number, self._pieces = part.number, part.pieces
        self._pieces.append(text)
        return self._number

    def rest(self, kind: Kind, place: Place, index: int | None, whole: str) -> tuple[int, str]:
        """Of the whole text of a part, our number of it and what was not told yet."""
        known = self._parts.get((kind, place, index))
        told = "".join(known.pieces) if known else ""
        if not whole.startswith(told) or (known is None and whole in self._texts(kind, place)):
            return 0, ""
        rest = whole[len(told) :]
        return (self._add(kind, place, index, rest), rest) if rest else (0, "")

    def rest_of_item(self, kind: Kind, place: Place, wholes: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Of the whole texts of all parts of an item, what was not told yet.

        They are matched in order and not by number: vLLM counts the parts of all items through.
        """
        keys = [key for key in self._parts if key[0] == kind and key[1] == place]
        yield from self._rest(kind, keys, wholes, place)

    def rest_of_all(self, kind: Kind, wholes: Sequence[str]) -> Iterator[tuple[int, str]]:
        """The same for all texts of a kind in the whole answer."""
        keys = [key for key in self._parts if key[0] == kind]
        yield from self._rest(kind, keys, wholes, "the whole answer")

    def of_item(self, kind: Kind, place: Place) -> str:
        """What was told of an item, its parts joined."""
        return "".join(self._texts(kind, place))

    def place_of(self, place: Place, item_id: Place) -> Place:
        """Where an item is known: at its place, or by its id where deltas name no place."""
        places = {key[1] for key in self._parts}
        return item_id if item_id in places and place not in places else place

    def _texts(self, kind: Kind, place: Place) -> list[str]:
        return ["".join(part.pieces) for key, part in self._parts.items() if key[0] == kind and key[1] == place]

    def _rest(
        self, kind: Kind, keys: list[tuple[Kind, Place, int | None]], wholes: Sequence[str], place: Place
    ) -> Iterator[tuple[int, str]]:
        wholes = [whole for whole in wholes if whole]
        told = "".join("".join(self._parts[key].pieces) for key in keys)
        if not "".join(wholes).startswith(told):
            return
        skipped = len(told)
        for position, whole in enumerate(wholes):
            rest = whole[skipped:]
            skipped = max(0, skipped - len(whole))
            if rest:
                key = keys[position] if position < len(keys) else (kind, place, position)
                yield self._add(kind, key[1], key[2], rest), rest

    def _add(self, kind: Kind, place: Place, index: int | None, text: str) -> int:
        part = self._part(kind, place, index, "")
        part.pieces.append(text)
        return part.number

    def _part(self, kind: Kind, place: Place, index: int | None, name: str) -> _Part:
        part = self._parts.get((kind, place, index))
        if part is None:
            number = self._counts.get(kind, 0)
            self._counts[kind] = number + 1
            part = self._parts[kind, place, index] = _Part(name, number)
        return part
