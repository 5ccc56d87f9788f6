"""JSON text to plain values, and nothing that two readers would read in two ways: every such doubt is refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from thinkaloud_server.web.error import HttpError


def parsed(body: bytes, name: str = "the body") -> Any:
    """The value of this text. Raises HttpError(MALFORMED_REQUEST) for no JSON, or JSON with a double meaning."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise _malformed(name, f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _malformed(name, f"is no JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise _malformed(name, "is nested too deep") from None
    except ValueError as error:
        # Ours, and Python's own for integers of thousands of digits.
        problem = str(error) if isinstance(error, _DoubtError) else "has a number that is too long"
        raise _malformed(name, problem) from None


class _DoubtError(ValueError):
    """JSON by its grammar, but not one value."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _DoubtError(f"has the key {twice[:64]!r} twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise _DoubtError(f"has {name}, which is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0.0:
        raise _DoubtError("has a number beyond the range of doubles")
    return value


def _malformed(name: str, problem: str) -> HttpError:
    return HttpError("MALFORMED_REQUEST", f"{name} {problem}")
