"""How a run ends, from what was said in it."""

from __future__ import annotations

import pytest

from fakes.scripted import ScriptedProvider, say
from fakes.stored import a_run, an_error
from thinkaloud_server.core.assembler import Answer, Assembler
from thinkaloud_server.core.delta import (
    Delta,
    EndOfStream,
    ReasoningDelta,
    StateDelta,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from thinkaloud_server.core.message import Message, ReasoningState, TextPart, ToolCall
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.core.usage import Attempt, Spent, Timing, Usage
from thinkaloud_server.engine.ending import End
from thinkaloud_server.engine.models import Candidate

NOW = 1_700_000_009.0
TIMING = Timing(total_ms=5.0)
ATTEMPTS = (Attempt("fake/m", "fake", True, 200),)
CALL = ToolCallDelta(0, "c1", "look", "{}")


def answer_of(*deltas: Delta) -> Answer:
    assembler = Assembler(think_tags="off")
    for delta in (*deltas, EndOfStream()):
        assembler.feed(delta)
    assembler.end()
    return assembler.answer


CANDIDATE = Candidate("fake/m", ScriptedProvider(lambda request: say()), "m")


def end_of(*deltas: Delta) -> End:
    return End(a_run(conversation_id="conv_1"), Turn(None), CANDIDATE, answer_of(*deltas))


@pytest.mark.parametrize(
    ("deltas", "used", "only", "leaves"),
    [
        ((), False, False, False),
        ((TextDelta("it"),), False, False, True),
        ((ReasoningDelta("hm"), TextDelta("it")), True, False, True),
        ((ReasoningDelta("hm"),), True, True, True),
        ((ReasoningDelta("hm"), CALL), True, False, True),
        ((CALL,), False, False, True),
        ((StateDelta("{}"), TextDelta("it")), True, False, True),
        ((TextDelta("it"), UsageReport(Usage(1, 2, 1))), True, False, True),
        ((UsageReport(Usage(1, 2, 0)),), False, False, False),
    ],
)
def test_a_complete_says_whether_the_model_reasoned_and_whether_a_message_is_left(
    deltas: tuple[Delta, ...], used: bool, only: bool, leaves: bool
) -> None:
    end = end_of(*deltas)
    complete = end.complete("stop", timing=TIMING, attempts=ATTEMPTS)
    assert (complete.reasoning_used, complete.reasoning_only) == (used, only)
    assert bool(complete.message_id) is leaves
    assert (end.closing(complete, "stop", NOW, partial=False, spent=Spent(5)).message is not None) is leaves
    assert (complete.timing, complete.attempts) == (TIMING, ATTEMPTS)


def test_a_run_without_a_conversation_leaves_no_message_but_names_what_it_read() -> None:
    aside = End(a_run(), Turn(None, conversation_id="conv_9"), CANDIDATE, answer_of(TextDelta("it")))
    complete = aside.complete("stop", timing=TIMING, attempts=())
    assert (complete.conversation_id, complete.message_id) == ("conv_9", "")
    assert aside.closing(complete, "stop", NOW, partial=False, spent=Spent(5)).message is None


def test_the_message_holds_text_calls_reasoning_and_the_state_of_its_provider() -> None:
    end = end_of(ReasoningDelta("hm"), TextDelta("it"), CALL, StateDelta('"s"'), UsageReport(Usage(1, 2, 1)))
    closing = end.closing(an_error(end.run), "", NOW, partial=True, spent=Spent(5))
    assert (closing.state, closing.model, closing.usage, closing.ended_at) == ("failed", "fake/m", Usage(1, 2, 1), NOW)
    stored = closing.message
    assert stored is not None
    parts = (TextPart("it"), ToolCall("c1", "look", "{}"))
    assert stored.message == Message("assistant", parts, "hm", ReasoningState("fake", "m", '"s"'))
    assert (stored.partial, stored.model, stored.message_id) == (True, "fake/m", end.run.message_id)
