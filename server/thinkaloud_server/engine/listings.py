"""The listings of all providers, as they were last told: asked for in parallel, kept, and served while asked again.

Whoever wants models gets what is there. Only what was never listed is waited for, and no provider longer than the
others need: one that is slow or fails leaves a note. The asking itself belongs to nobody who waits: it goes on, and
its answer is there for the next.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thinkaloud_server.core.errors import ChatError
from thinkaloud_server.core.request import ModelInfo

if TYPE_CHECKING:
    from thinkaloud_server.engine.ports import Clock, Provider

logger = logging.getLogger(__name__)

FRESH_S = 300.0
# A failed listing is tried again this soon, so that a provider that comes back is seen, but not asked at each call.
FAILED_FRESH_S = 10.0
# What is older than this is waited for, not served.
STALE_S = 3600.0
# The longest that somebody waits for a listing; and for one that failed just now.
WITHIN_S = 10.0
AGAIN_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class _Listing:
    models: Mapping[str, ModelInfo]
    note: str
    # When these models were listed (a failure keeps the ones before it), and when it was last tried.
    listed_at: float | None
    tried_at: float

    def fresh(self, now: float) -> bool:
        return now - self.tried_at < (FAILED_FRESH_S if self.note else FRESH_S)

    def usable(self, now: float) -> bool:
        return self.listed_at is not None and now - self.listed_at < STALE_S


class Listings:
    """Listings by provider. Call `close` at the end."""

    def __init__(self, providers: Mapping[str, Provider], clock: Clock, *, within_s: float = WITHIN_S) -> None:
        self._providers = providers
        self._clock = clock
        self._within_s = within_s
        self._kept: dict[str, _Listing] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def models(self, provider: str) -> Sequence[ModelInfo]:
        """As last listed; () when it never was."""
        kept = self._kept.get(provider)
        return tuple(kept.models.values()) if kept else ()

    def model(self, provider: str, name: str) -> ModelInfo | None:
        """This one of them."""
        kept = self._kept.get(provider)
        return kept.models.get(name) if kept else None

    def note(self, provider: str) -> str:
        """Why there is nothing, or nothing new; "" where all is well."""
        kept = self._kept.get(provider)
        return kept.note if kept else ""

    def tried(self, provider: str) -> bool:
        """Whether the provider was ever asked."""
        return provider in self._kept

    def complete(self, provider: str) -> bool:
        """Whether the listing is there and fresh."""
        kept = self._kept.get(provider)
        return kept is not None and not kept.note and kept.fresh(self._clock.monotonic())

    async def refresh(self, names: Iterable[str], within_s: float | None = None) -> None:
        """Ask those whose listing is not fresh, all at once, and wait for those that have none that will do."""
        now = self._clock.monotonic()
        waits: dict[asyncio.Task[None], float] = {}
        tasks: dict[str, asyncio.Task[None]] = {}
        limit = self._within_s if within_s is None else within_s
        for name in names:
            kept = self._kept.get(name)
            if name not in self._providers or (kept is not None and kept.fresh(now)):
                continue
            task = tasks[name] = self._ask(name)
            # A listing that costs nothing is never served old.
            if kept is None or not kept.usable(now) or self._providers[name].lists_all:
                waits[task] = min(limit, AGAIN_WITHIN_S) if kept is not None and kept.note else limit
        for within in sorted(set(waits.values())):
            left = within - (self._clock.monotonic() - now)
            await asyncio.wait([task for task in waits if waits[task] == within], timeout=max(left, 0.0))
        for name, task in tasks.items():
            if task in waits and not task.done() and not self.tried(name):
                note = f"{name}: no answer within {waits[task]:g} s"
                self._kept[name] = _Listing({}, note, None, self._clock.monotonic())

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ask(self, name: str) -> asyncio.Task[None]:
        """The one task that asks this provider."""
        task = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.get_running_loop().create_task(self._fetch(name), name=f"list-{name}")
            task.add_done_callback(lambda done: self._asking.pop(name, None))
        return task

    async def _fetch(self, name: str) -> None:
        before = self._kept.get(name)
        kept, listed_at = (before.models, before.listed_at) if before else ({}, None)
        note = ""
        try:
            kept = {model.name: model for model in await self._providers[name].models()}
        except ChatError as error:
            note = f"{name}: {error.message}"
        except Exception:  # a bug of ours in one provider's listing: the others' are none the worse
            logger.exception("listing_failed", extra={"provider": name})
            note = f"{name}: internal error"
        now = self._clock.monotonic()
        self._kept[name] = _Listing(kept, note, listed_at if note else now, now)
