"""How many of something are open at once, by who opened them. What is held is given back whatever ends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from thinkaloud_server.core.errors import ChatError, ErrorReason


class Slots:
    """Counts; refuses one more with `reason`, naming `what` there are too many of."""

    def __init__(self, reason: ErrorReason, what: str) -> None:
        self._reason = reason
        self._what = what
        self._held: dict[str, int] = {}
        self.open = 0

    @contextmanager
    def held(self, who: str, limit: int) -> Iterator[None]:
        """One more, as long as this lasts. No limit for 0, and for nobody (""). Raises ChatError."""
        count = self._held.get(who, 0)
        if limit and who and count >= limit:
            raise ChatError(self._reason, f"{count} {self._what} are open, which is the limit: close one first")
        self._held[who] = count + 1
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1
            if left := self._held[who] - 1:
                self._held[who] = left
            else:
                del self._held[who]
