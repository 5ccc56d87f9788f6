"""JSON as servers really write it: read once more where a strict reading refused. Common to all dialects."""

from __future__ import annotations

import json


def read_leniently(data: bytes) -> object:
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
