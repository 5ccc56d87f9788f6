"""Which fault is chosen, by a draw that a test gives."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.fault import parse
from thinkaloud_server.engine.chaos import Chance, choose

RESET, GARBAGE = parse("reset"), parse("garbage")
CHANCES = (Chance(RESET, 0.3), Chance(GARBAGE, 0.1))


@pytest.mark.parametrize(
    ("draw", "fault"),
    [(0.0, RESET), (0.2999, RESET), (0.3, GARBAGE), (0.3999, GARBAGE), (0.4001, None), (0.9999, None)],
)
def test_each_fault_has_its_own_share_of_the_draws(draw: float, fault: object) -> None:
    assert choose(CHANCES, draw) is fault


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.9999])
def test_shares_of_nothing_and_of_everything_are_exact(draw: float) -> None:
    assert choose((), draw) is None
    assert choose((Chance(RESET, 0.0),), draw) is None
    assert choose((Chance(RESET, 0.0), Chance(GARBAGE, 1.0)), draw) is GARBAGE
