"""What a WebSocket's conversation says of limits, and what it does about them."""

from __future__ import annotations

import pytest

from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.session import Streaming
from unit.test_web_session import session, streaming, told

TOO_FAST = HttpError("RATE_LIMITED", "too fast", retry_after_s=3)


def test_a_turn_that_is_too_soon_is_refused_and_the_next_one_too_soon_is_the_last() -> None:
    made = session()
    made.received('{"text":"hi"}')
    assert told(made.ended(TOO_FAST)) == [("error", "RATE_LIMITED")]
    assert told(made.received('{"type":"ping"}')) == [("pong", "")]
    made.received('{"text":"again"}')
    assert told(made.ended(TOO_FAST)) == [("error", "RATE_LIMITED"), ("warning", "CLOSING"), (4429, "RATE_LIMITED")]


def test_a_turn_that_was_let_in_forgives_the_one_that_was_not() -> None:
    made = session()
    for _ in range(3):
        made.received('{"text":"hi"}')
        assert told(made.ended(TOO_FAST)) == [("error", "RATE_LIMITED")]
        made.received('{"text":"hi"}')
        made.frame("complete", b"{}", 1)
        assert made.ended() == []


def test_a_stop_that_is_too_soon_does_not_close_the_socket_at_once() -> None:
    made = streaming()
    assert told(made.not_stopped(TOO_FAST)) == [("error", "RATE_LIMITED")]
    assert isinstance(made.state, Streaming)
    closing = [("error", "RATE_LIMITED"), ("warning", "CLOSING"), (4429, "RATE_LIMITED")]
    assert told(made.not_stopped(TOO_FAST)) == closing


@pytest.mark.parametrize("options", [{"single": True}, {"strange": True}], ids=["one stream", "nobody's"])
def test_where_nothing_else_can_be_asked_a_refusal_is_the_end(options: dict[str, bool]) -> None:
    made = session(**options)
    if "single" in options:
        made.opened()
        assert told(made.ended(TOO_FAST))[-1] == (4429, "RATE_LIMITED")
    else:
        assert told(made.denied(TOO_FAST))[-1] == (4429, "RATE_LIMITED")


@pytest.mark.parametrize(
    ("limit", "remaining", "warned"),
    [(600, 61, False), (600, 60, True), (600, 0, True), (10, 4, False), (10, 3, True), (3, 3, True)],
)
def test_who_has_little_left_is_warned(limit: int, remaining: int, warned: bool) -> None:
    actions = streaming().allowed(limit, remaining, 12)
    assert told(actions) == ([("warning", "RATE_LIMIT_NEAR")] if warned else [])


def test_who_talks_too_fast_is_warned_and_then_closed() -> None:
    made = session()
    assert told(made.hurried()) == [("warning", "RATE_LIMIT_NEAR")]
    assert told(made.flooded(20)) == [("warning", "CLOSING"), (4429, "RATE_LIMITED")]
    assert made.flooded(20) == made.hurried() == []
