"""What the engine needs from outside: a store, providers, a clock. `app` joins them.

Every method of the store takes the tenant first; batches carry it in each entry. The shape fits one process
with SQLite and several replicas with PostgreSQL: `epoch` fences a writer that lost its lease, `renew` and
`take_orphans` are the leases, `listen` is the wake-up. A store with one owner answers them trivially.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from thinkaloud_server.core.delta import Delta
from thinkaloud_server.core.event import Logged, Terminal
from thinkaloud_server.core.fault import Fault
from thinkaloud_server.core.request import ModelInfo, ModelRequest
from thinkaloud_server.core.run import (
    Append,
    AppendResult,
    Busy,
    Conversation,
    Created,
    Existing,
    NewRun,
    Page,
    Renewal,
    Run,
    RunState,
    StoredMessage,
    TokenTotals,
)
from thinkaloud_server.core.usage import Spent, Usage

ThinkTags = Literal["auto", "inside", "off"]


class Store(Protocol):
    """Runs with their events, conversations with their messages.

    Any method raises ChatError(STORAGE_UNAVAILABLE) when the store cannot answer.
    """

    @property
    def kind(self) -> str:
        """ "sqlite", "memory", …"""

    async def create_run(self, tenant: str, new: NewRun) -> Created | Existing | Busy:
        """In one transaction: key, conversation, user's message, run, `start` as sequence 1.

        Raises ChatError: IDEMPOTENCY_KEY_REUSED (same key, other request_hash), NOT_FOUND (a conversation that
        is not there or not the tenant's), VALIDATION_FAILED (a message of role "tool" that does not answer what the
        conversation waits for, as core/tool_results.py has it). Whatever it raises, nothing was stored.
        """

    async def append(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        """Commit the next events of many runs, all in one transaction, and say of each run how it went.

        "fenced": the run's epoch is another or it has ended; nothing of it was written. "failed": this run's
        rows could not be written (the others' were). Never raises for one run's trouble.
        """

    async def read_events(self, tenant: str, run_id: str, after_sequence: int, bytes_max: int) -> Sequence[Logged]:
        """The next events in order, at least one if there is one, up to about `bytes_max` of payload."""

    async def get_run(self, tenant: str, run_id: str) -> Run | None: ...

    async def get_result(self, tenant: str, run_id: str) -> Terminal | None:
        """The terminal event of an ended run; outlives its events."""

    async def find_key(self, tenant: str, idempotency_key: str) -> Run | None: ...

    async def list_runs(
        self, tenant: str, *, conversation_id: str, state: RunState | None, page_size: int, page_token: str
    ) -> Page[Run]:
        """Newest first. Raises ChatError(INVALID_PAGE_TOKEN)."""

    async def request_stop(self, tenant: str, run_id: str, at: float) -> None:
        """Ask the run's owner, wherever it is, to stop it."""

    async def mark_watched(self, tenant: str, run_id: str, until: float) -> None:
        """Somebody watches this run, in this process or another, at least until then."""

    async def renew(self, owner: str, run_ids: Sequence[str], now: float) -> Renewal:
        """Renew this owner's leases on these runs."""

    async def take_orphans(self, owner: str, now: float) -> Sequence[Run]:
        """Live runs whose owner is gone, now this owner's with a higher epoch. To be settled by `append`."""

    def listen(self, notify: Callable[[str], None]) -> None:
        """Call `notify(run_id)` on the event loop when another process appended to a run. A hint, no more."""

    async def create_conversation(self, tenant: str, conversation: Conversation) -> None: ...

    async def get_conversation(self, tenant: str, conversation_id: str) -> Conversation | None: ...

    async def list_conversations(self, tenant: str, *, page_size: int, page_token: str) -> Page[Conversation]: ...

    async def update_conversation(
        self, tenant: str, conversation_id: str, *, title: str | None, metadata: Mapping[str, str] | None
    ) -> Conversation | None: ...

    async def delete_conversation(self, tenant: str, conversation_id: str) -> bool:
        """Delete it with its messages, runs and events; False when there was none."""

    async def history(
        self, tenant: str, conversation_id: str, *, page_size: int, page_token: str
    ) -> Page[StoredMessage]:
        """Oldest first."""

    async def get_setting(self, tenant: str, name: str) -> str | None: ...

    async def put_setting(self, tenant: str, name: str, value: str) -> None: ...

    async def token_totals(self, tenant: str) -> Mapping[str, TokenTotals]:
        """Per model id, over all ended runs."""

    async def last_usage(self, tenant: str) -> Usage | None:
        """Of the run that ended last."""

    async def spent(self, tenant: str, key_id: str, day: int) -> Spent:
        """What the runs of this key that ended on this day (as `day_of` counts) counted for."""

    async def trim(self, *, events_before: float, keys_before: float) -> int:
        """Drop events of runs that ended before the one; idempotency keys of runs made before the other, and what was
        spent on days before it. Counts rows."""

    async def close(self) -> None: ...


@dataclass(slots=True)
class AttemptTrace:
    """What is learnt of one request to a provider while it runs; written by the provider, read by the turn.

    `sent` is True once any byte of the request may have reached the provider: from then on it is not sent again
    without the provider's word. `reasoning_sent` says that the request held a field about reasoning, `adjusted` what
    was changed of a control that the model does not take as it was asked for. `fault` is what is done to the answer
    on purpose (chaos.py). Milliseconds as in Timing.
    """

    sent: bool = False
    reasoning_sent: bool = False
    adjusted: tuple[str, ...] = ()
    fault: Fault | None = None
    status: int = 0
    connect_ms: float = 0.0
    first_byte_ms: float = 0.0


class Provider(Protocol):
    """A configured endpoint that can be asked."""

    @property
    def name(self) -> str: ...

    @property
    def dialect(self) -> str: ...

    @property
    def base_url(self) -> str:
        """Without credentials; "" for the built-in one."""

    @property
    def lists_all(self) -> bool:
        """True when `models` costs nothing and names every model there is, so that another is refused unasked."""

    @property
    def tells_reasoning(self) -> bool:
        """True when `models` tells how a model is told to think, so that the first request should wait for it."""

    def known(self, model: str) -> ModelInfo:
        """What is known of this model without asking anybody; its name at least."""

    def think_tags(self, model: str) -> ThinkTags:
        """Where inline think tags of this model's text may begin."""

    def stream(
        self, request: ModelRequest, *, request_id: str, trace: AttemptTrace
    ) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Delta]]]:
        """Send the request; what comes is batches of deltas, ended by EndOfStream or Failure.

        Failures of the way (refused, timed out, cut) come as Failure too: nothing but ChatError
        (VALIDATION_FAILED, for what the dialect cannot carry) and cancellation is raised. Leaving the context
        closes the provider's connection at once.
        """

    async def models(self) -> Sequence[ModelInfo]:
        """The provider's own listing. Raises ChatError when it has none or does not answer."""


class Clock(Protocol):
    """Time, given from outside so that tests can own it. Sleeping is asyncio's."""

    def time(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds that only rise."""
