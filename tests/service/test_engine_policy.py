"""What is asked again, of whom, and what one key makes."""

from __future__ import annotations

import asyncio

import pytest

from fakes.engines import T, always, engine_of, play, texts, turn, warnings, watch_all
from fakes.scripted import Script, ScriptedProvider, answer, failing
from thinkaloud_server.core.delta import EndOfStream, Failure, Finish, TextDelta
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.event import Complete, Error
from thinkaloud_server.core.request import ReasoningControl
from thinkaloud_server.core.usage import Usage

REFUSED = Failure(ErrorReason.VALIDATION_FAILED, "no thinking", status=400, reasoning_refused=True)


async def test_a_refused_reasoning_control_is_left_out_and_said_so() -> None:
    provider = ScriptedProvider(always(REFUSED), always(*answer("ok", usage=Usage(3, 1))))
    async with engine_of(provider) as engine:
        seen, complete = await play(engine, turn(reasoning=ReasoningControl(effort="high")))
        assert isinstance(complete, Complete)
        assert warnings(seen) == ["REASONING_DROPPED"]
        assert (complete.response, complete.reasoning_used) == ("ok", False)
        assert [request.reasoning is None for request in provider.requests] == [False, True]
        assert [attempt.code for attempt in complete.attempts] == ["VALIDATION_FAILED", ""]


@pytest.mark.parametrize(
    ("script", "requests", "code"),
    [
        (failing(ErrorReason.UPSTREAM_ERROR, status=500), 3, "UPSTREAM_ERROR"),
        (failing(ErrorReason.UPSTREAM_RATE_LIMITED, status=429, retry_after_s=30.0), 1, "UPSTREAM_RATE_LIMITED"),
        (failing(ErrorReason.UPSTREAM_ERROR, unprocessed=True), 3, "UPSTREAM_ERROR"),
        (failing(ErrorReason.UPSTREAM_ERROR), 1, "UPSTREAM_ERROR"),
        (failing(ErrorReason.UPSTREAM_AUTH, status=401), 1, "UPSTREAM_AUTH"),
        (failing(ErrorReason.UPSTREAM_TRUNCATED), 1, "UPSTREAM_TRUNCATED"),
        (always(Finish("stop"), EndOfStream()), 2, "EMPTY_RESPONSE"),
        (always(TextDelta("x"), Failure(ErrorReason.UPSTREAM_ERROR, "cut", status=500)), 1, "UPSTREAM_ERROR"),
        (always(TextDelta("x")), 1, "UPSTREAM_TRUNCATED"),
    ],
    ids=["500", "429 later", "refused", "sent and lost", "401", "no byte", "empty", "after a delta", "no end"],
)
async def test_what_is_asked_again_and_what_the_run_ends_with(script: Script, requests: int, code: str) -> None:
    provider = ScriptedProvider(script)
    async with engine_of(provider) as engine:
        _, error = await play(engine)
        assert isinstance(error, Error)
        assert (error.code, len(provider.requests)) == (code, requests)


async def test_the_next_model_is_asked_when_the_first_fails() -> None:
    first = ScriptedProvider(failing(ErrorReason.UPSTREAM_AUTH, status=401))
    second = ScriptedProvider(always(*answer("from b")), name="b")
    async with engine_of(first, second) as engine:
        seen, complete = await play(engine, turn(fallback_models=("b/m",)))
        assert isinstance(complete, Complete)
        assert warnings(seen) == ["FELL_BACK"]
        assert (complete.response, complete.model, complete.provider) == ("from b", "b/m", "b")
        assert [(attempt.model, attempt.code) for attempt in complete.attempts] == [
            ("fake/m", "UPSTREAM_AUTH"),
            ("b/m", ""),
        ]


async def test_an_unknown_model_is_refused_before_start_with_near_names() -> None:
    async with engine_of(ScriptedProvider(always(*answer("x")), models=("gpt-large", "gpt-small"))) as engine:
        with pytest.raises(ChatError) as caught:
            await engine.begin(T, turn(model="fake/gpt-lerge"))
        assert caught.value.reason is ErrorReason.MODEL_NOT_FOUND
        assert caught.value.details["near"][0] == "fake/gpt-large"
        assert engine.status().live_runs == 0


async def test_a_thousand_requests_with_one_key_make_one_call() -> None:
    provider = ScriptedProvider(always(*answer("once")))
    async with engine_of(provider) as engine:
        asked = turn(idempotency_key="k", request_hash="h")
        runs = await asyncio.gather(*(engine.begin(T, asked) for _ in range(1000)))
        assert len({run.run_id for run in runs}) == 1
        assert texts(await watch_all(engine, runs[0].run_id)) == "once"
        assert (await engine.begin(T, asked)).run_id == runs[0].run_id
        assert len(provider.requests) == 1


@pytest.mark.parametrize("store", [True, False], ids=["stored", "not stored"])
async def test_a_key_with_another_request_is_refused_wherever_its_run_is(store: bool) -> None:
    async with engine_of(ScriptedProvider(always(*answer("x")))) as engine:
        await engine.begin(T, turn(idempotency_key="k", request_hash="h", store=store))
        for stored in (True, False):
            with pytest.raises(ChatError) as caught:
                await engine.begin(T, turn(idempotency_key="k", request_hash="other", store=stored))
            assert caught.value.reason is ErrorReason.IDEMPOTENCY_KEY_REUSED
