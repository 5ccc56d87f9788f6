"""How a caller is told of its limit."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc.window import Counted, admit
from unit.test_rpc_interceptors import FakeCall


def headers(*said: int) -> list[tuple[str, str]]:
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    return [(name, str(value)) for name, value in zip(names, said, strict=True)]


def test_who_is_let_in_is_told_what_is_left() -> None:
    call = FakeCall()
    admit(call, Counted(True, 10, 7, 12.2), "this key")
    assert call.answer_headers == headers(10, 7, 13)


def test_who_is_not_is_told_until_when_and_of_which_limit() -> None:
    call = FakeCall()
    with pytest.raises(ChatError, match="10 requests a minute is the limit of this key: try again in 13 s") as caught:
        admit(call, Counted(False, 10, 0, 12.2), "this key")
    assert (caught.value.reason, caught.value.retry_after_s) == (ErrorReason.RATE_LIMITED, 12.2)
    assert call.answer_headers == headers(10, 0, 13)


@pytest.mark.parametrize(
    ("address", "key", "told"),
    [
        (Counted(True, 100, 50, 1), Counted(True, 10, 7, 2), headers(10, 7, 2)),
        (Counted(True, 100, 5, 1), Counted(True, 10, 7, 2), headers(100, 5, 1)),
    ],
    ids=["key", "address"],
)
def test_of_two_limits_the_nearer_one_is_told(address: Counted, key: Counted, told: list[tuple[str, str]]) -> None:
    call = FakeCall()
    call.answer_headers = [("x-request-id", "r")]
    admit(call, address, "one address")
    admit(call, key, "this key")
    assert call.answer_headers == [("x-request-id", "r"), *told]


def test_the_limit_that_refuses_is_told_before_any_other() -> None:
    call = FakeCall()
    admit(call, Counted(True, 100, 0, 1), "one address")
    with pytest.raises(ChatError):
        admit(call, Counted(False, 10, 0, 2), "this key")
    assert call.answer_headers == headers(10, 0, 2)
