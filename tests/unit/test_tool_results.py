"""Which results of tools a conversation waits for."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.message import Message, TextPart, ToolCall, ToolResult
from thinkaloud_server.core.tool_results import check_results, without_repeated_results


def user(text: str = "hi") -> Message:
    return Message("user", (TextPart(text),))


def calls(*ids: str) -> Message:
    return Message("assistant", (TextPart("let me look"), *(ToolCall(each, "look", "{}") for each in ids)))


def results(*ids: str) -> Message:
    return Message("tool", tuple(ToolResult(each, f"of {each}") for each in ids))


ANSWER = Message("assistant", (TextPart("so"),))
THOUGHT = Message("assistant", (), "and then it broke")

TAKEN = {
    "one call": ((user(), calls("a")), results("a")),
    "two calls": ((user(), calls("a", "b")), results("a", "b")),
    "in another order": ((user(), calls("a", "b")), results("b", "a")),
    "the next round": ((user(), calls("a"), results("a"), calls("b")), results("b")),
    "again, after a turn that failed at once": ((user(), calls("a"), results("a")), results("a")),
    "again, after a turn that only thought": ((user(), calls("a"), results("a"), THOUGHT), results("a")),
}
REFUSED = {
    "nothing was said": ((), results("a"), "does not wait"),
    "no call": ((user(), ANSWER), results("a"), "does not wait"),
    "a question is open": ((user(),), results("a"), "does not wait"),
    "the conversation went on": ((user(), calls("a"), user()), results("a"), "does not wait"),
    "they were answered": ((user(), calls("a"), results("a"), ANSWER), results("a"), "does not wait"),
    "one is missing": ((user(), calls("a", "b")), results("b"), "missing: 'a'"),
    "one is unknown": ((user(), calls("a")), results("a", "c"), "wait for: 'c'"),
    "of the round before": ((user(), calls("a"), results("a"), calls("b")), results("a"), "wait for: 'a'"),
    "many are missing": ((calls(*map(str, range(12))),), results("0"), "'10' and 1 more"),
    "a long name": ((calls("a"),), results("x" * 1000), f"'{'x' * 100}'"),
}


@pytest.mark.parametrize(("history", "given"), TAKEN.values(), ids=TAKEN)
def test_results_that_answer_every_open_call_are_taken(history: tuple[Message, ...], given: Message) -> None:
    check_results(reversed(history), given)


@pytest.mark.parametrize(("history", "given", "words"), REFUSED.values(), ids=REFUSED)
def test_other_results_are_refused_and_it_is_said_which(
    history: tuple[Message, ...], given: Message, words: str
) -> None:
    with pytest.raises(ChatError) as caught:
        check_results(reversed(history), given)
    assert caught.value.reason is ErrorReason.VALIDATION_FAILED
    assert [name for name, _ in caught.value.violations] == ["messages"]
    assert words in caught.value.message


def test_only_the_last_results_of_the_same_calls_are_left() -> None:
    said = (user(), calls("a"), results("a"), Message("tool", (ToolResult("a", "again"),)), ANSWER, user(), calls("b"))
    assert without_repeated_results((*said, results("b"))) == (*said[:2], *said[3:], results("b"))
    assert without_repeated_results(()) == ()
