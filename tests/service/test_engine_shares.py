"""However a run ends, or does not even begin, its key gets its share back: 10,000 of them, by chance."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import pytest

from fakes.clock import FakeClock
from fakes.engines import engine_of, new_ids
from fakes.keyed import key
from fakes.rpc import until
from fakes.scripted import ScriptedProvider, answer
from fakes.stubs import Stubs
from thinkaloud.v1 import chat_service_pb2 as pb
from thinkaloud.v1 import run_service_pb2 as run_pb
from thinkaloud_server.core.delta import Delta, Failure, TextDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import ANYBODY
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.core.run import DAY_S, Append, AppendResult, Busy, Created, Existing, NewRun, day_of
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.core.upload import Quota
from thinkaloud_server.core.usage import Spent
from thinkaloud_server.engine import live as live_module
from thinkaloud_server.engine import runs as runs_module
from thinkaloud_server.engine.engine import Engine
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.server import RpcServer
from thinkaloud_server.stores.memory import MemoryStore
from thinkaloud_server.stores.uploads import Uploads

RUNS = 8
CALLER = key(runs=RUNS, tokens_per_day=10**9)
NOON = 20_000 * DAY_S + DAY_S / 2
# What is asked, and how it is answered: see `answered`.
ENDING = ("good", "long", "refused", "cut", "bug")
ASKED = (*ENDING, "hang")


async def answered(request: ModelRequest) -> AsyncIterator[Sequence[Delta]]:
    match request.messages[-1].text:
        case "long":
            for _ in range(5):
                yield [TextDelta("four" * 100)]
                await asyncio.sleep(0)
        case "refused":
            yield [Failure(ErrorReason.UPSTREAM_AUTH, "no", status=401)]
            return
        case "cut":
            yield [TextDelta("it is"), Failure(ErrorReason.UPSTREAM_ERROR, "cut")]
            return
        case "bug":
            yield [TextDelta("it is")]
            raise RuntimeError("on purpose")
        case "hang":
            yield [TextDelta("it is")]
            await asyncio.Event().wait()
    yield answer("391")


class SlowStore(MemoryStore):
    """Takes a few steps for what it does, so that callers can leave between them, and sometimes stores no run."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self.sound = False

    async def create_run(self, tenant: str, new: NewRun) -> Created | Existing | Busy:
        await steps(self._chance.randrange(4))
        if not self.sound and self._chance.random() < 0.03:
            raise ChatError(ErrorReason.STORAGE_UNAVAILABLE, "the store cannot answer at the moment")
        made = await super().create_run(tenant, new)
        await steps(self._chance.randrange(4))
        return made

    async def append(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        await steps(self._chance.randrange(3))
        return await super().append(batch)


async def steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Callers:
    """Many callers with one key, over one channel. What became of each call is counted by its code."""

    def __init__(self, channel: grpc.aio.Channel, engine: Engine, chance: random.Random) -> None:
        self.became: Counter[str] = Counter()
        self._stubs = Stubs(channel)
        self._engine = engine
        self._chance = chance
        self._numbers = itertools.count(chance.randrange(10**9))
        # The last few, so that none grows long.
        self._conversations = deque([""], maxlen=4)

    async def call(self, count: int, at_once: int) -> None:
        """So many calls, so many of them at once."""
        left = iter(range(count))

        async def one_after_the_other() -> None:
            for _ in left:
                try:
                    await self._one()
                except grpc.aio.AioRpcError as error:
                    self.became[error.code().name] += 1
                except asyncio.CancelledError:
                    self.became["LEFT"] += 1
                else:
                    self.became["OK"] += 1
                assert self._engine.key_runs(CALLER) <= RUNS

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_the_other())

    async def _one(self) -> None:
        ways = (self._to_its_end, self._left_after_events, self._left_after_steps, self._whole, self._too_late)
        rarer = (self._stopped, self._twice, self._several, self._went_on)
        await self._chance.choice((*ways, *ways, *rarer))()

    def _request(self, asked: Sequence[str], **fields: Any) -> pb.ChatRequest:
        chance = self._chance
        defaults: dict[str, Any] = {
            "detach": 0,
            "store": chance.random() < 0.8,
            "conversation_id": chance.choice(("", *self._conversations)),
            "on_busy": chance.choice(("reject", "queue", "interrupt", "interrupt")),
            "fallback_models": ["fake/m"] * chance.randrange(2),
        }
        return pb.ChatRequest(text=chance.choice(asked), **{**defaults, **fields})

    async def _to_its_end(self) -> None:
        async for response in self._stubs.chat.Chat(self._request(ENDING)):
            if response.event.start.conversation_id:
                self._conversations.append(response.event.start.conversation_id)

    async def _left_after_events(self) -> None:
        call = self._stubs.chat.Chat(self._request(ASKED))
        for _ in range(self._chance.randrange(4)):
            await call.read()
        call.cancel()
        raise asyncio.CancelledError

    async def _left_after_steps(self) -> None:
        request = self._request(ASKED)
        if self._chance.random() < 0.5:
            call = self._stubs.chat.Chat(request)
        else:
            call = self._stubs.chat.SendMessage(pb.SendMessageRequest(request=request))
        await steps(self._chance.randrange(25))
        call.cancel()
        raise asyncio.CancelledError

    async def _whole(self) -> None:
        await self._stubs.chat.SendMessage(pb.SendMessageRequest(request=self._request(ENDING)))

    async def _too_late(self) -> None:
        async for _ in self._stubs.chat.Chat(self._request(ASKED), timeout=self._chance.choice((0.0, 0.001, 0.005))):
            pass

    async def _stopped(self) -> None:
        call = self._stubs.chat.Chat(self._request(ASKED))
        async for response in call:
            if response.event.HasField("start"):
                await self._stubs.runs.StopRun(run_pb.StopRunRequest(run_id=response.event.start.run_id))

    async def _twice(self) -> None:
        request = pb.SendMessageRequest(request=self._request(ENDING, idempotency_key=f"k{next(self._numbers)}"))
        calls = [self._stubs.chat.SendMessage(request) for _ in range(3)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert len({each.complete.run_id for each in found if not isinstance(each, BaseException)}) <= 1

    async def _several(self) -> None:
        requests = [self._request(ENDING) for _ in range(3)]
        answers = await self._stubs.chat.BatchChat(pb.BatchChatRequest(requests=requests))
        assert len(answers.results) == 3

    async def _went_on(self) -> None:
        """Nobody is there at its end."""
        call = self._stubs.chat.Chat(self._request(("good", "long"), detach=-1))
        await call.read()
        call.cancel()


@asynccontextmanager
async def recognise(call: Call) -> AsyncIterator[None]:
    call.identity = CALLER
    yield


@asynccontextmanager
async def serving(engine: Engine) -> AsyncIterator[tuple[RpcServer, str]]:
    ids = new_ids()
    server = RpcServer(
        engine=engine,
        uploads=Uploads(MemoryStore().uploads, None, quota=Quota(), kept_s=3600.0),
        clock=FakeClock(NOON),
        new_id=ids,
        new_request_id=lambda: ids("req"),
        version="test",
        tracing=(recognise,),
    )
    port = await server.start("127.0.0.1:0")
    try:
        yield server, f"127.0.0.1:{port}"
    finally:
        await server.stop(1.0)


def asking(text: str) -> Turn:
    return Turn(Message("user", (TextPart(text),)), identity=CALLER, detach_s=-1)


async def test_of_10_000_runs_that_end_in_every_way_none_keeps_its_share(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live_module, "UNCLAIMED_S", 0.05)
    caplog.set_level("CRITICAL")  # thousands of runs break on purpose
    chance = random.Random(20_261_121)
    store = SlowStore(chance)
    async with engine_of(ScriptedProvider(answered), store=store, clock=FakeClock(NOON)) as engine:
        async with serving(engine) as (server, address):
            # A share that stays, so that one account sees all of it.
            anchor = await engine._runs.quotas.take(CALLER, "")
            assert anchor is not None
            async with server.local as channel:
                inside = Callers(channel, engine, chance)
                await inside.call(8_500, at_once=12)
            async with grpc.aio.insecure_channel(address) as channel:
                outside = Callers(channel, engine, chance)
                await outside.call(1_500, at_once=12)
            await until(lambda: engine.key_runs(CALLER) == 1)
            became = inside.became + outside.became
            assert became.total() == 10_000
            assert all(became[name] > 100 for name in ("OK", "LEFT", "ABORTED", "RESOURCE_EXHAUSTED", "INTERNAL")), (
                became
            )
            await self_consistent(engine, store)
            anchor.give_back()
        assert engine.key_runs(CALLER) == engine.status().live_runs == 0
        store.sound = True
        for _ in range(RUNS):
            await engine.begin(ANYBODY.tenant, asking("hang"))
        with pytest.raises(ChatError) as caught:
            await engine.begin(ANYBODY.tenant, asking("hang"))
        assert caught.value.reason is ErrorReason.TOO_MANY_RUNS


async def self_consistent(engine: Engine, store: MemoryStore) -> None:
    """What the account counted run by run is what the stores have, to the token."""
    found = await engine.budget(CALLER)
    assert found is not None
    kept = [await each.spent(CALLER.tenant, CALLER.key_id, day_of(NOON)) for each in (store, engine._memory)]
    assert found.spent == kept[0] + kept[1]
    assert found.spent != Spent()


class FailingStore(MemoryStore):
    """Takes no event of a run until it is mended."""

    broken = True

    async def append(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        return ["failed"] * len(batch) if self.broken else await super().append(batch)


async def test_a_run_whose_log_broke_gives_its_share_back_and_counts_once_it_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs_module, "SETTLE_AGAIN_S", 0.01)
    store = FailingStore()
    async with engine_of(ScriptedProvider(answered), store=store, clock=FakeClock(NOON)) as engine:
        for _ in range(RUNS + 1):
            run = await engine.begin(ANYBODY.tenant, asking("good"))
            with suppress(ChatError):
                async with engine.watch(ANYBODY.tenant, run.run_id) as watch:
                    await watch.read(5.0)
                    await watch.read(5.0)
            await until(lambda: engine.key_runs(CALLER) == 0)
        store.broken = False
        await until(lambda: len(store._ended) == RUNS + 1)
        assert (await store.spent(CALLER.tenant, CALLER.key_id, day_of(NOON))).tokens == 0, "nothing of it was stored"
