"""What this face tells of its calls to whoever counts them: one frozen value for each call, at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is over. `code` is the canonical name, `reason` the error's; `method` is of our contract or "unknown"."""

    method: str
    code: str
    reason: str
    events: int
    duration_s: float


class CallObserver(Protocol):
    """Is told of every call as it ends: it must neither wait nor raise."""

    def __call__(self, what: CallEnded, /) -> None: ...


def nobody(what: CallEnded, /) -> None:
    """Looks at nothing."""
