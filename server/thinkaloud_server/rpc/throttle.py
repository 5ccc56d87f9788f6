"""How often and how much at once one caller may call: by its address before it is known, by its key once it is.

By address: requests in a minute, and credentials that nobody ever gave out. Past the limit of those, good or bad, none
is looked at but what was good from that very address lately: whoever guesses learns nothing and has nothing computed,
and who was at work there goes on working. An expired or revoked key is no guess.

By key: requests in a minute, and streams that are open. Who has no key is counted by its address. A key's own allowance
goes before the configured limit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.rpc.address import Network, caller_of, counted_as, is_trusted
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.slots import Slots
from thinkaloud_server.rpc.window import Tally, Window, admit

_GUESSES = frozenset({ErrorReason.AUTH_INVALID, ErrorReason.WS_TOKEN_INVALID})
# Some hundred bytes each. Whoever is forgotten must wait for the window if its neighbours guess.
_KNOWN_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Rates:
    """The configured limits; 0 is none. Peers of `trusted_proxies` may say for whom they call."""

    requests_per_minute: int = 0
    requests_per_minute_address: int = 0
    auth_failures_per_minute: int = 0
    streams_per_key: int = 0
    sockets_per_key: int = 0
    connections_per_address: int = 0
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Windows:
    """Where is counted; each by itself, so that a flood of addresses displaces no key."""

    keys: Window
    addresses: Window
    failures: Tally


class Throttling(NamedTuple):
    """What is limited, and where it is counted; without windows only what is open at once is."""

    rates: Rates
    windows: Windows | None = None


class Throttle:
    """Two interceptors, `by_address` ahead of who finds out who calls and `by_key` behind it."""

    def __init__(
        self, throttling: Throttling, *, unlimited: Collection[str] = (), streaming: Collection[str] = ()
    ) -> None:
        """Methods that are `unlimited` do not count for their key; `streaming` ones hold a stream open."""
        self._rates, self._windows = throttling
        self._unlimited = frozenset(unlimited)
        self._streaming = frozenset(streaming)
        self._known: OrderedDict[int, None] = OrderedDict()
        self._streams = Slots(ErrorReason.TOO_MANY_STREAMS, "streams")
        self._connections = Slots(ErrorReason.TOO_MANY_CONNECTIONS, "connections")
        self._sockets = Slots(ErrorReason.TOO_MANY_CONNECTIONS, "WebSockets")

    @property
    def looks_at_addresses(self) -> bool:
        """Whether there is anything that `by_address` would do."""
        rates = self._rates
        return self._windows is not None and bool(rates.requests_per_minute_address or rates.auth_failures_per_minute)

    @property
    def streams(self) -> int:
        """How many are open."""
        return self._streams.open

    @property
    def sockets(self) -> int:
        """How many are open."""
        return self._sockets.open

    @property
    def connections(self) -> int:
        """How many are open over HTTP."""
        return self._connections.open

    @asynccontextmanager
    async def by_address(self, call: Call) -> AsyncIterator[None]:
        who, windows, rates = counted_as(call.address), self._windows, self._rates
        if not who or windows is None:
            yield
            return
        if limit := rates.requests_per_minute_address:
            admit(call, await windows.addresses.hit(who, limit), "one address")
        if not (failures := rates.auth_failures_per_minute):
            yield
            return
        if credential := call.header("authorization"):
            await self._check_guesses(windows.failures, who, failures, credential)
        try:
            yield
        except ChatError as error:
            call.guessed = error.reason in _GUESSES
            raise
        finally:
            if call.guessed:
                await windows.failures.hit(who, failures)

    @asynccontextmanager
    async def by_key(self, call: Call) -> AsyncIterator[None]:
        identity = call.identity
        if identity.key_id and self._windows is not None:
            self._remember(call)
            limit = _own(identity.allowance.requests_per_minute, self._rates.requests_per_minute)
            if limit and call.method not in self._unlimited:
                admit(call, await self._windows.keys.hit(identity.key_id, limit), "this key")
        if call.method not in self._streaming:
            yield
            return
        limit = _own(identity.allowance.streams, self._rates.streams_per_key)
        with self._streams.held(_holder(call, identity), limit):
            yield

    def socket(self, call: Call) -> AbstractContextManager[None]:
        """One WebSocket of the call's identity, as long as it is open. Raises ChatError(TOO_MANY_CONNECTIONS)."""
        identity = call.identity
        return self._sockets.held(
            _holder(call, identity), _own(identity.allowance.sockets, self._rates.sockets_per_key)
        )

    def connection(self, peer: str) -> AbstractContextManager[None]:
        """One HTTP connection from there, as long as it stands; proxies that are trusted have as many as they like.

        Raises ChatError(TOO_MANY_CONNECTIONS).
        """
        rates = self._rates
        limit = 0 if is_trusted(peer, rates.trusted_proxies) else rates.connections_per_address
        return self._connections.held(counted_as(caller_of(peer, (), ())), limit)

    async def _check_guesses(self, failures: Tally, who: str, limit: int, credential: str) -> None:
        counted = await failures.look(who, limit)
        if not counted.admitted and hash((who, credential)) not in self._known:
            raise ChatError(
                ErrorReason.AUTH_RATE_LIMITED,
                f"{limit} credentials from this address were not valid within a minute: wait before the next",
                retry_after_s=counted.reset_s,
            )

    def _remember(self, call: Call) -> None:
        """This credential was good from this address. The hash is keyed for each process and lets nobody in: it says
        which credentials are looked at."""
        if not self._rates.auth_failures_per_minute or not call.address:
            return
        known = hash((counted_as(call.address), call.header("authorization")))
        self._known[known] = None
        self._known.move_to_end(known)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)


def _own(allowed: int | None, configured: int) -> int:
    return configured if allowed is None else allowed


def _holder(call: Call, identity: Identity) -> str:
    """For whom something is held open: a key, or who has none by its address."""
    return identity.key_id or counted_as(call.address)
