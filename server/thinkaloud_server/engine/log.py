"""The run log: events wait here until the store has committed them, and only then are seen.

Theory of operation. A run's task appends to its `RunWriter`, which never waits. One committer task per store
takes whatever has gathered in all writers, hands it to the store as one batch, and publishes it to the tails when
the store says "committed". While that commit is in flight the next batch gathers: no timer, no added delay on an
idle server, larger groups on a busy one. Neighbouring token (or reasoning) events of one part that wait together
become one event of at most EVENT_BYTES_MAX, so a saturated server pays less per token.

Delivery costs more than anything else, so it has a say as well: while every watcher of a run is still writing what was
committed before, the run's next text gathers, until the first of them is back or HELD_S have passed. A watcher that
keeps up adds nothing by this, and one that stopped can slow nothing but the size of events.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import EVENT_BYTES_MAX, Event, Reasoning, Token
from thinkaloud_server.core.run import Append, AppendResult, Closing
from thinkaloud_server.engine.observer import Committed, Observer, nobody
from thinkaloud_server.engine.tail import RunTail, event_bytes

if TYPE_CHECKING:
    from thinkaloud_server.engine.ports import Clock, Store

logger = logging.getLogger(__name__)

# A run that has this much waiting stops reading its provider until the store has caught up.
PENDING_BYTES_MAX = 256 * 1024
# A run whose watchers are all busy is committed after this time, or with this much text, all the same.
HELD_S = 0.025
HELD_BYTES_MAX = 64 * 1024

_TEXT = (Token, Reasoning)


class RunWriter:
    """The one writer of one run's log."""

    __slots__ = (
        "_closing",
        "_committer",
        "_flushed",
        "_held",
        "_marked",
        "_open",
        "_open_bytes",
        "_pending",
        "_run_id",
        "_tenant",
        "answer_deltas",
        "ended",
        "epoch",
        "on_lost",
        "pending_bytes",
        "reasoning_deltas",
        "tail",
    )

    def __init__(self, committer: Committer, tenant: str, run_id: str, *, epoch: int, last_sequence: int) -> None:
        self._committer = committer
        self._tenant = tenant
        self._run_id = run_id
        self._pending: list[Event] = []
        self._open: list[str] = []
        self._open_bytes = 0
        self._closing: Closing | None = None
        self._flushed: asyncio.Event | None = None
        self._held: asyncio.TimerHandle | None = None
        self._marked = False
        self.epoch = epoch
        self.pending_bytes = 0
        # What waits, in pieces as the provider sent it.
        self.answer_deltas = 0
        self.reasoning_deltas = 0
        self.tail = RunTail(last_sequence)
        self.tail.on_caught_up = self._release
        self.ended = asyncio.Event()
        self.on_lost: Callable[[AppendResult], None] | None = None

    @property
    def merges(self) -> bool:
        """Whether neighbouring text that waits together becomes one event."""
        return self._committer.merge

    def append(self, event: Event, pieces: int = 1) -> None:
        """Add the next event; it is seen once it is committed. A provider sent its text in so many pieces."""
        if not isinstance(event, _TEXT):
            self._shut()
            self._pending.append(event)
            self.pending_bytes += event_bytes(event)
            self._mark()
            return
        self._append_text(event)
        if pieces > 1:
            if isinstance(event, Token):
                self.answer_deltas += pieces - 1
            else:
                self.reasoning_deltas += pieces - 1
        if self._marked:
            return
        if self.tail.caught_up or self.pending_bytes >= HELD_BYTES_MAX or not self._committer.merge:
            self._mark()
        elif self._held is None:
            self._held = asyncio.get_running_loop().call_later(HELD_S, self._release)

    def close(self, closing: Closing) -> None:
        """Add the terminal event; nothing may be appended after it."""
        self.append(closing.terminal)
        self._closing = closing

    async def room(self) -> None:
        """Return at once, or, when too much waits, once the store has caught up."""
        while self.pending_bytes >= PENDING_BYTES_MAX and self.tail.failure is None:
            self._flushed = asyncio.Event()
            await self._flushed.wait()

    def take(self) -> Append:
        """Everything that waits, as one entry of a batch; the committer answers with `settle`."""
        self._shut()
        if self._held is not None:
            self._held.cancel()
            self._held = None
        self._marked = False
        events, self._pending = tuple(self._pending), []
        self.pending_bytes = 0
        return Append(self._tenant, self._run_id, self.epoch, self.tail.last_sequence + 1, events, self._closing)

    def settle(self, append: Append, result: AppendResult) -> None:
        """How the store took it."""
        if result == "committed":
            self.tail.extend(append.events)
            if append.closing is not None:
                self.ended.set()
        else:
            self.tail.fail(ChatError(ErrorReason.STORAGE_UNAVAILABLE, "the run's log could not be written"))
            if self.on_lost is not None:
                self.on_lost(result)
            self.ended.set()
        if self._flushed is not None:
            self._flushed.set()
            self._flushed = None

    def part(self) -> None:
        """The run ended: let go of its owner and its tail's word, so that nothing of it waits for the collector."""
        self.on_lost = None
        self.tail.on_caught_up = None

    def _release(self) -> None:
        """Somebody has caught up, or the time is over: what was held goes to the committer."""
        if self._held is not None:
            self._held.cancel()
            self._held = None
            self._mark()

    def _mark(self) -> None:
        """What waits is to be committed; once is enough until it is taken."""
        self._marked = True
        self._committer.mark(self)

    def _append_text(self, event: Token | Reasoning) -> None:
        text = event.token
        size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
        if size > EVENT_BYTES_MAX:
            # The longest code point has four bytes, so a quarter of the limit in characters always fits.
            for start in range(0, len(text), EVENT_BYTES_MAX // 4):
                self._append_text(replace(event, token=text[start : start + EVENT_BYTES_MAX // 4]))
            return
        self.pending_bytes += size
        fits = self._committer.merge and self._open_bytes + size <= EVENT_BYTES_MAX
        if fits and self._pending and _same_part(self._pending[-1], event):
            self._open.append(text)
            self._open_bytes += size
            return
        self._shut()
        self._pending.append(event)
        self._open.append(text)
        self._open_bytes = size

    def _shut(self) -> None:
        """Join the pieces of the last text event."""
        if self._open:
            last = self._pending[-1]
            assert isinstance(last, _TEXT)
            # Counted here and not where they come, so that a piece costs nothing to count.
            said = "".join(self._open)
            if isinstance(last, Token):
                self.answer_deltas += len(self._open)
                self._pending[-1] = Token(said, last.index)
            else:
                self.reasoning_deltas += len(self._open)
                self._pending[-1] = Reasoning(said, last.kind, last.index)
            self._open = []
        self._open_bytes = 0


def _same_part(last: Event, event: Token | Reasoning) -> bool:
    """Whether the later one merely goes on with what the earlier one said."""
    if isinstance(event, Token):
        return isinstance(last, Token) and last.index == event.index
    return isinstance(last, Reasoning) and last.index == event.index and last.kind == event.kind


class Committer:
    """Commits what all writers of one store have gathered, one batch after the other."""

    def __init__(self, store: Store, clock: Clock, *, merge: bool, observer: Observer = nobody) -> None:
        self.merge = merge
        self.commit_ms: deque[float] = deque(maxlen=256)
        self._store = store
        self._clock = clock
        self._observer = observer
        self._dirty: dict[RunWriter, None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to commit; `close` ends it."""
        self._task = asyncio.get_running_loop().create_task(self._loop(), name=f"commit-{self._store.kind}")

    def mark(self, writer: RunWriter) -> None:
        """This writer has something to commit."""
        if writer not in self._dirty:
            self._dirty[writer] = None
            self._wake.set()

    async def close(self) -> None:
        """Commit what waits, then end."""
        if self._task is None:
            return
        while self._dirty and not self._task.done():
            await asyncio.wait([self._task], timeout=0.01)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _loop(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            writers, self._dirty = list(self._dirty), {}
            batch = [writer.take() for writer in writers]
            deltas = _counted(writers)
            started = self._clock.monotonic()
            results = await self._append(batch)
            duration_s = self._clock.monotonic() - started
            self.commit_ms.append(duration_s * 1000)
            for writer, append, result in zip(writers, batch, results, strict=True):
                writer.settle(append, result)
            self._observer(
                Committed(
                    self._store.kind,
                    runs=len(batch),
                    events=sum(len(append.events) for append in batch),
                    answer_deltas=deltas[0],
                    reasoning_deltas=deltas[1],
                    failed=len(results) - results.count("committed"),
                    duration_s=duration_s,
                )
            )

    async def _append(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        try:
            return await self._store.append(batch)
        except Exception:  # a store's bug must end these runs, not the committing of all others
            logger.exception("commit_failed", extra={"runs": len(batch)})
            return ["failed"] * len(batch)


def _counted(writers: Sequence[RunWriter]) -> tuple[int, int]:
    """The pieces of answers and of reasoning in what was just taken from these writers; they count anew from here."""
    answer = reasoning = 0
    for writer in writers:
        answer += writer.answer_deltas
        reasoning += writer.reasoning_deltas
        writer.answer_deltas = writer.reasoning_deltas = 0
    return answer, reasoning
