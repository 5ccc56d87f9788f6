"""What the gRPC face needs of the engine: begin, watch, stop and look. `app` joins them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from thinkaloud_server.core.event import Logged, Terminal
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.core.run import Page, Run, RunState
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.core.upload import Upload
from thinkaloud_server.engine.ports import Provider, Store
from thinkaloud_server.engine.quota import DayBudget


class Watch(Protocol):
    """A cursor into one run's log."""

    @property
    def ended(self) -> bool:
        """The terminal event has been read."""

    @property
    def last_sequence(self) -> int:
        """The last sequence that this cursor has passed."""

    async def read(self, idle_s: float) -> Sequence[Logged]:
        """The next committed events; () when `idle_s` passed with none, after `wake`, or after the end."""

    def wake(self) -> None:
        """Let a `read` that waits answer now."""


class Models(Protocol):
    """The models that can be asked."""

    @property
    def providers(self) -> Mapping[str, Provider]:
        """By their configured names, in their order."""

    async def list(
        self, caller: Identity, *, provider: str = "", search: str = "", min_context: int = 0, reasoning: str = ""
    ) -> tuple[Sequence[ModelInfo], Sequence[str]]:
        """The models that it may ask, and notes on what could not be listed. `reasoning` is as in ListModelsRequest."""

    async def current(self, tenant: str, caller: Identity) -> str:
        """The id of the model that is used when a request names none; "" where the caller may use none."""

    async def switch(self, tenant: str, caller: Identity, model_id: str) -> str:
        """Use another model from now on. Raises ChatError: MODEL_NOT_ALLOWED, MODEL_NOT_FOUND."""


class EngineStatus(Protocol):
    """A look at the engine."""

    @property
    def live_runs(self) -> int: ...
    @property
    def runs_max(self) -> int: ...
    @property
    def watchers(self) -> int: ...
    @property
    def runs_total(self) -> int: ...
    @property
    def runs_failed(self) -> int: ...
    @property
    def first_token_ms(self) -> float: ...
    @property
    def commit_ms(self) -> float: ...
    @property
    def draining(self) -> bool: ...


class Engine(Protocol):
    """Runs, as this face uses them."""

    @property
    def store(self) -> Store: ...

    @property
    def models(self) -> Models: ...

    async def begin(self, tenant: str, turn: Turn) -> Run:
        """A new run with its `start` committed, or the one that the same idempotency key made."""

    def watch(self, tenant: str, run_id: str, after_sequence: int = 0) -> AbstractAsyncContextManager[Watch]:
        """Raises ChatError on entering: NOT_FOUND, SEQUENCE_AHEAD, EVENTS_EXPIRED."""

    async def get_run(self, tenant: str, run_id: str) -> tuple[Run, Terminal | None]: ...

    async def stop(self, tenant: str, run_id: str) -> tuple[Run, Terminal]: ...

    async def list_runs(
        self, tenant: str, *, conversation_id: str, state: RunState | None, page_size: int, page_token: str
    ) -> Page[Run]: ...

    async def delete_conversation(self, tenant: str, conversation_id: str) -> None: ...

    async def budget(self, caller: Identity) -> DayBudget | None:
        """What the caller's key may spend today and has spent; None for callers without a key."""

    def status(self) -> EngineStatus: ...


class Incoming(Protocol):
    """A file that comes in."""

    async def write(self, data: bytes) -> None:
        """Add this."""

    async def keep(self, *, filename: str, content_type: str, created_at: float, idempotency_key: str = "") -> Upload:
        """All of it came: the stored upload, or the one that the same key made of the same file.

        Raises ChatError: IDEMPOTENCY_KEY_REUSED, QUOTA_EXCEEDED, STORAGE_UNAVAILABLE.
        """


class Uploads(Protocol):
    """Files of callers. `kept_s` is for how long."""

    @property
    def kept_s(self) -> float: ...

    def incoming(self, tenant: str, upload_id: str) -> AbstractAsyncContextManager[Incoming]:
        """Nothing is left of a file that was not kept.

        Raises ChatError on entering: QUOTA_EXCEEDED, TOO_MANY_STREAMS, OVERLOADED.
        """

    def content(self, tenant: str, upload_id: str) -> AbstractAsyncContextManager[tuple[Upload, AsyncIterator[bytes]]]:
        """The upload and its bytes. Raises ChatError(NOT_FOUND) on entering."""

    async def list_page(self, tenant: str, *, page_size: int, page_token: str) -> Page[Upload]:
        """Newest first. Raises ChatError(INVALID_PAGE_TOKEN)."""

    async def delete(self, tenant: str, upload_id: str) -> None:
        """Raises ChatError(NOT_FOUND)."""
