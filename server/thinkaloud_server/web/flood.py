"""How fast one WebSocket may talk: so many messages a second, and some more at once."""

from __future__ import annotations

from typing import Literal

# Told once when so little is left of what may be said at once, and again only after a pause.
_NEAR = 0.25


class Flood:
    """A bucket that each message takes from, and time fills. Without a limit (0) it is never empty."""

    __slots__ = ("_at", "_burst", "_left", "_per_s", "_warned")

    def __init__(self, per_s: float, burst: int, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._left = float(burst)
        self._at = now
        self._warned = False

    def heard(self, now: float) -> Literal["fine", "near", "over"]:
        """One more message: whether its sender is to be warned, or is to go."""
        if not self._per_s:
            return "fine"
        self._left = min(self._left + (now - self._at) * self._per_s, self._burst)
        self._at = now
        if self._left < 1:
            return "over"
        self._left -= 1
        near = self._left < self._burst * _NEAR
        if near == self._warned or (self._warned and self._left < self._burst * 2 * _NEAR):
            return "fine"
        self._warned = near
        return "near" if near else "fine"
