"""The runs of this process: made, set going, supervised to their one terminal event, and counted."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete
from thinkaloud_server.core.run import AppendResult, Busy, Closing, Created, Existing, NewRun, Run, StoredMessage
from thinkaloud_server.core.tool_results import check_results
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.engine.breaker import Breakers
from thinkaloud_server.engine.live import Ending, LiveRun
from thinkaloud_server.engine.log import Committer, RunWriter
from thinkaloud_server.engine.models import Candidate, Models
from thinkaloud_server.engine.observer import Observer, RunBegan
from thinkaloud_server.engine.opening import new_run, prompt
from thinkaloud_server.engine.play import Play
from thinkaloud_server.engine.quota import KeyLimits, Quotas, Share
from thinkaloud_server.engine.retry import Budget
from thinkaloud_server.engine.settle import settle_orphan
from thinkaloud_server.engine.watch import WATCHED_FOR_S, Watch

if TYPE_CHECKING:
    from thinkaloud_server.engine.ports import Clock, Store

logger = logging.getLogger(__name__)

# How often the end of a run that the store could not take is offered to it again.
SETTLE_AGAIN_S = 2.0
# How often a queued turn looks whether a run in another process has ended.
QUEUE_LOOK_S = 15.0

_ENDINGS: dict[Ending, tuple[ErrorReason, str]] = {
    "deadline": (ErrorReason.DEADLINE_EXCEEDED, "the caller's deadline passed before the run ended"),
    "interrupted": (ErrorReason.RUN_INTERRUPTED, "the server was stopped during the run"),
    "lost": (ErrorReason.RUN_INTERRUPTED, "another process took the run over"),
}


class Runs:
    """Live runs by (tenant, run_id), and the committers of their logs."""

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
        runs_max: int,
        run_s: float,
        merge: bool,
        observer: Observer,
        keys: KeyLimits,
    ) -> None:
        self.live: dict[tuple[str, str], LiveRun] = {}
        self.draining = False
        self.completed = 0
        self.failed = 0
        self.first_token_ms: deque[float] = deque(maxlen=256)
        self._store = store
        self._memory = memory
        self._models = models
        self._random = random
        self._budget = Budget()
        self.breakers = Breakers()
        self._observer = observer
        self._clock = clock
        self._new_id = new_id
        self._owner = owner
        self._runs_max = runs_max
        self._run_s = run_s
        self._durable = Committer(store, clock, merge=merge, observer=observer)
        self._fleeting = Committer(memory, clock, merge=merge, observer=observer)
        self._tasks: set[asyncio.Task[Any]] = set()
        stores = (store,) if store is memory else (store, memory)
        self.quotas = Quotas(limits=keys, stores=stores, clock=clock)

    @property
    def commit_ms(self) -> Sequence[float]:
        """How long the last commits of the durable log took."""
        return self._durable.commit_ms

    def open(self) -> None:
        """Begin to commit."""
        self._durable.start()
        self._fleeting.start()

    async def begin(self, tenant: str, turn: Turn) -> Run:
        """See Engine.begin."""
        arrived = self._clock.monotonic()
        store, other = (self._store, self._memory) if turn.store else (self._memory, self._store)
        if turn.idempotency_key and other is not store and await other.find_key(tenant, turn.idempotency_key):
            raise ChatError(ErrorReason.IDEMPOTENCY_KEY_REUSED, "the key was used with another request")
        if self.draining or len(self.live) >= self._runs_max:
            if old := await self._made_before(store, tenant, turn):
                return old
            raise self._full()
        model = turn.model or await self._models.current(tenant, turn.identity)
        candidates = [await self._models.check(each, turn.identity) for each in (model, *turn.fallback_models)]
        while True:
            new = new_run(tenant, turn, candidates[0], self._new_id, owner=self._owner, now=self._clock.time())
            creating = self._own(self._create(store, new, turn, candidates, arrived), f"create-{new.run.run_id}")
            try:
                made = await asyncio.shield(creating)
            except asyncio.CancelledError:
                creating.add_done_callback(self._unclaimed)
                raise
            if isinstance(made, Run):
                return made
            await self._make_way(tenant, turn, made.run)
            if self.draining:  # it began while this one waited
                raise self._full()

    def _unclaimed(self, creating: asyncio.Task[Any]) -> None:
        """The caller left while its run was being stored; it was made all the same."""
        made = None if creating.cancelled() or creating.exception() else creating.result()
        live = self.live.get((made.tenant, made.run_id)) if isinstance(made, Run) else None
        if live is not None:
            live.unclaimed()

    async def drain(self, grace_s: float) -> None:
        """Wait so long for live runs to end, then end the rest as interrupted."""
        tasks = [live.task for live in self.live.values() if live.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
        for live in list(self.live.values()):
            live.stop("interrupted")
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Commit what waits and end every task."""
        await self._durable.close()
        await self._fleeting.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _own(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _made_before(self, store: Store, tenant: str, turn: Turn) -> Run | None:
        """The run that this very request made, told by its idempotency key: it is had also where no new one is."""
        old = await store.find_key(tenant, turn.idempotency_key) if turn.idempotency_key else None
        return old if old is not None and old.request_hash == turn.request_hash else None

    def _full(self) -> ChatError:
        if self.draining:
            return ChatError(ErrorReason.DRAINING, "this server is shutting down; ask another", retry_after_s=1.0)
        return ChatError(
            ErrorReason.OVERLOADED,
            f"this server has all the {self._runs_max} runs it can carry",
            retry_after_s=1.0,
        )

    async def _create(
        self, store: Store, new: NewRun, turn: Turn, candidates: Sequence[Candidate], arrived: float
    ) -> Run | Busy:
        """Make the run, which holds the caller's share of this server from then on; or see what stands in its place."""
        try:
            share = await self.quotas.take(turn.identity, turn.idempotency_key)
        except ChatError as refusal:
            return await self._in_its_place(store, new.run.tenant, turn, refusal)
        live = None
        try:
            made = await self._stored(store, new, turn)
            if not isinstance(made, tuple):
                return made
            live = self._begun(store, new, turn, candidates, arrived, made, share)
            return live.run
        finally:
            if share is not None and live is None:
                share.give_back()

    async def _in_its_place(self, store: Store, tenant: str, turn: Turn, refusal: ChatError) -> Run | Busy:
        """The key may have no other run: one that was made before, or its conversation's own, which may make way."""
        if old := await self._made_before(store, tenant, turn):
            return old
        conversation = None
        if refusal.reason is ErrorReason.TOO_MANY_RUNS and turn.store and turn.conversation_id:
            conversation = await store.get_conversation(tenant, turn.conversation_id)
        if conversation is not None and conversation.live_run_id:
            busy = await store.get_run(tenant, conversation.live_run_id)
            if busy is not None and busy.state == "running":
                return Busy(busy)
        raise refusal

    async def _stored(self, store: Store, new: NewRun, turn: Turn) -> tuple[StoredMessage, ...] | Run | Busy:
        """The history that the run goes on with, once it is stored; or the run that stands in its place or way."""
        aside = None
        if turn.conversation_id and not turn.store:  # read first: a run is not begun for what is not there
            aside = await self._history(new.run.tenant, turn.conversation_id)
            if turn.user_message is not None and turn.user_message.role == "tool":
                check_results((stored.message for stored in reversed(aside)), turn.user_message)
        made = await store.create_run(new.run.tenant, new)
        if isinstance(made, Existing):
            return made.run
        if isinstance(made, Busy):
            return made
        assert isinstance(made, Created)
        return made.history if aside is None else aside

    def _begun(
        self,
        store: Store,
        new: NewRun,
        turn: Turn,
        candidates: Sequence[Candidate],
        arrived: float,
        history: Sequence[StoredMessage],
        share: Share | None,
    ) -> LiveRun:
        """The stored run, set going."""
        committer = self._durable if store is self._store else self._fleeting
        run = new.run
        writer = RunWriter(committer, run.tenant, run.run_id, epoch=run.epoch, last_sequence=0)
        writer.tail.extend([new.start])
        live = LiveRun(run, writer, store, self._unwatched)
        writer.on_lost = lambda result: self._broke(live, result)
        play = Play(
            run=run,
            turn=turn,
            messages=prompt(turn, history),
            candidates=candidates,
            writer=writer,
            models=self._models,
            budget=self._budget,
            breakers=self.breakers,
            random=self._random,
            clock=self._clock,
            arrived=arrived,
            observer=self._observer,
            share=share,
        )
        self._observer(RunBegan(run))
        self.live[run.tenant, run.run_id] = live
        live.task = self._own(self._supervise(live, play, share), run.run_id)
        if turn.deadline_s is not None:
            live.deadline(turn.deadline_s)
        return live

    async def _history(self, tenant: str, conversation_id: str) -> tuple[Any, ...]:
        """All messages of a stored conversation, for a turn that is itself not stored."""
        if await self._store.get_conversation(tenant, conversation_id) is None:
            raise ChatError(ErrorReason.NOT_FOUND, "there is no such conversation")
        messages: list[Any] = []
        token = ""
        while True:
            page = await self._store.history(tenant, conversation_id, page_size=1000, page_token=token)
            messages += page.items
            token = page.next_page_token
            if not token:
                return tuple(messages)

    async def _supervise(self, live: LiveRun, play: Play, share: Share | None) -> None:
        """Run one play to its one terminal event, whatever happens on the way."""
        closing = None
        try:
            closing = await self._played(live, play)
            live.closing = True
            live.writer.close(closing)
            await live.writer.ended.wait()
            self._count(closing)
            self._observer(play.ended(closing))
        finally:
            live.settled()
            self.live.pop((live.run.tenant, live.run.run_id), None)
            if share is not None:
                share.give_back(closing if live.writer.tail.failure is None else None)

    async def _played(self, live: LiveRun, play: Play) -> Closing:
        live.begun = True
        try:
            if live.ending is None:
                async with asyncio.timeout(self._run_s):
                    return await play.run()
        except TimeoutError:
            limit = f"the run took longer than the {self._run_s:g} s it may take"
            return play.failed(ErrorReason.UPSTREAM_TIMEOUT, limit)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if live.ending is None or task is None:
                raise
            task.uncancel()  # this was our own word, and it has been heard
        except Exception:  # a bug of ours: the run still ends, and the server's log has it
            logger.exception("run_failed", extra={"run_id": live.run.run_id, "request_id": live.run.request_id})
            return play.failed(ErrorReason.INTERNAL, "internal error")
        if live.ending in ("stopped", "abandoned"):
            return play.stopped(live.ending)
        reason, message = _ENDINGS[live.ending]
        return play.failed(reason, message)

    def _count(self, closing: Closing) -> None:
        if isinstance(closing.terminal, Complete):
            self.completed += 1
            if closing.terminal.timing.first_token_ms:
                self.first_token_ms.append(closing.terminal.timing.first_token_ms)
        else:
            self.failed += 1

    def _unwatched(self, live: LiveRun) -> None:
        """Nobody watches here; with detach 0 that is the end, else somebody may watch in another process."""
        if live.run.detach_s == 0:
            live.stop("abandoned")
        else:
            self._own(self._abandon(live), f"abandon-{live.run.run_id}")

    async def _abandon(self, live: LiveRun) -> None:
        try:
            run = await live.store.get_run(live.run.tenant, live.run.run_id)
        except ChatError:
            run = None
        if live.watchers:
            return
        if run is not None and run.watched_until > self._clock.time():
            live.rearm(WATCHED_FOR_S)
        else:
            live.stop("abandoned")

    def _broke(self, live: LiveRun, result: AppendResult) -> None:
        """The log of this run takes nothing more: end the work, and settle the run once the store can."""
        logger.error("log_broke", extra={"run_id": live.run.run_id, "result": result})
        live.stop("lost")
        if result == "failed":
            self._own(self._settle_later(live), f"settle-{live.run.run_id}")

    async def _settle_later(self, live: LiveRun) -> None:
        while True:
            await asyncio.sleep(SETTLE_AGAIN_S)
            try:
                if await settle_orphan(live.store, live.run, self._clock.time(), ErrorReason.STORAGE_UNAVAILABLE):
                    return
            except ChatError:
                logger.warning("settle_failed", extra={"run_id": live.run.run_id})

    async def _make_way(self, tenant: str, turn: Turn, busy: Run) -> None:
        """The conversation has a live run: refuse, wait for it, or end it; a run that nobody watches ends."""
        live = self.live.get((tenant, busy.run_id))
        unwatched = live.watchers == 0 if live else busy.watched_until <= self._clock.time()
        if turn.on_busy == "interrupt" or unwatched:
            if live is not None:
                live.stop("stopped")
            else:
                await self._store.request_stop(tenant, busy.run_id, self._clock.time())
        elif turn.on_busy == "reject":
            raise ChatError(
                ErrorReason.CONVERSATION_BUSY,
                "the conversation has a live run; wait for it, stop it, or set on_busy to queue or interrupt",
                details={"run_id": busy.run_id},
            )
        if live is not None:
            await live.ended.wait()
            return
        watch = Watch(self._store, self._clock, tenant, busy.run_id, 0, None)
        while not watch.ended:
            await watch.read(QUEUE_LOOK_S)
