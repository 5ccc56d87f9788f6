"""Reading facts from decoded JSON whose shape is its vendor's: by paths, each vendor's names for one thing in a row."""

from __future__ import annotations

from collections.abc import Iterable


def at(item: object, path: str) -> object:
    """The value at this path ("limits.output") of decoded JSON; None where there is none."""
    for step in path.split("."):
        item = item.get(step) if isinstance(item, dict) else None
    return item


def number(item: object, paths: Iterable[str]) -> int:
    """The first whole number above 0 at one of these paths, or its digits, if it fits an int32; else 0."""
    for path in paths:
        value = at(item, path)
        if isinstance(value, str) and value.isdecimal() and len(value) <= 10:
            value = int(value)
        # NaN fails both comparisons.
        if (type(value) is int or type(value) is float) and 0 < value < _INT32_END and value == int(value):
            return int(value)
    return 0


def any_of(item: object, paths: Iterable[str]) -> bool | None:
    """Whether any of these flags is set; "path:word" is set where the list at the path has the word.

    None where the listing is silent about all of them.
    """
    known = None
    for path in paths:
        path, _, word = path.partition(":")
        value = at(item, path)
        if word and isinstance(value, list) and value:
            known = known or word in value
        elif not word and isinstance(value, bool | list):
            known = known or bool(value)
    return known


def count(value: object, *names: str) -> int:
    """The first of these counters that is above 0; 0 for what is no object, no number, or too large for an int32."""
    if not isinstance(value, dict):
        return 0
    # A loop without calls: some vendors count in every chunk.
    for name in names:
        found = value.get(name)
        # Counters are int32 on every face; NaN fails both comparisons.
        if (type(found) is int or type(found) is float) and 0 < found < _INT32_END:
            return int(found)
    return 0


_INT32_END = 2**31


def amount(value: object) -> float | None:
    """A sum of money, as a number or as its text; None for what is none, or is below 0 ("it depends")."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    # Nobody charges a million dollars for a request or a token; NaN fails both comparisons.
    return found if 0 <= found < 1e6 else None


def words(item: object, paths: Iterable[str]) -> tuple[str, ...]:
    """The words of the first list at one of these paths that has any."""
    for path in paths:
        value = at(item, path)
        if isinstance(value, list) and (found := tuple(word for word in value if isinstance(word, str) and word)):
            return found
    return ()
