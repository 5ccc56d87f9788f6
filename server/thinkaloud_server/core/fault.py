"""Faults: what a network or a provider can do to an answer, as values with a written form.

    fault     := kind (";" name "=" value)*        as  reset;after_bytes=200

The configuration, a request's header and the fake provider all write them so. `after_bytes` and `after_frames` say
where in the answer's body it happens; a frame is one event, one line or one binary message, which is about a token.
`body` is the last parameter, and takes the rest of the text. `attempts` spares the attempts after the first so many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

FaultKind = Literal["latency", "stall", "reset", "garbage", "truncated", "status", "slow_bytes", "never_ending"]

TEXT_CHARS_MAX = 8192
SECONDS_MAX = 3600.0
PLACE_MAX = 1 << 40
# What no dialect can read: it breaks off a frame, is not JSON, not UTF-8, and not a length with its checksum.
GARBAGE = b"\n\ndata: \x00\xff\xfe{]garbage\x16\x03\x01\n\n"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. Without a place it happens before the head of the answer; without `seconds` a stall has no end."""

    kind: FaultKind
    seconds: float | None = None
    after_bytes: int | None = None
    after_frames: int | None = None
    bytes_per_s: float = 0.0
    status: int = 0
    retry_after_s: float | None = None
    attempts: int | None = None
    body: str | None = None

    @property
    def before_head(self) -> bool:
        """True when nothing of the answer is seen first."""
        return self.after_bytes is None and self.after_frames is None

    def at(self, attempt: int) -> Fault | None:
        """The fault, if the attempt of this number (from 0) has it."""
        return self if self.attempts is None or attempt < self.attempts else None

    def __str__(self) -> str:
        given = (
            (name, getattr(self, name))
            for name in (each.name for each in fields(self)[1:])
            if name in (*_OPTIONS[self.kind], "attempts") and getattr(self, name) is not None
        )
        return ";".join(
            (self.kind, *(f"{name}={value:g}" if name != "body" else f"body={value}" for name, value in given))
        )


_PLACE = {"after_bytes": None, "after_frames": None}
# What each kind can be told, and what counts where it is not.
_OPTIONS: Mapping[FaultKind, Mapping[str, Any]] = {
    "latency": {"seconds": 2.0},
    "stall": {"seconds": None, **_PLACE},
    "reset": _PLACE,
    "garbage": {**_PLACE, "after_frames": 0},
    "truncated": {**_PLACE, "after_frames": 2},
    "status": {"status": 503, "retry_after_s": None, "body": None},
    "slow_bytes": {"bytes_per_s": 100.0},
    "never_ending": {**_PLACE, "after_frames": 3},
}
KINDS: tuple[FaultKind, ...] = tuple(_OPTIONS)
_TOKENS = "after_tokens"


def parse(text: str) -> Fault:
    """The fault that the text describes. Raises ValueError that says what would be right."""
    if len(text) > TEXT_CHARS_MAX:
        raise ValueError(f"a fault has at most {TEXT_CHARS_MAX} characters")
    word, *more = text.strip().split(";", 1)
    kind = cast(FaultKind, word.strip())
    if kind not in _OPTIONS:
        raise ValueError(f"unknown fault {kind[:40]!r}: expected one of {', '.join(KINDS)}")
    options = _OPTIONS[kind]
    given: dict[str, Any] = {}
    rest = more[0] if more else ""
    while rest.strip():
        if rest.lstrip().startswith("body="):
            pair, rest = rest.lstrip(), ""
        else:
            pair, _, rest = rest.partition(";")
        name, equals, value = pair.partition("=")
        name = name.strip()
        if not name and not equals:
            continue
        name = "after_frames" if name == _TOKENS else name
        if not equals or (name not in options and name != "attempts"):
            known = ", ".join((*options, "attempts"))
            raise ValueError(f"{kind} has no parameter {name[:40]!r}: expected NAME=VALUE of {known}")
        if name in given:
            raise ValueError(f"{kind} has {name} twice")
        given[name] = _value(name, value)
    if "after_bytes" in given and "after_frames" in given:
        raise ValueError(f"{kind} has one place: after_bytes or after_frames")
    if "after_bytes" in given:
        options = {**options, "after_frames": None}
    return Fault(kind, **{**options, **given})


def _value(name: str, text: str) -> Any:
    return text if name == "body" else _READERS[name](name, text.strip())


def _whole(least: int, most: int) -> Callable[[str, str], int]:
    def read(name: str, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 15 and least <= int(text) <= most):
            raise ValueError(f"{name} must be a whole number of {least} to {most}")
        return int(text)

    return read


def _real(least: float, most: float) -> Callable[[str, str], float]:
    def read(name: str, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise ValueError(f"{name} must be a number of {least:g} to {most:g}")
        return number

    return read


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "seconds": _real(0.0, SECONDS_MAX),
    "after_bytes": _whole(0, PLACE_MAX),
    "after_frames": _whole(0, PLACE_MAX),
    "bytes_per_s": _real(1.0, 1e9),
    "status": _whole(400, 599),
    "retry_after_s": _real(0.0, 86_400.0),
    "attempts": _whole(1, 1_000_000),
}


def error_body(fault: Fault) -> bytes:
    """The body of a refusal, in the form that most vendors share: the given one, or one that owns up."""
    if fault.body is not None:
        return fault.body.encode()
    return b'{"error":{"message":"status %d, on purpose","type":"chaos","code":%d}}' % (fault.status, fault.status)
