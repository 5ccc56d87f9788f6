"""Identifiers: a type's prefix and 32 hexadecimal digits (at least 122 random bits), as `run_0f3c…`.

The digits are given from outside; `core` only knows the form.
"""

from __future__ import annotations

import re
from typing import Literal

from thinkaloud_server.core.errors import ChatError, ErrorReason

Prefix = Literal["run", "conv", "msg", "upl"]

_FORM = re.compile(r"([a-z]+)_[0-9a-f]{32}\Z")


def check_id(prefix: Prefix, text: str) -> str:
    """The id itself when it has the form of its type; raises ChatError(INVALID_ID)."""
    match = _FORM.match(text)
    if match is None or match[1] != prefix:
        raise ChatError(ErrorReason.INVALID_ID, f"expected an id like {prefix}_ and 32 hexadecimal digits")
    return text
