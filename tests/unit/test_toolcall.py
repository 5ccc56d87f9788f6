"""core/toolcall.py: calls from fragments in every order that providers send."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.delta import ToolCallDelta
from thinkaloud_server.core.event import Event, ToolCallEvent
from thinkaloud_server.core.message import ToolCall
from thinkaloud_server.core.toolcall import ToolCallAssembler

D = ToolCallDelta


def run(*deltas: ToolCallDelta) -> tuple[list[Event], tuple[ToolCall, ...]]:
    calls = ToolCallAssembler()
    events = [event for delta in deltas for event in calls.feed(delta)]
    return events + calls.end(), calls.closed


def test_fragments_become_one_call() -> None:
    events, closed = run(D(0, "a", "f"), D(0, arguments='{"x"'), D(0, arguments=":1}"))
    assert events == [
        ToolCallEvent("a", "f"),
        ToolCallEvent("a", "f", '{"x"'),
        ToolCallEvent("a", "f", ":1}"),
        ToolCallEvent("a", "f", "", done=True, arguments='{"x":1}'),
    ]
    assert closed == (ToolCall("a", "f", '{"x":1}'),)


A, B = ("a", "f", "{}"), ("b", "f", "[]")
MADE_0, MADE_1, MADE_0_AGAIN = ("call_0", "f", "{}"), ("call_1", "g", "{}"), ("call_0_2", "g", "[]")

# name, fragments, calls
CASES = [
    ("nothing", [], []),
    ("whole at once", [D(0, "a", "f", "{}")], [A]),
    ("no arguments", [D(0, "a", "f")], [A]),
    ("blank arguments", [D(0, "a", "f", " "), D(0, arguments="\n")], [("a", "f", " \n{}")]),
    ("interleaved", [D(0, "a", "f", "{"), D(1, "b", "f", "["), D(0, "", "", "}"), D(1, "", "", "]")], [A, B]),
    ("any numbers", [D(7, "a", "f", "{}"), D(-1, "b", "f", "[]")], [A, B]),
    ("late name", [D(0, "a"), D(0, arguments="{"), D(0, name="f"), D(0, arguments="}")], [A]),
    ("late id", [D(0, name="f", arguments="{}"), D(0, "a")], [A]),
    ("late id with the name again", [D(0, name="f", arguments="{}"), D(0, "a", "f")], [A]),
    ("no id", [D(0, name="f", arguments="{}"), D(1, name="g")], [MADE_0, MADE_1]),
    ("id and name repeated", [D(0, "a", "f", "{"), D(0, "a", "f", "}")], [A]),
    ("name repeated", [D(0, "a", "f", "{"), D(0, "", "f", "}")], [A]),
    ("new id on every fragment", [D(0, "a", "f", "{"), D(0, "b", "", "}")], [A]),
    ("one index, other ids", [D(0, "a", "f", "{}"), D(0, "b", "f", "[]")], [A, B]),
    ("one index, other name", [D(0, "", "f", "{}"), D(0, "", "g", "[]")], [MADE_0, MADE_0_AGAIN]),
    ("one index, whole calls", [D(0, "", "f", "{}"), D(0, "", "f", "[]")], [MADE_0, ("call_0_2", "f", "[]")]),
    ("one index, the name in each fragment", [D(0, "", "f", "{"), D(0, "", "f", "}")], [MADE_0]),
    ("made id is taken", [D(0, "", "f"), D(1, "call_0", "g")], [("call_0_2", "f", "{}"), ("call_0", "g", "{}")]),
    ("one id for all", [D(0, "a", "f", "{}"), D(1, "a", "f", "[]")], [A, ("a_2", "f", "[]")]),
    ("one id for all, on", [D(0, "a", "f"), D(1, "a", "g"), D(1, "a", "g", "[]")], [A, ("a_2", "g", "[]")]),
    ("never a name", [D(0, "a", "", "{}"), D(1, "b", "f", "[]")], [B]),
]


@pytest.mark.parametrize(("deltas", "calls"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_every_order_of_fragments(deltas: list[ToolCallDelta], calls: list[tuple[str, str, str]]) -> None:
    events, closed = run(*deltas)
    assert closed == tuple(ToolCall(*call) for call in calls)
    for identifier, name, arguments in calls:
        own = [event for event in events if isinstance(event, ToolCallEvent) and event.id == identifier]
        assert {event.name for event in own} == {name}
        assert "".join(event.arguments_delta for event in own) == arguments
        assert [event.done for event in own] == [False] * (len(own) - 1) + [True]
        assert own[-1].arguments == arguments


@pytest.mark.parametrize("arguments", ["", " ", '{"x"'], ids=["none", "blank", "some"])
def test_a_call_that_was_cut_off_has_the_arguments_that_came_and_no_others(arguments: str) -> None:
    calls = ToolCallAssembler()
    calls.feed(D(0, "a", "f", arguments))
    assert calls.end(cut_off=True)[-1] == ToolCallEvent("a", "f", "", done=True, arguments=arguments)
    assert calls.closed == (ToolCall("a", "f", arguments),)


def test_no_event_comes_before_id_and_name_are_known() -> None:
    calls = ToolCallAssembler()
    assert calls.feed(D(0, name="f", arguments="{")) == []
    assert calls.feed(D(0, arguments="}")) == []
    assert calls.feed(D(0, "a")) == [ToolCallEvent("a", "f", "{}")]
    assert calls.feed(D(0, "a")) == []
    assert calls.closed == ()
