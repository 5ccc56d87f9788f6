"""The engine: runs are begun, watched, stopped and settled here, and belong to nobody's connection.

It owns every run's task, one committer per store, and the task that renews leases and trims what is old.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Terminal
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.run import Page, Run, RunState
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.engine.breaker import BreakerState
from thinkaloud_server.engine.models import Models
from thinkaloud_server.engine.observer import Observer, nobody
from thinkaloud_server.engine.quota import DayBudget, KeyLimits
from thinkaloud_server.engine.runs import Runs
from thinkaloud_server.engine.settle import settle_orphan
from thinkaloud_server.engine.watch import Watch, check_after, expired

if TYPE_CHECKING:
    from thinkaloud_server.engine.ports import Clock, Store

logger = logging.getLogger(__name__)

# A run of another process is stopped by its owner, which looks for that this often at the latest, and then some.
STOP_ELSEWHERE_S = 30.0


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """How much the engine takes on, and for how long it keeps what is over."""

    runs_max: int = 1000
    run_s: float = 1800.0
    events_kept_s: float = 24 * 3600.0
    keys_kept_s: float = 7 * 24 * 3600.0
    lease_renewed_s: float = 3.0
    trimmed_s: float = 600.0
    keys: KeyLimits = field(default_factory=KeyLimits)


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """A look at the engine. Medians are of the last 256; 0 where there were none."""

    live_runs: int
    runs_max: int
    watchers: int
    runs_total: int
    runs_failed: int
    first_token_ms: float
    commit_ms: float
    draining: bool
    breakers: Mapping[str, BreakerState]


class Engine:
    """Begin, watch and stop runs. Call `open` before anything else and `close` at the end."""

    def __init__(
        self,
        *,
        store: Store,
        memory: Store,
        models: Models,
        random: Callable[[], float],
        clock: Clock,
        new_id: Callable[[str], str],
        owner: str,
        limits: EngineLimits | None = None,
        merge: bool = True,
        observer: Observer = nobody,
        trims: Mapping[str, Callable[[float], Awaitable[int]]] | None = None,
    ) -> None:
        """`trims` are told the time, each time that old runs are trimmed, and answer how much they dropped."""
        self.store = store
        self.models = models
        self.limits = limits or EngineLimits()
        self._memory = memory
        self._trims = trims or {}
        self._clock = clock
        self._owner = owner
        self._runs = Runs(
            store=store,
            memory=memory,
            models=models,
            random=random,
            clock=clock,
            new_id=new_id,
            owner=owner,
            runs_max=self.limits.runs_max,
            run_s=self.limits.run_s,
            merge=merge,
            observer=observer,
            keys=self.limits.keys,
        )
        self._live = self._runs.live
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> int:
        """Begin to commit, and settle the runs of dead processes; how many those were."""
        self._runs.open()
        orphans = await self.store.take_orphans(self._owner, self._clock.time())
        for run in orphans:
            await settle_orphan(self.store, run, self._clock.time())
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._renew(), name="renew-leases"),
            loop.create_task(self._trim(), name="trim"),
        ]
        return len(orphans)

    async def begin(self, tenant: str, turn: Turn) -> Run:
        """Store the run with its `start` and set it going; or the run that the same idempotency key made.

        Raises ChatError: DRAINING, OVERLOADED, MODEL_NOT_ALLOWED, MODEL_NOT_FOUND, TOO_MANY_RUNS, BUDGET_EXCEEDED,
        NOT_FOUND (conversation), CONVERSATION_BUSY, IDEMPOTENCY_KEY_REUSED, VALIDATION_FAILED (results of tools that
        nobody waits for), STORAGE_UNAVAILABLE.
        """
        return await self._runs.begin(tenant, turn)

    @asynccontextmanager
    async def watch(self, tenant: str, run_id: str, after_sequence: int = 0) -> AsyncIterator[Watch]:
        """A cursor into the run's log, from any sequence, while the run lives and after.

        Raises ChatError on entering: NOT_FOUND, SEQUENCE_AHEAD, EVENTS_EXPIRED.
        """
        live = self._live.get((tenant, run_id))
        if live is not None:
            check_after(live.writer.tail.last_sequence, after_sequence)
            store, tail = live.store, live.writer.tail
        else:
            store, run = await self._find(tenant, run_id)
            check_after(run.last_sequence, after_sequence)
            behind = run.state != "running" and after_sequence < run.last_sequence
            if behind and not await store.read_events(tenant, run_id, after_sequence, 1):
                raise expired(run)
            tail = None
        watch = Watch(store, self._clock, tenant, run_id, after_sequence, tail)
        if live is not None:
            live.open()
        try:
            yield watch
        finally:
            watch.close()
            if live is not None:
                live.close()

    async def get_run(self, tenant: str, run_id: str) -> tuple[Run, Terminal | None]:
        """The run and, when it has ended, how. Raises ChatError(NOT_FOUND)."""
        live = self._live.get((tenant, run_id))
        if live is not None and not live.ended.is_set():
            return replace(live.run, last_sequence=live.writer.tail.last_sequence), None
        store, run = await self._find(tenant, run_id)
        return run, None if run.state == "running" else await store.get_result(tenant, run_id)

    async def stop(self, tenant: str, run_id: str) -> tuple[Run, Terminal]:
        """Stop a live run and wait until it is settled; an ended one is answered as it is.

        Raises ChatError: NOT_FOUND, STORAGE_UNAVAILABLE (its end could not be stored).
        """
        live = self._live.get((tenant, run_id))
        if live is not None:
            live.stop("stopped")
            await live.ended.wait()
        else:
            store, run = await self._find(tenant, run_id)
            if run.state == "running":
                await store.request_stop(tenant, run_id, self._clock.time())
                await self._outlive(tenant, run_id)
        run, terminal = await self.get_run(tenant, run_id)
        if terminal is None:
            raise ChatError(ErrorReason.STORAGE_UNAVAILABLE, "the run was stopped but its end is not stored yet")
        return run, terminal

    async def list_runs(
        self, tenant: str, *, conversation_id: str, state: RunState | None, page_size: int, page_token: str
    ) -> Page[Run]:
        """Stored runs, newest first. Raises ChatError(INVALID_PAGE_TOKEN)."""
        return await self.store.list_runs(
            tenant, conversation_id=conversation_id, state=state, page_size=page_size, page_token=page_token
        )

    async def delete_conversation(self, tenant: str, conversation_id: str) -> None:
        """Stop what lives in it and delete it whole. Raises ChatError(NOT_FOUND)."""
        conversation = await self.store.get_conversation(tenant, conversation_id)
        if conversation is not None and conversation.live_run_id:
            await self.stop(tenant, conversation.live_run_id)
        if not await self.store.delete_conversation(tenant, conversation_id):
            raise ChatError(ErrorReason.NOT_FOUND, "there is no such conversation")

    async def budget(self, caller: Identity) -> DayBudget | None:
        """What the caller's key may spend today and has spent; None for callers without a key."""
        return await self._runs.quotas.budget(caller)

    def key_runs(self, caller: Identity) -> int:
        """How many runs the caller's key has just now; 0 for callers without a key, whose runs nobody counts."""
        return self._runs.quotas.runs(caller)

    def status(self) -> EngineStatus:
        """A look at the engine, without waiting."""
        runs = self._runs
        return EngineStatus(
            live_runs=len(self._live),
            runs_max=self.limits.runs_max,
            watchers=sum(live.watchers for live in self._live.values()),
            runs_total=runs.completed + runs.failed,
            runs_failed=runs.failed,
            first_token_ms=_median(runs.first_token_ms),
            commit_ms=_median(runs.commit_ms),
            draining=runs.draining,
            breakers=runs.breakers.states(self._clock.monotonic()),
        )

    def refuse(self) -> None:
        """Take no new runs from now on; watching and stopping go on."""
        self._runs.draining = True

    async def drain(self, grace_s: float) -> None:
        """Refuse new runs, let live ones end for so long, then end the rest as interrupted."""
        self.refuse()
        await self._runs.drain(grace_s)

    async def close(self) -> None:
        """End every run and task and commit what waits. The stores are their opener's to close."""
        await self.drain(0.0)
        await self._runs.close()
        await self.models.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _find(self, tenant: str, run_id: str) -> tuple[Store, Run]:
        for store in (self.store, self._memory):
            run = await store.get_run(tenant, run_id)
            if run is not None:
                return store, run
        raise ChatError(ErrorReason.NOT_FOUND, "there is no such run")

    async def _outlive(self, tenant: str, run_id: str) -> None:
        """Wait for the end of a run that lives in another process."""
        async with asyncio.timeout(STOP_ELSEWHERE_S):
            watch = Watch(self.store, self._clock, tenant, run_id, 0, None)
            while not watch.ended:
                await watch.read(STOP_ELSEWHERE_S)

    async def _renew(self) -> None:
        """Keep the leases of live runs, and hear what other processes ask of them."""
        while True:
            await asyncio.sleep(self.limits.lease_renewed_s)
            ours = {live.run.run_id: live for live in self._live.values() if live.store is self.store}
            if not ours:
                continue
            try:
                renewal = await self.store.renew(self._owner, list(ours), self._clock.time())
            except ChatError:
                logger.exception("renew_failed")
                continue
            for run_id in renewal.stop:
                ours[run_id].stop("stopped")
            for run_id in renewal.lost:
                ours[run_id].stop("lost")

    async def _trim(self) -> None:
        while True:
            now = self._clock.time()
            events, keys = now - self.limits.events_kept_s, now - self.limits.keys_kept_s
            for store in (self.store, self._memory):
                await _trimmed(store.kind, store.trim(events_before=events, keys_before=keys))
            for what, trim in self._trims.items():
                await _trimmed(what, trim(now))
            await asyncio.sleep(self.limits.trimmed_s)


async def _trimmed(what: str, trimming: Awaitable[int]) -> None:
    try:
        if rows := await trimming:
            logger.info("trimmed", extra={"store": what, "rows": rows})
    except ChatError:
        logger.exception("trim_failed")


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
