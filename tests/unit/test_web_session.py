"""One WebSocket's conversation, as a table: what came, what is answered, and whether the socket stays open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from thinkaloud_server.web.error import FACES, HttpError
from thinkaloud_server.web.session import (
    Action,
    Authenticate,
    Begin,
    Close,
    Closed,
    Idle,
    Say,
    Session,
    Stop,
    Strange,
    Streaming,
)


def session(**options: Any) -> Session:
    return Session(turn="chat", request_id="req-1", **options)


def streaming(run_id: str = "run_1") -> Session:
    """A session whose stream is open, and named where it says so."""
    made = session()
    made.received('{"text":"hi"}')
    if run_id:
        assert made.named(run_id) == []
    return made


def told(actions: list[Action]) -> list[Any]:
    """What was said, decoded; a close as its code and reason."""
    found: list[Any] = []
    for action in actions:
        match action:
            case Say(text):
                frame = json.loads(text)
                assert frame["sequence"] == 0
                assert "run_id" not in frame
                found.append((frame["event"], frame["data"].get("code", "")))
            case Close(code, reason):
                found.append((code, reason))
            case _:
                found.append(action)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"text":"hi"}', [Begin("turn", {"text": "hi"})]),
        ('{"type":"chat","text":"hi"}', [Begin("turn", {"text": "hi"})]),
        ('{"type":null,"text":"hi"}', [Begin("turn", {"text": "hi"})]),
        ("{}", [Begin("turn", {})]),
        (
            '{"type":"resume","run_id":"run_1","after_sequence":7}',
            [Begin("resume", {"run_id": "run_1", "after_sequence": 7})],
        ),
        ('{"type":"stop","run_id":"run_1"}', [Stop({"run_id": "run_1"})]),
        ('{"type":"ping"}', [("pong", "")]),
        ('{"type":"stop"}', [("error", "VALIDATION_FAILED")]),
        ('{"type":"nonsense"}', [("error", "MALFORMED_REQUEST")]),
        ('{"type":7}', [("error", "MALFORMED_REQUEST")]),
        ('{"type":["chat"]}', [("error", "MALFORMED_REQUEST")]),
        ("", [("error", "MALFORMED_REQUEST")]),
        ("hello", [("error", "MALFORMED_REQUEST")]),
        ("[]", [("error", "MALFORMED_REQUEST")]),
        ("null", [("error", "MALFORMED_REQUEST")]),
        ('{"text":"a","text":"b"}', [("error", "MALFORMED_REQUEST")]),
        ('{"temperature":NaN}', [("error", "MALFORMED_REQUEST")]),
        ('{"a":' * 5000 + "1" + "}" * 5000, [("error", "MALFORMED_REQUEST")]),
        ('{"text":"\ud800"}', [("error", "MALFORMED_REQUEST")]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_message_to_an_idle_socket(text: str, expected: list[Any]) -> None:
    assert told(session().received(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"text":"again"}', [("error", "CONVERSATION_BUSY")]),
        ('{"type":"resume","run_id":"run_2"}', [("error", "CONVERSATION_BUSY")]),
        ('{"type":"stop"}', [Stop({"run_id": "run_1"})]),
        ('{"type":"stop","include_reasoning":true}', [Stop({"include_reasoning": True, "run_id": "run_1"})]),
        ('{"type":"stop","run_id":"run_2"}', [Stop({"run_id": "run_2"})]),
        ('{"type":"ping"}', [("pong", "")]),
        ("{", [("error", "MALFORMED_REQUEST")]),
    ],
)
def test_a_message_while_a_stream_is_open_leaves_it_open(text: str, expected: list[Any]) -> None:
    live = streaming()
    assert told(live.received(text)) == expected
    assert live.state == Streaming("run_1")


@pytest.mark.parametrize("kind", ["stop", "resume"])
def test_what_the_method_has_no_sibling_for_is_no_type(kind: str) -> None:
    alone = session(takes=())
    assert told(alone.received(f'{{"type":"{kind}","run_id":"run_1"}}')) == [("error", "MALFORMED_REQUEST")]


def test_a_stop_before_the_run_has_a_name_waits_for_it() -> None:
    live = streaming(run_id="")
    assert live.received('{"type":"stop"}') == []
    assert live.named("run_9") == [Stop({"run_id": "run_9"})]
    assert live.state == Streaming("run_9")


def test_a_stop_that_comes_too_late_means_the_run_that_ended() -> None:
    live = streaming()
    assert live.ended() == []
    assert live.received('{"type":"stop"}') == [Stop({"run_id": "run_1"})]


def test_a_stop_never_means_a_run_of_an_earlier_turn() -> None:
    live = streaming()
    live.ended()
    live.received('{"text":"next"}')
    assert live.received('{"type":"stop"}') == []
    assert live.ended(HttpError("VALIDATION_FAILED", "no")) != []
    assert told(live.received('{"type":"stop"}')) == [("error", "VALIDATION_FAILED")]


def test_turns_follow_each_other() -> None:
    live = session()
    for number in range(3):
        assert live.received('{"text":"hi"}') == [Begin("turn", {"text": "hi"})]
        live.named(f"run_{number}")
        frame = json.loads(live.frame("token", b'{"token":"a"}', 2))
        assert frame == {"event": "token", "sequence": 2, "run_id": f"run_{number}", "data": {"token": "a"}}
        assert live.ended() == []
        assert live.state == Idle()


def test_an_event_before_the_run_has_a_name_names_none() -> None:
    live = streaming()
    live.ended()
    live.received("{}")
    frame = json.loads(live.frame("heartbeat", b'{"last_sequence":0}', 0))
    assert frame == {"event": "heartbeat", "sequence": 0, "data": {"last_sequence": 0}}


def test_a_name_of_a_run_is_escaped() -> None:
    live = streaming(run_id='"},{"')
    assert json.loads(live.frame("token", b"{}", 2))["run_id"] == '"},{"'


@pytest.mark.parametrize("code", sorted(FACES))
def test_a_failure_is_told_once_and_closes_where_the_table_says_so(code: str) -> None:
    live = streaming()
    actions = told(live.ended(HttpError(code, "why")))
    assert actions[0] == ("error", code)
    close = FACES[code].close
    if not close:
        assert len(actions) == 1
        assert live.state == Idle()
        return
    if close == 4429:  # too fast: once more, and it is the end
        assert len(actions) == 1
        live.received('{"text":"again"}')
        actions = told(live.ended(HttpError(code, "why")))
    assert actions[-1] == (close, code)
    warned = [action for action in actions if action[0] == "warning"]
    assert warned == (
        [("warning", "RECONNECT" if close == 1001 else "CLOSING")] if close not in (1003, 1009, 1011) else []
    )
    assert live.state == Closed()


def test_an_error_says_all_that_the_contract_says() -> None:
    error = HttpError("OVERLOADED", "later", details={"a": 1}, retry_after_s=1.5)
    (said, _) = streaming().ended(error)
    assert isinstance(said, Say)
    assert json.loads(said.text)["data"] == {
        "code": "OVERLOADED",
        "message": "later",
        "details": {"a": 1, "retry_after_s": 1.5},
        "request_id": "req-1",
        "retryable": True,
        "partial": False,
    }


def test_a_run_that_failed_is_told_by_its_event_alone() -> None:
    live = streaming()
    live.frame("error", b'{"code":"UPSTREAM_TRUNCATED"}', 9)
    assert live.ended(HttpError("UPSTREAM_TRUNCATED", "cut")) == []
    assert live.state == Idle()
    # The next stream's failure is another one.
    live.received("{}")
    assert told(live.ended(HttpError("UPSTREAM_TRUNCATED", "cut"))) == [("error", "UPSTREAM_TRUNCATED")]


def test_a_run_that_failed_of_a_bug_closes_after_its_event() -> None:
    live = streaming()
    live.frame("error", b'{"code":"INTERNAL"}', 9)
    assert told(live.ended(HttpError("INTERNAL", "internal error"))) == [(1011, "INTERNAL")]


@pytest.mark.parametrize(
    ("case", "said_all"), [("start", False), ("heartbeat", False), ("complete", True), ("error", True)]
)
def test_after_a_terminal_event_only_the_end_of_the_stream_is_to_come(case: str, said_all: bool) -> None:
    live = streaming()
    live.frame(case, b"{}", 9)
    assert live.said_all is said_all
    live.ended()
    assert not live.said_all


def test_a_binary_message_closes() -> None:
    assert told(session().received_bytes()) == [("error", "UNSUPPORTED_MEDIA_TYPE"), (1003, "UNSUPPORTED_MEDIA_TYPE")]


def nonsense(live: Session) -> list[Any]:
    return told(live.received("?"))


def bad_turn(live: Session, code: str = "MALFORMED_REQUEST") -> list[Any]:
    """A turn that is refused before its first event, by its fields or by the service."""
    live.received('{"text":7}')
    return told(live.ended(HttpError(code, "no")))


def bad_resume(live: Session) -> list[Any]:
    live.received('{"type":"resume","run_id":"run_no"}')
    live.named("run_no")
    return told(live.ended(HttpError("MALFORMED_REQUEST", "no")))


@pytest.mark.parametrize("refused", [nonsense, bad_turn, bad_resume])
def test_refusals_without_end_are_a_policy_close_and_a_turn_that_began_forgives_them(refused: Any) -> None:
    live = session()
    for _ in range(19):
        assert refused(live) == [("error", "MALFORMED_REQUEST")]
    live.received('{"text":"hi"}')
    live.named("run_1")
    live.frame("start", b"{}", 1)
    assert live.ended(HttpError("UPSTREAM_ERROR", "the run failed later")) != []
    for _ in range(19):
        assert refused(live) == [("error", "MALFORMED_REQUEST")]
    assert refused(live) == [("error", "MALFORMED_REQUEST"), ("warning", "CLOSING"), (1008, "MALFORMED_REQUEST")]
    assert live.received('{"text":"hi"}') == []


@pytest.mark.parametrize("between", ['{"type":"ping"}', '{"type":"stop","run_id":"run_1"}'])
def test_pings_and_stops_forgive_nothing(between: str) -> None:
    live = session()
    for _ in range(19):
        assert bad_turn(live) == [("error", "MALFORMED_REQUEST")]
        assert live.received(between) != []
    assert bad_turn(live)[-1] == (1008, "MALFORMED_REQUEST")


def test_a_turn_that_the_server_could_not_take_is_not_held_against_the_client() -> None:
    live = session()
    for _ in range(40):
        assert bad_turn(live, "TOO_MANY_RUNS") == [("error", "TOO_MANY_RUNS")]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda each: each.idle(5), [("warning", "CLOSING"), (4408, "IDLE_TIMEOUT")]),
        (lambda each: each.stalled(5), [("warning", "CLOSING"), (4408, "SLOW_CONSUMER")]),
        (lambda each: each.leave(), [("warning", "RECONNECT"), (1001, "DRAINING")]),
        (lambda each: each.drain(), [("warning", "RECONNECT"), (1001, "DRAINING")]),
    ],
)
def test_a_policy_close_is_announced_and_happens_once(act: Any, expected: list[Any]) -> None:
    live = session()
    assert told(act(live)) == expected
    assert act(live) == []
    assert live.received('{"text":"hi"}') == []
    assert live.received_bytes() == []
    assert live.ended(HttpError("INTERNAL", "late")) == []


def test_a_draining_server_lets_the_stream_end() -> None:
    live = streaming()
    assert live.drain() == []
    live.frame("complete", b"{}", 9)
    assert told(live.ended()) == [("warning", "RECONNECT"), (1001, "DRAINING")]


def test_a_face_that_leaves_alone_tells_the_stream_that_nobody_else_tells() -> None:
    live = streaming()
    assert told(live.drain(alone=True)) == [("warning", "RECONNECT")]
    live.frame("complete", b"{}", 9)
    assert live.drain(alone=True) == []
    assert told(live.ended()) == [("warning", "RECONNECT"), (1001, "DRAINING")]


def test_a_draining_server_still_tells_why_the_stream_failed() -> None:
    live = streaming()
    live.drain()
    actions = told(live.ended(HttpError("NOT_FOUND", "no")))
    assert actions == [("error", "NOT_FOUND"), ("warning", "RECONNECT"), (1001, "DRAINING")]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, [(1000, "")]),
        (HttpError("NOT_FOUND", "no"), [("error", "NOT_FOUND"), (1000, "NOT_FOUND")]),
        (HttpError("STORAGE_UNAVAILABLE", "no"), [("error", "STORAGE_UNAVAILABLE"), (1011, "STORAGE_UNAVAILABLE")]),
    ],
)
def test_a_socket_of_one_stream_closes_at_its_end(error: HttpError | None, expected: list[Any]) -> None:
    live = session(single=True)
    live.opened()
    assert told(live.received('{"text":"hi"}')) == [("error", "CONVERSATION_BUSY")]
    assert told(live.ended(error)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type":"auth","credential":"k"}', [Authenticate("k")]),
        ('{"type":"ping"}', [("pong", "")]),
        ('{"type":"auth"}', [("error", "MALFORMED_REQUEST")]),
        ('{"type":"auth","credential":""}', [("error", "MALFORMED_REQUEST")]),
        ('{"type":"auth","credential":["k"]}', [("error", "MALFORMED_REQUEST")]),
        ('{"type":"auth","credential":"k","text":"hi"}', [("error", "MALFORMED_REQUEST")]),
    ],
)
@pytest.mark.parametrize("strange", [True, False])
def test_who_calls_may_be_said_at_any_time(text: str, expected: list[Any], strange: bool) -> None:
    assert told(session(strange=strange).received(text)) == expected


@pytest.mark.parametrize("text", ['{"text":"hi"}', '{"type":"stop"}', '{"type":"resume","run_id":"run_1"}'])
def test_nothing_is_done_for_a_stranger(text: str) -> None:
    stranger = session(strange=True)
    assert told(stranger.received(text)) == [
        ("error", "AUTH_REQUIRED"),
        ("warning", "CLOSING"),
        (4401, "AUTH_REQUIRED"),
    ]
    assert stranger.state == Closed()


def test_a_stranger_who_is_known_is_served() -> None:
    stranger = session(strange=True)
    assert told(stranger.authenticated(b"{}")) == [("authenticated", "")]
    assert stranger.received('{"text":"hi"}') == [Begin("turn", {"text": "hi"})]


def test_a_bad_credential_closes_a_strangers_socket_and_no_others() -> None:
    bad = HttpError("AUTH_INVALID", "no")
    stranger, known = session(strange=True), streaming()
    assert told(stranger.denied(bad))[-1] == (4401, "AUTH_INVALID")
    assert told(known.denied(bad)) == [("error", "AUTH_INVALID")]
    assert known.state == Streaming("run_1")
    assert told(known.authenticated(b"{}")) == [("authenticated", "")]
    assert known.state == Streaming("run_1")
    many = [told(known.denied(bad)) for _ in range(30)]
    assert (1008, "AUTH_INVALID") in [each for said in many for each in said]


def test_a_stranger_is_not_waited_for() -> None:
    stranger = session(strange=True)
    assert stranger.state == Strange()
    assert told(stranger.unknown(10)) == [("warning", "CLOSING"), (4401, "AUTH_REQUIRED")]
    assert stranger.authenticated(b"{}") == []


def test_the_end_of_an_older_credential_ends_what_was_begun_with_it_and_not_the_socket() -> None:
    over = HttpError("AUTH_EXPIRED", "no")
    same, other = streaming(), streaming()
    assert told(same.ended(over))[-1] == (4401, "AUTH_EXPIRED")
    assert told(other.ended(over, renewed=True)) == [("error", "AUTH_EXPIRED")]
    assert other.received('{"text":"hi"}') == [Begin("turn", {"text": "hi"})]
