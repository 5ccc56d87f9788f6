"""What is stored when a run begins, and what its model is given."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fakes.scripted import ScriptedProvider, say
from thinkaloud_server.core.message import Message, ReasoningState, TextPart
from thinkaloud_server.core.run import NewRun, StoredMessage
from thinkaloud_server.core.turn import Turn
from thinkaloud_server.engine.models import Candidate
from thinkaloud_server.engine.opening import TITLE_CHARS, given_to, new_run, prompt, title_of


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def stored(message: Message) -> StoredMessage:
    return StoredMessage("msg_1", "conv_1", "", message, "run_1", 0.0)


def made(**fields: Any) -> NewRun:
    numbers = itertools.count(1)
    provider = ScriptedProvider(lambda request: say())
    candidate = Candidate("fake/m", provider, "m")
    return new_run("t", Turn(**fields), candidate, lambda prefix: f"{prefix}_{next(numbers)}", owner="o", now=5.0)


def test_a_first_turn_makes_its_conversation_and_stores_its_question() -> None:
    new = made(user_message=user("hello there"), request_id="req", detach_s=7)
    assert new.new_conversation is not None
    assert new.user_message is not None
    assert new.run.conversation_id == new.start.conversation_id == new.new_conversation.conversation_id
    assert new.user_message.message.text == "hello there"
    assert new.user_message.message_id != new.run.message_id == new.start.message_id
    assert (new.new_conversation.title, new.run.detach_s, new.run.lease_owner) == ("hello there", 7, "o")
    assert (new.start.request_id, new.start.resumable, new.run.last_sequence) == ("req", True, 1)


def test_a_later_turn_continues_its_conversation() -> None:
    new = made(user_message=user("more"), conversation_id="conv_9")
    assert new.new_conversation is None
    assert (new.run.conversation_id, new.start.conversation_id) == ("conv_9", "conv_9")


@pytest.mark.parametrize("conversation_id", ["", "conv_9"])
def test_a_turn_that_is_not_stored_belongs_to_no_conversation_but_says_which_it_read(conversation_id: str) -> None:
    new = made(user_message=user("aside"), conversation_id=conversation_id, store=False)
    assert (new.run.conversation_id, new.user_message, new.new_conversation) == ("", None, None)
    assert (new.start.conversation_id, new.start.resumable) == (conversation_id, False)


def test_a_callers_own_history_is_not_stored() -> None:
    new = made(user_message=None, messages=(user("hi"),))
    assert (new.run.conversation_id, new.user_message, new.new_conversation) == ("", None, None)


def test_the_prompt_is_context_history_and_question_without_empty_messages() -> None:
    silent = Message("assistant", (), "only thought")
    turn = Turn(user_message=user("now"), context='{"k": 1}')
    given = prompt(turn, [stored(user("then")), stored(silent)])
    assert [message.role for message in given] == ["system", "user", "user"]
    assert given[0].text.endswith('{"k": 1}')
    assert [message.text for message in given[1:]] == ["then", "now"]


def test_what_a_stored_answer_thought_is_not_said_again_but_its_state_stays() -> None:
    state = ReasoningState("fake", "m", "{}")
    answer = Message("assistant", (TextPart("so"),), "I thought", state)
    given = prompt(Turn(user_message=user("now")), [stored(answer)])
    assert given[0] == Message("assistant", (TextPart("so"),), "", state)
    own = Turn(user_message=None, messages=(answer, user("now")))
    assert prompt(own, []) == own.messages


def test_a_provider_is_given_no_state_but_its_own() -> None:
    ours, theirs = (
        Message("assistant", (TextPart(name),), "", ReasoningState(name, "m", "{}")) for name in ("fake", "other")
    )
    assert given_to("fake", (user("a"), ours, theirs)) == (user("a"), ours, Message("assistant", theirs.parts))


def test_the_prompt_of_a_caller_with_its_own_history_is_that_history() -> None:
    turn = Turn(user_message=None, messages=(user("a"), user("b")))
    assert [message.text for message in prompt(turn, [])] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("short", "short"),
        ("  two\n lines ", "two lines"),
        ("word " * 40, "word word word word word word word word word word word…"),
        ("x" * 200, "x" * (TITLE_CHARS - 1) + "…"),
    ],
    ids=["short", "lines", "words", "one long word"],
)
def test_a_title_is_the_first_words(text: str, title: str) -> None:
    assert title_of(text) == title
    assert len(title) <= TITLE_CHARS
