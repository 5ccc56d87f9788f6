"""An engine whose runs are scripts: what the gRPC face needs, without models, timers or a log.

A script is a sequence of steps. An event is delivered; `Hold` keeps watchers waiting until a test lets them go; an
exception is raised from `read`, as a broken store raises. Each watcher plays the script for itself.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete, Error, Event, Logged, Reasoning, Start, Terminal, Token
from thinkaloud_server.core.identity import Identity
from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.core.run import Page, Run, RunState
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.core.usage import Attempt, Timing, Usage
from thinkaloud_server.engine.ports import Provider, Store
from thinkaloud_server.engine.quota import DayBudget
from thinkaloud_server.stores.memory import MemoryStore

MODEL = "fake/m"


@dataclass(slots=True)
class Hold:
    """Nothing more comes until `release` is set."""

    release: asyncio.Event = field(default_factory=asyncio.Event)


Step = Event | Hold | Exception
Script = Sequence[Step]


def complete(response: str = "391", reasoning: str = "", **fields: object) -> Complete:
    """A plausible end of a run."""
    plain = Complete(
        response=response,
        reasoning=reasoning,
        finish_reason="stop",
        model=MODEL,
        provider="fake",
        reasoning_used=bool(reasoning),
        reasoning_only=False,
        usage=Usage(3, 5, 2, 1),
        timing=Timing(0.5, 1.5, 2.5, 3.5, 4.5),
        attempts=(Attempt(MODEL, "fake", True, 200, total_ms=4.0),),
        conversation_id="conv_" + "0" * 32,
        message_id="msg_" + "0" * 32,
        run_id="run_" + "0" * 32,
        max_iterations=5,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]  # the names are Complete's own


def thinking(reasoning: str = "17*23 is 391", answer: str = "391") -> Script:
    """A model that thinks, then answers."""
    return (Reasoning(reasoning), Token(answer), complete(answer, reasoning))


@dataclass(slots=True)
class FakeStatus:
    """What `FakeEngine.status` answers; a test may change it."""

    live_runs: int = 0
    runs_max: int = 10
    watchers: int = 0
    runs_total: int = 7
    runs_failed: int = 2
    first_token_ms: float = 12.5
    commit_ms: float = 0.75
    draining: bool = False


class FakeModels:
    """Two models of one provider."""

    def __init__(self, providers: Mapping[str, Provider] | None = None) -> None:
        self.providers: Mapping[str, Provider] = providers or {}
        self.chosen = MODEL
        self.listed = [
            ModelInfo("m", "fake", 128_000, 4096, "optional", vision=True, tools=True),
            ModelInfo("n", "fake"),
        ]

    async def list(
        self, caller: Identity, *, provider: str = "", search: str = "", min_context: int = 0, reasoning: str = ""
    ) -> tuple[Sequence[ModelInfo], Sequence[str]]:
        found = [
            model
            for model in self.listed
            if provider in ("", model.provider)
            and search in model.id
            and model.context_length >= min_context
            and reasoning in ("", model.reasoning)
        ]
        return found, ["slow: no answer within 5 s"]

    async def current(self, tenant: str, caller: Identity) -> str:
        return self.chosen

    async def switch(self, tenant: str, caller: Identity, model_id: str) -> str:
        if model_id not in {model.id for model in self.listed}:
            raise ChatError(
                ErrorReason.MODEL_NOT_FOUND,
                f"no configured provider has the model {model_id!r}",
                details={"near": [MODEL]},
            )
        self.chosen = model_id
        return model_id


class FakeWatch:
    """Plays one script from one sequence on, `page_events` at a time."""

    def __init__(self, script: Script, after_sequence: int, page_events: int) -> None:
        self.ended = False
        self.last_sequence = after_sequence
        self._script = script
        self._page_events = page_events
        # Holds and failures stand between events and have no number.
        self._place = after_sequence
        self._held = 0
        self._waiting: asyncio.Timeout | None = None

    async def read(self, idle_s: float) -> Sequence[Logged]:
        page: list[Logged] = []
        while len(page) < self._page_events and not self.ended and self._place < len(self._script):
            step = self._script[self._place]
            if isinstance(step, Exception):
                if page:
                    break
                raise step
            if isinstance(step, Hold):
                if page or not await self._released(step, idle_s):
                    break
                self._held += 1
            else:
                self.last_sequence += 1
                page.append(Logged(self.last_sequence, step))
                self.ended = isinstance(step, Complete | Error)
            self._place += 1
        if not page:
            await asyncio.sleep(0)
        return page

    def wake(self) -> None:
        if self._waiting is not None:
            self._waiting.reschedule(0.0)

    async def _released(self, hold: Hold, idle_s: float) -> bool:
        try:
            async with asyncio.timeout(idle_s) as self._waiting:
                await hold.release.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting = None
        return True


@dataclass(slots=True)
class _Played:
    run: Run
    script: Script


class FakeEngine:
    """Satisfies rpc.ports.Engine. `scripts` are chosen by the user's text, `script` serves the rest."""

    def __init__(self, script: Script | None = None, *, page_events: int = 64) -> None:
        self.script = thinking() if script is None else script
        self.scripts: dict[str, Script] = {}
        self.page_events = page_events
        self.store: Store = MemoryStore()
        self.models = FakeModels()
        self.turns: list[Turn] = []
        self.watching = 0
        self.looks = FakeStatus()
        self.day_budget: DayBudget | None = None
        self.begin_hold: Hold | None = None
        self.begin_failure: Exception | None = None
        self._played: dict[str, _Played] = {}
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{next(self._numbers):032x}"

    async def begin(self, tenant: str, turn: Turn) -> Run:
        self.turns.append(turn)
        if self.begin_hold is not None:
            await self.begin_hold.release.wait()
        if self.begin_failure is not None:
            raise self.begin_failure
        text = turn.user_message.text if turn.user_message is not None else turn.messages[-1].text
        return self.add(self.scripts.get(text, self.script), turn)

    def add(self, script: Script, turn: Turn | None = None) -> Run:
        """A run that plays this script after its `start`."""
        run = Run(
            run_id=self.new_id("run"),
            tenant="default",
            kind="chat",
            state="running",
            conversation_id=(turn.conversation_id if turn else "") or self.new_id("conv"),
            message_id=self.new_id("msg"),
            model=MODEL,
            request_id=turn.request_id if turn else "",
            last_sequence=1,
            created_at=1_790_000_000.25,
            metadata=turn.metadata if turn else {},
        )
        start = Start(run.run_id, run.conversation_id, run.message_id, MODEL, "fake", run.request_id, resumable=True)
        self._played[run.run_id] = _Played(run, _Prefixed(start, script))
        return run

    @asynccontextmanager
    async def watch(self, tenant: str, run_id: str, after_sequence: int = 0) -> AsyncIterator[FakeWatch]:
        played = self._find(run_id)
        last = len(played.script)
        if after_sequence > last:
            raise ChatError(
                ErrorReason.SEQUENCE_AHEAD,
                f"after_sequence is {after_sequence} and the run's log ends at {last}",
                details={"last_sequence": last},
            )
        self.watching += 1
        try:
            yield FakeWatch(played.script, after_sequence, self.page_events)
        finally:
            self.watching -= 1

    async def get_run(self, tenant: str, run_id: str) -> tuple[Run, Terminal | None]:
        played = self._find(run_id)
        last = played.script[len(played.script) - 1]
        if not isinstance(last, Complete | Error):
            return played.run, None
        state: RunState = "completed" if isinstance(last, Complete) else "failed"
        ended = replace(
            played.run,
            state=state,
            ended_at=1_790_000_001.5,
            last_sequence=len(played.script),
            finish_reason=last.finish_reason if isinstance(last, Complete) else "",
        )
        return ended, last

    async def stop(self, tenant: str, run_id: str) -> tuple[Run, Terminal]:
        run, terminal = await self.get_run(tenant, run_id)
        return run, terminal or complete("", finish_reason="stopped")

    async def list_runs(
        self, tenant: str, *, conversation_id: str, state: RunState | None, page_size: int, page_token: str
    ) -> Page[Run]:
        if page_token not in ("", "next"):
            raise ChatError(ErrorReason.INVALID_PAGE_TOKEN, "page_token is not one of this list")
        runs = [
            played.run
            for played in self._played.values()
            if conversation_id in ("", played.run.conversation_id) and state in (None, played.run.state)
        ]
        return Page(tuple(runs[:page_size]), "next" if len(runs) > page_size else "")

    async def delete_conversation(self, tenant: str, conversation_id: str) -> None:
        if not await self.store.delete_conversation(tenant, conversation_id):
            raise ChatError(ErrorReason.NOT_FOUND, "there is no such conversation")

    async def budget(self, caller: Identity) -> DayBudget | None:
        return self.day_budget

    def status(self) -> FakeStatus:
        return self.looks

    def _find(self, run_id: str) -> _Played:
        if run_id not in self._played:
            raise ChatError(ErrorReason.NOT_FOUND, "there is no such run")
        return self._played[run_id]


class _Prefixed(Sequence[Step]):
    """A start and a script, without a copy: scripts of benchmarks are endless."""

    def __init__(self, start: Start, script: Script) -> None:
        self._start = start
        self._script = script

    def __len__(self) -> int:
        return len(self._script) + 1

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # only numbers are asked for
        return self._start if place == 0 else self._script[place - 1]


class Endless(Sequence[Step]):
    """One event again and again, more often than any test reads."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def __len__(self) -> int:
        return 2**31 - 2

    def __getitem__(self, place):  # type: ignore[no-untyped-def]  # only numbers are asked for
        return self._event
