"""Counting of requests by the library `limits`: in this process, or in a Redis that replicas share.

The window moves and is exact: of any 60 s, no more requests are let in than the limit. The library's own storage in
memory starts a thread's errand for every key with every request, shifts the whole list of a key for each, and keeps
whatever it is told; `BoundedStorage` stands in for it behind the same strategy.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, redis
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.rpc.window import Counted, Window

logger = logging.getLogger(__name__)

WINDOW_S = 60
# What one process remembers: some 700 bytes each, and 32 for each request. Past that, who called least lately is
# forgotten, and starts anew: an attacker with more addresses than this has more room than any limit of one gives.
KEYS_MAX = 20_000
# A call waits so long for Redis, and after a failure none asks it for a while.
REDIS_WAIT_S = 1.0
REDIS_REST_S = 5.0
_REDIS_AT_ONCE = 32
_REDIS_CONNECTIONS = 2 * _REDIS_AT_ONCE  # keys and addresses


class BoundedStorage(MemoryStorage):
    """The moments of the requests of each key, oldest first; all keys of one storage have one window."""

    STORAGE_SCHEME = ["async+bounded"]  # noqa: RUF012 - as the library declares it

    def __init__(self, now: Callable[[], float], keys_max: int = KEYS_MAX) -> None:
        super().__init__()
        self._now = now
        self._keys_max = keys_max
        # In the order of their last request: who comes first is forgotten first.
        self._moments: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._moments)

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now = self._now()
        self._forget(now - expiry)
        moments = self._within(key, now - expiry)
        if moments is None:
            moments = self._moments[key] = deque()
        if len(moments) + amount > limit:
            return False
        moments.extend([now] * amount)
        self._moments.move_to_end(key)
        if len(self._moments) > self._keys_max:
            self._moments.popitem(last=False)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        now = self._now()
        moments = self._within(key, now - expiry)
        return (moments[0], len(moments)) if moments else (now, 0)

    def _within(self, key: str, start: float) -> deque[float] | None:
        moments = self._moments.get(key)
        while moments and moments[0] <= start:
            moments.popleft()
        return moments

    def _forget(self, start: float) -> None:
        while self._moments:
            key, moments = next(iter(self._moments.items()))
            if moments and moments[-1] > start:
                return
            del self._moments[key]


class RedisStorage(redis.RedisStorage):
    """The library's, with a bound to its connections; `close` it at the end."""

    STORAGE_SCHEME = ["async+bounded-redis"]  # noqa: RUF012 - as the library declares it

    def __init__(self, url: str) -> None:
        from redis.asyncio import BlockingConnectionPool

        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_REDIS_CONNECTIONS,
            timeout=REDIS_WAIT_S,
            socket_connect_timeout=REDIS_WAIT_S,
            socket_timeout=REDIS_WAIT_S,
        )
        pool: Any = self._pool  # the library hands it on, and says that it takes none
        super().__init__(url, wrap_exceptions=True, implementation="redispy", connection_pool=pool)

    async def close(self) -> None:
        await self._pool.aclose()


class _Item(RateLimitItemPerSecond):
    """A limit of so many in so many seconds. A key whose limit is changed keeps what it has used of it."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        return f"{self.namespace}/{identifiers[0]!s}"


class LimitsWindow:
    """A rpc.window.Window over a storage of the library."""

    def __init__(
        self, storage: BoundedStorage | RedisStorage, now: Callable[[], float], *, kind: str, window_s: int = WINDOW_S
    ) -> None:
        """`now` is the storage's own clock; `kind` keeps those apart that share a storage."""
        self._strategy = MovingWindowRateLimiter(storage)
        self._now = now
        self._window_s = window_s
        self._item = lru_cache(maxsize=1024)(lambda limit: _Item(limit, window_s, kind))

    async def hit(self, who: str, limit: int) -> Counted:
        item = self._item(limit)
        admitted = await self._strategy.hit(item, who)
        return await self._counted(item, who, admitted)

    async def look(self, who: str, limit: int) -> Counted:
        counted = await self._counted(self._item(limit), who, True)
        return counted if counted.remaining else Counted(False, limit, 0, counted.reset_s)

    async def _counted(self, item: RateLimitItem, who: str, admitted: bool) -> Counted:
        reset_at, remaining = await self._strategy.get_window_stats(item, who)
        reset_s = min(max(reset_at - self._now(), 0.0), self._window_s)
        return Counted(admitted, item.amount, max(remaining, 0) if admitted else 0, reset_s)


class SharedWindow:
    """One that replicas share, and while it fails one of this process alone: then each replica lets in the whole limit.

    Neither of the other ways out is better: to refuse makes all chats depend on a counter, to let everything in makes
    it worth while to bring Redis down. Who was refused is not asked about again before its window has room, for nobody
    can make that sooner: a flood costs the store nothing.
    """

    def __init__(self, shared: Window, own: Window, clock: Clock, failed: Callable[[], None] = lambda: None) -> None:
        self._shared = shared
        self._own = own
        self._clock = clock
        self._failed = failed
        self._asked_again_at = 0.0
        self._turns = asyncio.Semaphore(_REDIS_AT_ONCE)
        self._full: dict[tuple[str, int], float] = {}

    async def hit(self, who: str, limit: int) -> Counted:
        known = self._refused(who, limit)
        if known is None and self._clock.monotonic() >= self._asked_again_at:
            # Time that passes in our own queue is none that the store took: whoever waits may know more at its turn.
            async with self._turns:
                known = self._refused(who, limit) or await self._ask(who, limit)
        return known or await self._own.hit(who, limit)

    def _refused(self, who: str, limit: int) -> Counted | None:
        now = self._clock.monotonic()
        left_s = self._full.get((who, limit), now) - now
        return Counted(False, limit, 0, left_s) if left_s > 0 else None

    async def _ask(self, who: str, limit: int) -> Counted | None:
        if self._clock.monotonic() < self._asked_again_at:
            return None
        try:
            async with asyncio.timeout(REDIS_WAIT_S):
                counted = await self._shared.hit(who, limit)
        except (StorageError, TimeoutError, OSError) as error:
            self._fail(error)
            return None
        self._note(who, counted)
        return counted

    def _note(self, who: str, counted: Counted) -> None:
        if counted.admitted:
            return
        now = self._clock.monotonic()
        if len(self._full) >= KEYS_MAX:
            self._full = {each: until for each, until in self._full.items() if until > now}
        if len(self._full) < KEYS_MAX:
            self._full[who, counted.limit] = now + counted.reset_s

    def _fail(self, error: Exception) -> None:
        self._failed()
        now = self._clock.monotonic()
        if now >= self._asked_again_at:  # of those that waited together one says it
            logger.error("limits_store_failed", extra={"problem": repr(error), "asked_again_in_s": REDIS_REST_S})
        self._asked_again_at = now + REDIS_REST_S
