"""Tool calls: whichever of its events come, each call comes once and whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from thinkaloud_server.core.delta import ToolCallDelta
from thinkaloud_server.providers.openai_responses.calls import Calls, arguments_of, arguments_text

WHOLE = '{"city":"Oslo"}'


def item(arguments: object = WHOLE, **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": arguments, **more}


def joined(deltas: Iterable[ToolCallDelta]) -> dict[int, tuple[str, str, str]]:
    calls: dict[int, tuple[str, str, str]] = {}
    for delta in deltas:
        call_id, name, arguments = calls.get(delta.index, ("", "", ""))
        calls[delta.index] = (call_id + delta.id, name + delta.name, arguments + delta.arguments)
    return calls


STEPS = ("begin", "more", "whole", "done", "response")


def play(steps: Sequence[str]) -> list[ToolCallDelta]:
    calls = Calls()
    out: list[ToolCallDelta] = []
    if "begin" in steps:
        out += calls.begin(0, item(""))
    if "more" in steps:
        out += [calls.more(0, "fc_1", '{"city"'), calls.more(0, "fc_1", ':"Oslo"}')]
    if "whole" in steps:
        out += calls.whole(0, "fc_1", WHOLE)
    if "done" in steps:
        out += calls.done(0, item())
    if "response" in steps:
        out += calls.done(0, item())
    return [*out, *calls.finish()]


@pytest.mark.parametrize(
    "steps",
    [
        steps
        for size in range(1, 6)
        for steps in itertools.combinations(STEPS, size)
        if {"begin", "done", "response"} & set(steps) and {"more", "whole", "done", "response"} & set(steps)
    ],
    ids="-".join,
)
def test_any_of_its_events_give_the_whole_call_once(steps: Sequence[str]) -> None:
    assert joined(play(steps)) == {0: ("c1", "weather", WHOLE)}


def test_arguments_that_came_with_the_beginning_are_told_at_the_end_and_only_then() -> None:
    calls = Calls()
    assert list(calls.begin(0, item())) == [ToolCallDelta(0, "c1", "weather")]
    assert list(calls.finish()) == [ToolCallDelta(0, arguments=WHOLE)]
    assert list(calls.finish()) == []


def test_calls_are_told_apart_by_place_by_item_and_by_id() -> None:
    calls = Calls()
    out = [*calls.begin(0, item("")), *calls.begin(0, item("", id="fc_2", call_id="c2"))]
    out += [calls.more(0, "fc_1", "1"), calls.more(0, "fc_2", "2"), calls.more(0, "rotated", "!")]
    out += calls.done(9, item("2!", id="x", call_id="c2"))
    assert joined(out) == {0: ("c1", "weather", "1"), 1: ("c2", "weather", "2!")}


def test_a_call_without_a_call_id_has_its_items() -> None:
    assert joined(Calls().done(0, item(call_id=None))) == {0: ("fc_1", "weather", WHOLE)}


def test_there_are_calls_once_there_is_one() -> None:
    calls = Calls()
    assert not calls
    calls.more(0, None, "{")
    assert calls


def test_arguments_are_text_whatever_they_were() -> None:
    assert arguments_text({"a": 1}) == '{"a":1}'
    assert arguments_text(None) == ""
    assert arguments_of({"input": "ls"}) == "ls"
