"""Open streams, and the end of the credentials that they were opened with.

Nothing is polled: streams of one credential wait together, for one timer or for the word that it was revoked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import Identity

Ended = Callable[[ChatError], object]
# A timer is set again after at most this long: a machine that slept, or whose clock was set, must not let a
# credential live on for long.
_TIMER_S = 600.0


class _Credential:
    """The streams of one key, or of one token."""

    __slots__ = ("streams", "timer")

    def __init__(self) -> None:
        self.streams: dict[object, Ended] = {}
        self.timer: asyncio.TimerHandle | None = None


class Watches:
    """Who is to be told when a credential ends. Used from one event loop."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._credentials: dict[tuple[str, float], _Credential] = {}

    def __len__(self) -> int:
        return sum(len(each.streams) for each in self._credentials.values())

    @contextmanager
    def watch(self, identity: Identity, ended: Ended) -> Iterator[None]:
        """While this is entered, `ended` is called, once, when the credential of this identity ends."""
        place = (identity.key_id, identity.expires_at)
        credential = self._credentials.get(place)
        if credential is None:
            credential = self._credentials[place] = _Credential()
            self._set_timer(place, credential)
        stream = object()
        credential.streams[stream] = ended
        try:
            yield
        finally:
            credential.streams.pop(stream, None)
            if not credential.streams and self._credentials.get(place) is credential:
                self._forget(place)

    def end(self, gone: Callable[[str], bool]) -> None:
        """End the streams of every credential whose id is gone."""
        for place in [place for place in self._credentials if gone(place[0])]:
            self._end(place, revoked())

    def _set_timer(self, place: tuple[str, float], credential: _Credential) -> None:
        if place[1]:
            wait_s = min(max(place[1] - self._now(), 0.0), _TIMER_S)
            credential.timer = asyncio.get_running_loop().call_later(wait_s, self._look, place, credential)

    def _look(self, place: tuple[str, float], credential: _Credential) -> None:
        if self._now() < place[1]:
            self._set_timer(place, credential)
        else:
            self._end(place, expired())

    def _end(self, place: tuple[str, float], error: ChatError) -> None:
        for ended in tuple(self._forget(place).streams.values()):
            ended(error)

    def _forget(self, place: tuple[str, float]) -> _Credential:
        credential = self._credentials.pop(place)
        if credential.timer is not None:
            credential.timer.cancel()
        return credential


def revoked() -> ChatError:
    return ChatError(ErrorReason.AUTH_REVOKED, "the key was revoked")


def expired() -> ChatError:
    return ChatError(ErrorReason.AUTH_EXPIRED, "the credential has expired")
