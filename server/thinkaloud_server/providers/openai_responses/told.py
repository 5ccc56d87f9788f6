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

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Told:
    """The parts of one answer."""

    def __init__(self) -> None:
        self._items: dict[tuple[Kind, Place], dict[int | None, _Part]] = {}
        self._places: set[Place] = set()
        self._counts: dict[Kind, int] = {}
        # The part that is being told: nearly every event goes on with the one before it.
        self._kind: Kind | None = None
        self._name = ""
        self._place: Place = None
        self._index: int | None = None
        self._number = -1
        self._pieces: list[str] = []

    def more(self, kind: Kind, name: str, place: Place, index: int | None, text: str) -> int:
        """A delta, of an event of this name: our number of its part, or -1 where another event tells the same."""
        if name != self._name or place != self._place or index != self._index or kind != self._kind:
            part = self._part(kind, place, index, name)
            if part.name != name:
                return -1
            self._kind, self._name, self._place, self._index = kind, name, place, index
            self._number, self._pieces = part.number, part.pieces
        self._pieces.append(text)
        return self._number

    def rest(self, kind: Kind, place: Place, index: int | None, whole: str) -> tuple[int, str]:
        """Of the whole text of a part, our number of it and what was not told yet."""
        parts = self._items.get((kind, place), {})
        told = parts[index].text if index in parts else ""
        if not whole.startswith(told):
            return 0, ""
        if index not in parts and len(parts) == 1 and whole == next(iter(parts.values())).text:
            # The only part that was told, under another number.
            return 0, ""
        rest = whole[len(told) :]
        return (self._add(kind, place, index, rest), rest) if rest else (0, "")

    def rest_of_item(self, kind: Kind, place: Place, wholes: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Of the whole texts of all parts of an item, what was not told yet.

        They are matched in order and not by number: vLLM counts the parts of all items through.
        """
        parts = self._items.get((kind, place), {})
        yield from self._rest(kind, [(place, index, part.text) for index, part in parts.items()], wholes, place)

    def rest_of_all(self, kind: Kind, wholes: Sequence[str]) -> Iterator[tuple[int, str]]:
        """The same for all texts of a kind in the whole answer."""
        told = [
            (place, index, part.text)
            for (its_kind, place), parts in self._items.items()
            if its_kind == kind
            for index, part in parts.items()
        ]
        yield from self._rest(kind, told, wholes, "the whole answer")

    def of_item(self, kind: Kind, place: Place) -> str:
        """What was told of an item, its parts joined."""
        return "".join(part.text for part in self._items.get((kind, place), {}).values())

    def place_of(self, place: Place, item_id: Place) -> Place:
        """Where an item is known: at its place, or by its id where deltas name no place."""
        return item_id if item_id in self._places and place not in self._places else place

    def _rest(
        self, kind: Kind, told: Sequence[tuple[Place, int | None, str]], wholes: Sequence[str], place: Place
    ) -> Iterator[tuple[int, str]]:
        wholes = [whole for whole in wholes if whole]
        known = "".join(text for _, _, text in told)
        if not "".join(wholes).startswith(known):
            return
        skipped = len(known)
        for position, whole in enumerate(wholes):
            rest = whole[skipped:]
            skipped = max(0, skipped - len(whole))
            if rest:
                its_place, index = told[position][:2] if position < len(told) else (place, position)
                yield self._add(kind, its_place, index, rest), rest

    def _add(self, kind: Kind, place: Place, index: int | None, text: str) -> int:
        part = self._part(kind, place, index, "")
        part.pieces.append(text)
        return part.number

    def _part(self, kind: Kind, place: Place, index: int | None, name: str) -> _Part:
        parts = self._items.setdefault((kind, place), {})
        part = parts.get(index)
        if part is None:
            number = self._counts.get(kind, 0)
            self._counts[kind] = number + 1
            self._places.add(place)
            part = parts[index] = _Part(name, number)
        return part
