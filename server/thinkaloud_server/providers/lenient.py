"""JSON as servers really write it, and read once more where a strict reading refused. Common to all dialects."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def read_strictly(data: bytes) -> Any:
    """The value of JSON. Raises ValueError for what is none, or is nested too deep to be anything of ours."""
    try:
        return msgspec.json.decode(data)  # its DecodeError is a ValueError
    except RecursionError:
        raise ValueError("nested too deep") from None


def read_leniently(data: bytes) -> Any:
    """The value of JSON that is one to Python and not to the standard: NaN, half of a surrogate pair, broken UTF-8.

    Raises ValueError for what is none at all.
    """
    try:
        value = json.loads(data.decode("utf-8", "replace"))
        # Half of a surrogate pair, written as an escape, is no text that could be stored or sent on.
        text = json.dumps(value, ensure_ascii=False)
        return json.loads(text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    except RecursionError:
        raise ValueError("nested too deep") from None
