"""How fast one socket may talk."""

from __future__ import annotations

import pytest

from thinkaloud_server.web.flood import Flood


def said(flood: Flood, messages: int, *, per_s: float, start: float = 0.0) -> list[str]:
    return [flood.heard(start + number / per_s) for number in range(messages)]


def test_who_says_a_hundred_a_second_is_warned_once_and_then_goes() -> None:
    told = said(Flood(20, 40, 0.0), 100, per_s=100)
    assert told.count("near") == 1
    assert 40 <= told.index("over") < 60
    assert told.index("near") < told.index("over")
    assert set(told[: told.index("near")]) == {"fine"}


@pytest.mark.parametrize("per_s", [1, 19.9])
def test_who_keeps_to_the_limit_is_never_told_of_it(per_s: float) -> None:
    assert set(said(Flood(20, 40, 0.0), 5000, per_s=per_s)) == {"fine"}


def test_some_may_come_at_once_and_after_a_pause_again() -> None:
    flood = Flood(20, 40, 0.0)
    for start in (0.0, 10.0):
        told = [flood.heard(start) for _ in range(40)]
        assert told == ["fine"] * 30 + ["near"] + ["fine"] * 9
    assert flood.heard(10.0) == "over"


def test_without_a_limit_nothing_is_too_fast() -> None:
    assert set(said(Flood(0, 0, 0.0), 1000, per_s=1e6)) == {"fine"}
