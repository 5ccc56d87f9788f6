"""How many are open, by who opened them."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc.slots import Slots


def slots() -> Slots:
    return Slots(ErrorReason.TOO_MANY_STREAMS, "streams")


def test_as_many_are_held_as_the_limit_says_and_each_is_given_back() -> None:
    found = slots()
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(found.held("she", 3))
        with pytest.raises(ChatError, match="3 streams are open, which is the limit") as caught, found.held("she", 3):
            raise AssertionError("a fourth was let in")
        assert caught.value.reason is ErrorReason.TOO_MANY_STREAMS
        with found.held("he", 3):
            assert found.open == 4
    assert found.open == 0
    with found.held("she", 1):
        assert found.open == 1


def test_what_ends_in_an_error_is_given_back() -> None:
    found = slots()
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt), found.held("she", 1):
            raise KeyboardInterrupt
    assert found.open == 0


@pytest.mark.parametrize(("who", "limit"), [("she", 0), ("", 1)], ids=["no limit", "nobody"])
def test_without_a_limit_or_a_name_it_only_counts(who: str, limit: int) -> None:
    found = slots()
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(found.held(who, limit))
        assert found.open == 5
    assert found.open == 0
