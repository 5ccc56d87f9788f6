"""What goes together with thinking, and what is left out for it."""

from __future__ import annotations

from typing import Any

import pytest

from provider_vectors import WEATHER
from thinkaloud_server.core.request import ModelInfo, ModelRequest, ReasoningControl, Sampling
from thinkaloud_server.providers.anthropic_messages.thinking import Plan, plan
from thinkaloud_server.providers.table import vendor_named

HIGH = ReasoningControl("high")
SHOWN = {"type": "adaptive", "display": "summarized"}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}
CALL = {"type": "tool_use", "id": "t", "name": "n", "input": {}}


def planned(model: str, *, history: Any = (), vendor: str = "anthropic", **more: Any) -> Plan:
    row = vendor_named(vendor, "anthropic-messages")
    return plan(row, ModelRequest(model, (), **more), list(history))


def limited(tokens: int | None = None, **more: Any) -> Sampling:
    return Sampling(max_output_tokens=tokens, **more)


@pytest.mark.parametrize(
    ("model", "thinking", "effort"),
    [
        ("claude-3-5-haiku-20241022", None, None),
        ("claude-3-7-sonnet-latest", {"type": "enabled", "budget_tokens": 16384}, None),
        ("claude-sonnet-4-20250514", {"type": "enabled", "display": "summarized", "budget_tokens": 16384}, None),
        ("claude-opus-4-1", {"type": "enabled", "display": "summarized", "budget_tokens": 16384}, None),
        ("claude-haiku-4-5@20251001", {"type": "enabled", "display": "summarized", "budget_tokens": 16384}, None),
        ("claude-opus-4-6", SHOWN, "high"),
        ("anthropic/claude-sonnet-4.6", SHOWN, "high"),
        ("claude-opus-4-7", SHOWN, "high"),
        ("claude-opus-4-8", SHOWN, "high"),
        ("claude-sonnet-5", SHOWN, "high"),
        ("claude-opus-5-20260801", SHOWN, "high"),
        ("claude-fable-5", SHOWN, "high"),
        ("claude-of-the-future", SHOWN, "high"),
    ],
)
def test_the_form_follows_the_name(model: str, thinking: object, effort: str | None) -> None:
    fields = planned(model, reasoning=HIGH).fields
    assert fields.get("thinking") == thinking
    assert fields.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize(
    ("model", "forms", "shown"),
    [
        ("claude-sonnet-4-5", (), False),
        ("claude-opus-4-8", (), False),
        ("claude-opus-4-8", ("adaptive",), False),
        ("claude-sonnet-5", (), True),
        ("claude-sonnet-5", ("adaptive",), True),
        ("claude-opus-6", ("adaptive",), True),
        ("claude-fable-5", ("adaptive",), True),
        ("claude-haiku-9", ("budget",), False),
    ],
)
def test_thoughts_that_come_unasked_are_made_readable_and_nobody_is_made_to_think(
    model: str, forms: tuple[str, ...], shown: bool
) -> None:
    it = planned(model, info=ModelInfo(model, "it", forms=forms) if forms else None)
    assert it.fields == ({"thinking": SHOWN} if shown else {})
    assert it.notes == ()


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("claude-sonnet-4-5", {"thinking": {"type": "disabled"}}),
        ("claude-opus-4-8", {"thinking": {"type": "disabled"}}),
        ("claude-sonnet-5", {"thinking": {"type": "disabled"}}),
        ("claude-fable-5", {"thinking": SHOWN, "output_config": {"effort": "low"}}),
        ("claude-mythos-preview", {"thinking": SHOWN, "output_config": {"effort": "low"}}),
        ("claude-3-5-haiku", {}),
    ],
)
def test_no_thinking_is_said_where_it_can_be(model: str, fields: object) -> None:
    assert planned(model, reasoning=ReasoningControl("none")).fields == fields
    if model.startswith("claude-fable"):
        known = ModelInfo(model, "it", forms=("adaptive",), reasoning="mandatory")
        assert planned(model, info=known, reasoning=ReasoningControl("none")).fields == fields


@pytest.mark.parametrize(
    ("effort", "word"), [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("max", "max")]
)
def test_an_effort_has_its_word(effort: Any, word: str) -> None:
    assert planned("claude-opus-4-8", reasoning=ReasoningControl(effort)).fields["output_config"] == {"effort": word}


def test_the_strongest_word_is_that_of_the_listing() -> None:
    known = ModelInfo("m", "it", forms=("adaptive",), efforts=("low", "high", "xhigh"))
    it = planned("claude-opus-5", info=known, reasoning=ReasoningControl("max"))
    assert (it.fields["output_config"], it.notes) == ({"effort": "xhigh"}, ())


@pytest.mark.parametrize(
    ("control", "limit", "known", "budget", "max_tokens", "notes"),
    [
        (HIGH, None, 0, 16384, 16384 + 8192, 0),
        (HIGH, None, 64_000, 16384, 64_000, 0),
        (HIGH, 20_000, 64_000, 16384, 20_000, 0),
        (HIGH, 2000, 64_000, 1500, 2000, 1),
        (HIGH, 1100, 0, 1024, 1100, 1),
        (HIGH, 1024, 0, None, 1024, 1),
        (HIGH, 3, 0, None, 3, 1),
        (ReasoningControl(max_tokens=4000), 4001, 0, 4000, 4001, 0),
        (ReasoningControl(max_tokens=4000), 4000, 0, 3000, 4000, 1),
        (ReasoningControl(max_tokens=100_000), None, 64_000, 48_000, 64_000, 1),
        (ReasoningControl(max_tokens=7), None, 0, 1024, 1024 + 8192, 1),
        (ReasoningControl(), None, 0, 8192, 8192 + 8192, 0),
        (None, None, 0, None, 8192, 0),
        (None, 100, 64_000, None, 100, 0),
    ],
)
def test_the_answer_is_always_longer_than_the_thoughts(
    control: ReasoningControl | None, limit: int | None, known: int, budget: int | None, max_tokens: int, notes: int
) -> None:
    info = ModelInfo("m", "it", max_output_tokens=known)
    it = planned("claude-sonnet-4-5", info=info, reasoning=control, sampling=limited(limit))
    assert it.fields.get("thinking", {}).get("budget_tokens") == budget
    assert it.max_tokens == max_tokens
    assert len(it.notes) == notes


def test_a_model_that_measures_for_itself_has_room() -> None:
    assert planned("claude-opus-4-8", reasoning=HIGH).max_tokens == 32_000
    assert planned("claude-opus-4-8").max_tokens == 8192
    assert planned("claude-sonnet-5").max_tokens == 32_000


LOST = "the history lacks the thoughts behind its last tool calls: thinking was left out"


def test_thoughts_that_are_lost_leave_thinking_out_where_a_budget_is_given() -> None:
    history = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": [CALL]}, RESULT]
    it = planned("claude-sonnet-4-5", history=history, reasoning=HIGH, tools=(WEATHER,))
    assert (it.fields, it.notes, it.headers, it.max_tokens) == ({}, (LOST,), (), 8192)
    adaptive = planned("claude-opus-4-8", history=history, reasoning=HIGH)
    assert (adaptive.fields["thinking"], adaptive.notes) == (SHOWN, ())


def test_thoughts_that_are_there_keep_it() -> None:
    content = [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, CALL]
    history = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": content}, RESULT]
    it = planned("claude-sonnet-4-5", history=history, reasoning=HIGH)
    assert (it.fields["thinking"]["type"], it.notes) == ("enabled", ())


@pytest.mark.parametrize(
    ("model", "control", "asked", "sent", "notes"),
    [
        ("claude-sonnet-4-5", None, (0.5, None), (0.5, None), 0),
        ("claude-sonnet-4-5", None, (None, 0.9), (None, 0.9), 0),
        ("claude-sonnet-4-5", None, (0.5, 0.9), (0.5, None), 1),
        ("claude-sonnet-4-5", None, (1.7, None), (1.0, None), 1),
        ("claude-sonnet-4-5", HIGH, (0.5, None), (None, None), 1),
        ("claude-sonnet-4-5", HIGH, (1.0, None), (None, None), 0),
        ("claude-sonnet-4-5", HIGH, (None, 0.96), (None, 0.96), 0),
        ("claude-sonnet-4-5", HIGH, (None, 0.9), (None, None), 1),
        ("claude-sonnet-4-5", ReasoningControl("none"), (0.5, None), (0.5, None), 0),
        ("claude-opus-4-6", HIGH, (0.5, None), (None, None), 1),
        ("claude-opus-4-6", None, (0.5, None), (0.5, None), 0),
        ("claude-opus-4-8", None, (0.5, 0.9), (None, None), 1),
        ("claude-opus-4-8", None, (1.0, 1.0), (None, None), 0),
        ("claude-sonnet-5", ReasoningControl("none"), (0.5, None), (None, None), 1),
    ],
)
def test_the_knobs_that_a_model_takes(
    model: str, control: ReasoningControl | None, asked: tuple[Any, Any], sent: tuple[Any, Any], notes: int
) -> None:
    it = planned(model, reasoning=control, sampling=Sampling(temperature=asked[0], top_p=asked[1]))
    assert (it.temperature, it.top_p) == sent
    assert len(it.notes) == notes


def test_others_take_what_they_are_given() -> None:
    knobs = Sampling(temperature=1.5, top_p=0.5)
    more: dict[str, Any] = {"reasoning": HIGH, "sampling": knobs, "tools": (WEATHER,), "tool_choice": "required"}
    it = planned("deepseek-v4-pro", vendor="deepseek-anthropic", **more)
    assert (it.temperature, it.top_p, it.tool_choice, it.notes) == (1.5, 0.5, "required", ())


def test_a_tool_that_is_forced_and_thinking() -> None:
    forced: dict[str, Any] = {"tools": (WEATHER,), "tool_choice": "weather"}
    asked = planned("claude-sonnet-5", reasoning=HIGH, **forced)
    assert (asked.tool_choice, asked.fields["thinking"], len(asked.notes)) == ("", SHOWN, 1)
    unasked = planned("claude-sonnet-5", **forced)
    assert (unasked.tool_choice, unasked.fields, unasked.notes) == ("weather", {}, ())
    off = planned("claude-sonnet-5", reasoning=ReasoningControl("none"), **forced)
    assert (off.tool_choice, off.fields["thinking"], off.notes) == ("weather", {"type": "disabled"}, ())
    auto = planned("claude-sonnet-5", reasoning=HIGH, tools=(WEATHER,), tool_choice="auto")
    assert (auto.tool_choice, auto.notes) == ("auto", ())


def test_a_plain_request_says_nothing_of_thinking() -> None:
    for model in ("claude-sonnet-4-5", "claude-sonnet-5", "claude-fable-5"):
        it = planned(model, reasoning=HIGH, plain=True)
        assert (it.fields, it.headers, it.notes) == ({}, (), ())
