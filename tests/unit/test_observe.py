"""Which happening counts as what, by the names that operators see; and that labels stay few."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from thinkaloud_server.app.observe import (
    MODEL_CHARS_MAX,
    MODELS_MAX,
    OTHER,
    Metrics,
    ModelNames,
    everybody,
    log_runs,
)
from thinkaloud_server.core.run import Run
from thinkaloud_server.core.usage import Attempt, Timing, Usage
from thinkaloud_server.engine.breaker import BreakerState
from thinkaloud_server.engine.engine import EngineStatus
from thinkaloud_server.engine.observer import AttemptEnded, Committed, Decided, Happening, RunEnded
from thinkaloud_server.engine.retry import (
    Again,
    Decision,
    GiveUp,
    NextModel,
    WithEfforts,
    WithoutReasoning,
    WithoutState,
)
from thinkaloud_server.rpc.observer import CallEnded

RUN = Run("run_1", "t", "chat", "running", "", "msg_1", "p/m", "req_1", 1, 1.0, key_id="key_1")


def metrics() -> Metrics:
    return Metrics(version="1.2.3", store="memory", models=["p/m"])


def values(counted: Metrics) -> Mapping[str, float]:
    """Every sample of ours but the bins, by its name with its labels."""
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in counted.registry.collect()
        for sample in family.samples
        if family.name.startswith("thinkaloud_") and not sample.name.endswith("_bucket")
    }


def ended(model: str = "p/m", state: str = "completed", reason: str = "", usage: Usage | None = None) -> RunEnded:
    finish = "" if reason else "stop"
    timing = Timing(1, 2, 3, 250, 500)
    return RunEnded(RUN, model, "p", state, finish, reason, usage or Usage(10, 5, 2, 4, 0.25), timing, 2)


def attempted(code: str = "", *, asked: bool = True, cancelled: bool = False) -> AttemptEnded:
    attempt = Attempt("p/m", "p", reasoning=False, code=code)
    return AttemptEnded("run_1", 0, attempt, asked, cancelled, connect_ms=20, first_byte_ms=40, first_token_ms=50)


COUNTED: dict[str, tuple[Happening, dict[str, float]]] = {
    "a run": (
        ended(),
        {
            "thinkaloud_runs_total['completed', 'p', 'p/m', 'stop']": 1,
            "thinkaloud_run_seconds_sum['p', 'p/m']": 0.5,
            "thinkaloud_first_token_seconds_sum['p', 'p/m']": 0.25,
            "thinkaloud_run_tokens_total['input', 'p']": 10,
            "thinkaloud_run_tokens_total['output', 'p']": 5,
            "thinkaloud_run_tokens_total['p', 'reasoning']": 2,
            "thinkaloud_run_tokens_total['cached', 'p']": 4,
            "thinkaloud_run_cost_usd_total['p']": 0.25,
        },
    ),
    "a failed run": (
        ended(state="failed", reason="UPSTREAM_ERROR", usage=Usage()),
        {"thinkaloud_runs_total['UPSTREAM_ERROR', 'failed', 'p', 'p/m']": 1},
    ),
    "an answer": (
        attempted(),
        {
            "thinkaloud_provider_attempts_total['OK', 'p']": 1,
            "thinkaloud_provider_connect_seconds_sum['p']": 0.02,
            "thinkaloud_provider_first_byte_seconds_sum['p']": 0.04,
        },
    ),
    "a failure": (attempted("UPSTREAM_ERROR"), {"thinkaloud_provider_attempts_total['UPSTREAM_ERROR', 'p']": 1}),
    "a stop": (attempted(cancelled=True), {"thinkaloud_provider_attempts_total['CANCELLED', 'p']": 1}),
    "an open breaker": (
        attempted("UPSTREAM_ERROR", asked=False),
        {"thinkaloud_provider_attempts_total['NOT_ASKED', 'p']": 1},
    ),
    "a batch": (
        Committed("sqlite", 2, 6, answer_deltas=30, reasoning_deltas=20, failed=1, duration_s=0.003),
        {
            "thinkaloud_log_commit_seconds_sum['sqlite']": 0.003,
            "thinkaloud_log_batch_runs_sum['sqlite']": 2,
            "thinkaloud_log_batch_events_sum['sqlite']": 6,
            "thinkaloud_streamed_tokens_total['answer']": 30,
            "thinkaloud_streamed_tokens_total['reasoning']": 20,
            "thinkaloud_log_failed_total['sqlite']": 1,
        },
    ),
}


@pytest.mark.parametrize(("what", "expected"), COUNTED.values(), ids=COUNTED)
def test_a_happening_counts(what: Happening, expected: dict[str, float]) -> None:
    counted = metrics()
    counted.observe(what)
    found = values(counted)
    assert {name: found.get(name) for name in expected} == expected


DECISIONS: dict[str, Decision] = {
    "thinkaloud_retries_total['p']": Again(0.2),
    "thinkaloud_fallbacks_total['p']": NextModel(),
    "thinkaloud_reasoning_dropped_total['p']": WithoutReasoning(),
    "thinkaloud_reasoning_adjusted_total['effort', 'p']": WithEfforts(("low",)),
    "thinkaloud_reasoning_adjusted_total['history', 'p']": WithoutState(),
}


@pytest.mark.parametrize(("name", "decision"), DECISIONS.items())
def test_a_decision_counts_as_what_it_is_and_as_nothing_else(name: str, decision: Decision) -> None:
    counted = metrics()
    counted.observe(Decided("run_1", "p", decision))
    assert {each for each in DECISIONS if each in values(counted)} == {name}


def test_giving_up_is_no_recovery() -> None:
    counted = metrics()
    counted.observe(Decided("run_1", "p", GiveUp()))
    assert not set(DECISIONS) & set(values(counted))


def test_calls_count_by_method_and_code() -> None:
    counted = metrics()
    counted.called(CallEnded("/s/M", "OK", "", 3, 0.5))
    counted.called(CallEnded("/s/M", "UNAVAILABLE", "DRAINING", 0, 0.25))
    found = values(counted)
    assert found["thinkaloud_requests_total['/s/M', 'OK']"] == 1
    assert found["thinkaloud_requests_total['/s/M', 'UNAVAILABLE']"] == 1
    assert found["thinkaloud_errors_total['DRAINING']"] == 1
    assert found["thinkaloud_request_seconds_sum['/s/M']"] == 0.75


def test_failed_calls_count_by_the_reason_that_was_told() -> None:
    counted = metrics()
    for reason in ("", "RATE_LIMITED", "RATE_LIMITED", "TOO_MANY_STREAMS"):
        counted.called(CallEnded("/s/M", "RESOURCE_EXHAUSTED" if reason else "OK", reason, 0, 0.1))
    found = values(counted)
    assert {name: value for name, value in found.items() if name.startswith("thinkaloud_errors")} == {
        "thinkaloud_errors_total['RATE_LIMITED']": 2,
        "thinkaloud_errors_total['TOO_MANY_STREAMS']": 1,
    }


def test_it_counts_when_the_store_of_limits_does_not_answer() -> None:
    counted = metrics()
    counted.limits_failed()
    assert values(counted)["thinkaloud_limits_store_failed_total[]"] == 1


def test_a_model_that_nobody_has_is_other_and_one_that_answered_is_named() -> None:
    counted = metrics()
    counted.observe(ended("p/nonsense", "failed", "MODEL_NOT_FOUND"))
    counted.observe(ended("p/found"))
    found = values(counted)
    assert found["thinkaloud_runs_total['MODEL_NOT_FOUND', 'failed', 'other', 'p']"] == 1
    assert found["thinkaloud_runs_total['completed', 'p', 'p/found', 'stop']"] == 1


def test_only_so_many_models_are_named() -> None:
    names = ModelNames(["p/first"])
    for number in range(2 * MODELS_MAX):
        names.answered(f"p/{number}")
    assert names.label("p/first") == "p/first"
    assert sum(names.label(f"p/{number}") != OTHER for number in range(2 * MODELS_MAX)) == MODELS_MAX - 1


def test_a_model_with_a_novel_for_a_name_is_other() -> None:
    names = ModelNames([])
    names.answered("p/" + "m" * MODEL_CHARS_MAX)
    assert names.label("p/" + "m" * MODEL_CHARS_MAX) == OTHER


@dataclass
class Standing:
    """Something to look at."""

    breakers: Mapping[str, BreakerState] = field(default_factory=dict)

    def status(self) -> EngineStatus:
        return EngineStatus(3, 1000, 5, 70, 2, 12.5, 0.75, False, self.breakers)

    def open_calls(self) -> int:
        return 4

    def open_sockets(self) -> int:
        return 2


def test_what_stands_is_looked_at_when_it_is_asked_for() -> None:
    counted = metrics()
    standing = Standing({"p": "closed"})
    counted.look(standing)
    standing.breakers = {"p": "open"}
    found = values(counted)
    looked_at = ("live_runs", "runs_max", "watchers", "open_calls", "open_sockets")
    assert [found[f"thinkaloud_{name}[]"] for name in looked_at] == [3, 1000, 5, 4, 2]
    assert found["thinkaloud_draining[]"] == 0
    assert [found[f"thinkaloud_breaker_state{labels}"] for labels in (["open", "p"], ["closed", "p"])] == [1, 0]
    assert found["thinkaloud_store_info['memory']"] == 1


@pytest.mark.parametrize(
    ("accept", "kind"), [("", "text/plain"), ("application/openmetrics-text; version=1.0.0", "application/openmetrics")]
)
def test_everything_is_written_in_the_format_that_is_asked_for(accept: str, kind: str) -> None:
    counted = metrics()
    counted.observe(ended())
    body, content_type = counted.text(accept)
    assert content_type.startswith(kind)
    assert b'version="1.2.3"' in body
    assert b"process_resident_memory_bytes" in body
    assert b"_created" not in body


def test_two_servers_of_one_process_count_each_for_itself() -> None:
    one, other = metrics(), metrics()
    one.observe(ended())
    assert "thinkaloud_run_cost_usd_total['p']" not in values(other)


def test_the_record_of_a_run_tells_what_it_came_to(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "thinkaloud.run")
    log_runs(Committed("memory", 1, 1, 0, 0, 0, 0.0))
    log_runs(ended())
    (record,) = caplog.records
    told = vars(record)
    expected = {"run_id": "run_1", "request_id": "req_1", "model": "p/m", "provider": "p", "attempts": 2}
    expected |= {"state": "completed", "finish_reason": "stop", "reason": "", "input_tokens": 10, "output_tokens": 5}
    expected |= {"tenant": RUN.tenant, "key_id": "key_1"}
    assert record.getMessage() == "run_completed"
    assert {name: told[name] for name in expected} == expected
    assert (told["cost_usd"], told["first_token_ms"], told["total_ms"]) == (0.25, 250, 500)


def test_a_bug_of_one_observer_is_logged_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Happening] = []

    def broken(what: Happening, /) -> None:
        raise ValueError("a bug")

    everybody(broken, seen.append)(ended())
    assert len(seen) == 1
    assert [record.getMessage() for record in caplog.records] == ["observer_failed"]
