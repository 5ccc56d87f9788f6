"""The shared tail: pages by cursor, bounded memory, waking."""

from __future__ import annotations

import asyncio

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Logged, Token
from thinkaloud_server.engine.tail import PAGE_BYTES_MAX, TAIL_BYTES_MAX, RunTail, event_bytes


def tokens(*texts: str) -> list[Token]:
    return [Token(text) for text in texts]


def test_events_are_numbered_after_the_last_one() -> None:
    tail = RunTail(3)
    tail.extend(tokens("a", "b"))
    page = tail.page(3)
    assert page is not None
    assert [(logged.sequence, logged.event) for logged in page] == [(4, Token("a")), (5, Token("b"))]
    assert tail.last_sequence == 5


def test_a_cursor_in_the_middle_gets_the_rest() -> None:
    tail = RunTail(0)
    tail.extend(tokens("a", "b", "c"))
    assert [logged.sequence for logged in tail.page(1) or ()] == [2, 3]


def test_a_cursor_at_the_end_gets_an_empty_page() -> None:
    tail = RunTail(0)
    tail.extend(tokens("a"))
    assert tail.page(1) == ()


def test_a_cursor_before_the_first_kept_event_must_ask_the_store() -> None:
    assert RunTail(7).page(6) is None


def test_memory_stays_bounded_and_what_remains_is_dense() -> None:
    tail = RunTail(0)
    text = "x" * 10_000
    for _ in range(100):
        tail.extend(tokens(text))
    assert tail.page(0) is None
    first = next(after for after in range(100) if tail.page(after) is not None)
    kept: list[Logged] = []
    while page := tail.page(first):
        kept += page
        first = page[-1].sequence
    assert sum(event_bytes(logged.event) for logged in kept) <= TAIL_BYTES_MAX
    assert [logged.sequence for logged in kept] == list(range(kept[0].sequence, 101))


def test_a_page_is_bounded_and_holds_at_least_one_event() -> None:
    tail = RunTail(0)
    tail.extend(tokens(*("y" * 30_000 for _ in range(6))))
    page = tail.page(0)
    assert page
    assert sum(event_bytes(logged.event) for logged in page) <= PAGE_BYTES_MAX + 30_200
    big = RunTail(0)
    big.extend(tokens("z" * (PAGE_BYTES_MAX + 1)))
    assert len(big.page(0) or ()) == 1


async def test_every_waiter_is_woken_by_an_event() -> None:
    tail = RunTail(0)
    waiters = [tail.waiter() for _ in range(3)]
    tail.extend(tokens("a"))
    await asyncio.gather(*waiters)


async def test_a_forgotten_waiter_is_not_touched() -> None:
    tail = RunTail(0)
    waiter = tail.waiter()
    tail.forget(waiter)
    tail.extend(tokens("a"))
    assert not waiter.done()


async def test_a_broken_log_wakes_waiters_and_is_remembered() -> None:
    tail = RunTail(0)
    waiter = tail.waiter()
    broken = ChatError(ErrorReason.STORAGE_UNAVAILABLE, "disk full")
    tail.fail(broken)
    await waiter
    assert tail.failure is broken
