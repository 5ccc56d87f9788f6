"""The run log: commit first, natural batching, merging, back-pressure, broken stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from fakes.clock import FakeClock
from thinkaloud_server.core.event import EVENT_BYTES_MAX, Event, Reasoning, Token, Warning
from thinkaloud_server.core.run import Append, AppendResult
from thinkaloud_server.engine.log import HELD_BYTES_MAX, PENDING_BYTES_MAX, Committer, RunWriter
from thinkaloud_server.engine.observer import Committed, Happening


class GatedStore:
    """Takes batches, and answers each only when the test lets it."""

    kind = "gated"

    def __init__(self) -> None:
        self.batches: list[Sequence[Append]] = []
        self.arrived = asyncio.Semaphore(0)
        self.gate = asyncio.Semaphore(0)
        self.answers: list[AppendResult] | Exception | None = None

    async def append(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        self.batches.append(batch)
        self.arrived.release()
        await self.gate.acquire()
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers or ["committed"] * len(batch)


@pytest.fixture
async def store() -> GatedStore:
    return GatedStore()


@pytest.fixture
async def committer(store: GatedStore) -> AsyncIterator[Committer]:
    committer = Committer(store, FakeClock(), merge=True)  # type: ignore[arg-type]  # only append is called
    committer.start()
    yield committer
    for _ in range(100):
        store.gate.release()
    await committer.close()


def writer_of(committer: Committer, run_id: str = "run_a") -> RunWriter:
    return RunWriter(committer, "t", run_id, epoch=1, last_sequence=1)


def events_of(writer: RunWriter) -> list[Event]:
    return [logged.event for logged in writer.tail.page(1) or ()]


async def test_nothing_is_seen_before_it_is_committed(committer: Committer, store: GatedStore) -> None:
    writer = writer_of(committer)
    waiter = writer.tail.waiter()
    writer.append(Token("a"))
    await store.arrived.acquire()
    assert events_of(writer) == []
    assert not waiter.done()
    store.gate.release()
    await waiter
    assert events_of(writer) == [Token("a")]


async def test_what_gathers_during_a_commit_is_the_next_batch_of_all_runs(
    committer: Committer, store: GatedStore
) -> None:
    one, two = writer_of(committer, "run_a"), writer_of(committer, "run_b")
    one.append(Token("a"))
    await store.arrived.acquire()
    one.append(Token("b"))
    two.append(Token("c"))
    store.gate.release()
    await store.arrived.acquire()
    assert [(each.run_id, each.first_sequence, each.events) for each in store.batches[1]] == [
        ("run_a", 3, (Token("b"),)),
        ("run_b", 2, (Token("c"),)),
    ]


async def test_neighbouring_text_of_one_part_becomes_one_event(committer: Committer, store: GatedStore) -> None:
    writer = writer_of(committer)
    for event in (
        Reasoning("think "),
        Reasoning("hard"),
        Reasoning("sum", "summary"),
        Token("a", 1),
        Token("b", 1),
        Token("c", 2),
        Warning("ADJUSTED", "x"),
        Token("d", 2),
    ):
        writer.append(event)
    await store.arrived.acquire()
    assert store.batches[0][0].events == (
        Reasoning("think hard"),
        Reasoning("sum", "summary"),
        Token("ab", 1),
        Token("c", 2),
        Warning("ADJUSTED", "x"),
        Token("d", 2),
    )


async def test_without_merging_each_delta_is_an_event(store: GatedStore) -> None:
    committer = Committer(store, FakeClock(), merge=False)  # type: ignore[arg-type]  # only append is called
    writer = writer_of(committer)
    for text in "abc":
        writer.append(Token(text))
    assert writer.take().events == (Token("a"), Token("b"), Token("c"))


@pytest.mark.parametrize("piece", ["x" * 100, "ü" * 50, "🙂" * 700], ids=["ascii", "two bytes", "four bytes"])
def test_a_merged_event_stays_within_its_bytes_and_loses_nothing(piece: str) -> None:
    committer = Committer(None, FakeClock(), merge=True)  # type: ignore[arg-type]  # nothing is committed
    committer.mark = lambda writer: None  # type: ignore[method-assign]  # likewise
    writer = writer_of(committer)
    for _ in range(400):
        writer.append(Token(piece))
    events = writer.take().events
    texts = [event.token for event in events if isinstance(event, Token)]
    assert "".join(texts) == piece * 400
    assert max(len(text.encode()) for text in texts) <= EVENT_BYTES_MAX
    assert len(texts) < 400


def test_one_delta_over_the_limit_is_cut_between_characters() -> None:
    committer = Committer(None, FakeClock(), merge=True)  # type: ignore[arg-type]  # nothing is committed
    committer.mark = lambda writer: None  # type: ignore[method-assign]  # likewise
    writer = writer_of(committer)
    writer.append(Reasoning("🙂" * 20_000, "summary", 3))
    events = writer.take().events
    assert all(isinstance(event, Reasoning) and event.index == 3 and event.kind == "summary" for event in events)
    assert "".join(event.token for event in events if isinstance(event, Reasoning)) == "🙂" * 20_000
    assert max(len(event.token.encode()) for event in events if isinstance(event, Reasoning)) <= EVENT_BYTES_MAX


async def test_a_full_run_waits_until_the_store_has_caught_up(committer: Committer, store: GatedStore) -> None:
    writer = writer_of(committer)
    writer.append(Token("first"))
    await store.arrived.acquire()
    writer.append(Token("x" * PENDING_BYTES_MAX))
    waiting = asyncio.create_task(writer.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    store.gate.release()
    await store.arrived.acquire()
    store.gate.release()
    await waiting
    await asyncio.wait_for(writer.room(), 1)


@pytest.mark.parametrize("answer", [["failed"], ["fenced"], RuntimeError("a bug of the store")], ids=str)
async def test_a_run_whose_log_broke_tells_its_watchers_and_its_owner(
    committer: Committer, store: GatedStore, answer: list[AppendResult] | Exception
) -> None:
    writer = writer_of(committer)
    heard: list[str] = []
    writer.on_lost = heard.append
    store.answers = answer
    writer.append(Token("a"))
    store.gate.release()
    await writer.ended.wait()
    assert events_of(writer) == []
    assert writer.tail.failure is not None
    assert heard == [answer[0] if isinstance(answer, list) else "failed"]


async def test_the_committer_outlives_a_store_that_failed_once(committer: Committer, store: GatedStore) -> None:
    store.answers = RuntimeError("once")
    writer_of(committer).append(Token("lost"))
    store.gate.release()
    await store.arrived.acquire()
    store.answers = None
    writer = writer_of(committer, "run_b")
    waiter = writer.tail.waiter()
    writer.append(Token("kept"))
    store.gate.release()
    await waiter
    assert events_of(writer) == [Token("kept")]


async def test_text_is_held_while_every_watcher_is_busy_and_goes_when_one_is_back(
    committer: Committer, store: GatedStore
) -> None:
    writer = writer_of(committer)
    writer.tail.watchers = 1
    for text in ("a", "b", "c"):
        writer.append(Token(text))
    await asyncio.sleep(0)
    assert store.batches == []
    writer.tail.waiter()
    await store.arrived.acquire()
    assert store.batches[0][0].events == (Token("abc"),)


async def test_a_watcher_that_stopped_holds_text_for_a_moment_only(committer: Committer, store: GatedStore) -> None:
    writer = writer_of(committer)
    writer.tail.watchers = 1
    writer.append(Token("a"))
    await asyncio.wait_for(store.arrived.acquire(), 5)
    assert store.batches[0][0].events == (Token("a"),)


async def test_much_text_or_any_other_event_is_not_held(committer: Committer, store: GatedStore) -> None:
    one, two = writer_of(committer, "run_a"), writer_of(committer, "run_b")
    one.tail.watchers = two.tail.watchers = 1
    one.append(Token("x" * HELD_BYTES_MAX))
    two.append(Token("a"))
    two.append(Warning("ADJUSTED", "x"))
    await store.arrived.acquire()
    assert {each.run_id for each in store.batches[0]} == {"run_a", "run_b"}
    assert store.batches[0][1].events == (Token("a"), Warning("ADJUSTED", "x"))


async def test_each_batch_is_told_once_with_its_pieces_before_they_were_merged(store: GatedStore) -> None:
    told: list[Happening] = []
    clock = FakeClock()
    committer = Committer(store, clock, merge=True, observer=told.append)  # type: ignore[arg-type]  # only append
    committer.start()
    one, two = writer_of(committer, "run_a"), writer_of(committer, "run_b")
    for event in (Reasoning("a"), Reasoning("b"), Reasoning("c"), Token("d"), Token("e"), Warning("ADJUSTED", "x")):
        one.append(event)
    two.append(Token("fgh"), pieces=3)
    two.append(Reasoning("ij"), pieces=2)
    await store.arrived.acquire()
    one.append(Token("g"))
    store.answers = ["committed", "fenced"]
    clock.advance(0.25)
    store.gate.release()
    await store.arrived.acquire()
    first = Committed("gated", 2, 5, answer_deltas=5, reasoning_deltas=5, failed=1, duration_s=0.25)
    assert told == [first]
    store.answers = None
    seen = one.tail.waiter()
    store.gate.release()
    await seen
    await committer.close()
    assert told == [first, Committed("gated", 1, 1, answer_deltas=1, reasoning_deltas=0, failed=0, duration_s=0.0)]
