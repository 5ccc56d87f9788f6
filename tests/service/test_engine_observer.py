"""What the engine tells of its work: one value for each request, decision, run and batch, and none for a token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from fakes.engines import always, engine_of, held, play, turn
from fakes.scripted import ScriptedProvider, answer, failing
from thinkaloud_server.core.delta import Delta, TextDelta
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest, ReasoningControl
from thinkaloud_server.core.usage import Usage
from thinkaloud_server.engine.observer import (
    AttemptBegan,
    AttemptEnded,
    Committed,
    Decided,
    Happening,
    RunBegan,
    RunEnded,
)
from thinkaloud_server.engine.retry import Again, GiveUp, NextModel, WithoutReasoning

H = TypeVar("H", bound=Happening)
DOWN = failing(ErrorReason.UPSTREAM_ERROR, status=500, unprocessed=True)
WORDS = "it is three hundred and ninety one"


def of(kind: type[H], told: list[Happening]) -> list[H]:
    return [each for each in told if isinstance(each, kind)]


async def test_a_run_is_told_from_its_beginning_to_its_end() -> None:
    told: list[Happening] = []
    provider = ScriptedProvider(always(*answer(WORDS, "hm hm hm", Usage(3, 9, 2, 1, 0.5))))
    async with engine_of(provider, observer=told.append) as engine:
        _, terminal = await play(engine)
    (began,), (asked,), (answered,), (ended,) = (
        of(RunBegan, told),
        of(AttemptBegan, told),
        of(AttemptEnded, told),
        of(RunEnded, told),
    )
    assert told.index(began) < told.index(asked) < told.index(answered) < told.index(ended)
    assert (asked.run_id, asked.number, asked.provider, asked.model) == (began.run.run_id, 0, "fake", "m")
    assert (answered.attempt, answered.asked, answered.cancelled) == (terminal.attempts[0], True, False)  # type: ignore[union-attr]
    assert answered.first_token_ms > 0
    assert (ended.state, ended.finish_reason, ended.reason, ended.attempts) == ("completed", "stop", "", 1)
    assert (ended.model, ended.provider, ended.usage) == ("fake/m", "fake", Usage(3, 9, 2, 1, 0.5))
    assert ended.timing == terminal.timing  # type: ignore[union-attr]
    batches = of(Committed, told)
    assert sum(batch.answer_deltas for batch in batches) == len(WORDS.split())
    assert sum(batch.reasoning_deltas for batch in batches) == 3


async def test_every_decision_is_told_with_the_provider_that_failed() -> None:
    told: list[Happening] = []
    refused = failing(ErrorReason.VALIDATION_FAILED, status=400, reasoning_refused=True)
    first = ScriptedProvider(refused, DOWN, name="a")
    second = ScriptedProvider(failing(ErrorReason.UPSTREAM_AUTH, status=401), name="b")
    async with engine_of(first, second, observer=told.append) as engine:
        await play(engine, turn(reasoning=ReasoningControl(effort="high"), fallback_models=("b/m",)))
    decided = [(each.provider, type(each.decision)) for each in of(Decided, told)]
    assert decided == [("a", WithoutReasoning), ("a", Again), ("a", Again), ("a", NextModel), ("b", GiveUp)]
    codes = [(each.number, each.attempt.provider, each.attempt.code) for each in of(AttemptEnded, told)]
    assert codes[0] == (0, "a", "VALIDATION_FAILED")
    assert codes[1:] == [(n, "a", "UPSTREAM_ERROR") for n in (1, 2, 3)] + [(4, "b", "UPSTREAM_AUTH")]
    (ended,) = of(RunEnded, told)
    assert (ended.state, ended.reason, ended.provider, ended.attempts) == ("failed", "UPSTREAM_AUTH", "b", 5)


async def test_a_stopped_run_says_that_its_provider_was_not_to_blame() -> None:
    told: list[Happening] = []
    async with engine_of(ScriptedProvider(held(TextDelta("hm"))), observer=told.append) as engine:
        run = await engine.begin("tenant", turn())
        async with engine.watch("tenant", run.run_id) as watch:
            while not of(Committed, told) or not any(batch.answer_deltas for batch in of(Committed, told)):
                await watch.read(5.0)
        await engine.stop("tenant", run.run_id)
    (ended,) = of(AttemptEnded, told)
    assert (ended.attempt.code, ended.cancelled) == ("", True)
    (over,) = of(RunEnded, told)
    assert (over.state, over.finish_reason, over.reason) == ("completed", "stopped", "")


async def test_a_bug_is_told_as_one_and_not_as_a_stop() -> None:
    async def bug(request: ModelRequest) -> AsyncIterator[Sequence[Delta]]:
        yield [TextDelta("x")]
        raise KeyError("sk-secret")

    told: list[Happening] = []
    async with engine_of(ScriptedProvider(bug), observer=told.append) as engine:
        await play(engine)
    (ended,) = of(AttemptEnded, told)
    assert (ended.attempt.code, ended.attempt.message, ended.cancelled) == ("INTERNAL", "internal error", False)
