"""The real clock and the real ids."""

from __future__ import annotations

import time

import pytest

from thinkaloud_server.app.clock import SystemClock, new_id
from thinkaloud_server.core.identifier import Prefix, check_id


def test_the_clock_is_this_machines() -> None:
    clock = SystemClock()
    assert abs(clock.time() - time.time()) < 5
    first = clock.monotonic()
    assert clock.monotonic() >= first


@pytest.mark.parametrize("prefix", ["run", "conv", "msg"])
def test_an_id_has_the_form_of_its_type_and_is_never_twice(prefix: Prefix) -> None:
    ids = {new_id(prefix) for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(check_id(prefix, each) == each for each in ids)


def test_an_id_is_random_but_for_its_first_six_bits() -> None:
    numbers = [int(new_id("run")[4:], 16) for _ in range(1_000)]
    assert len({number >> 122 for number in numbers}) < 10
    for bit in range(122):
        assert 350 < sum(number >> bit & 1 for number in numbers) < 650
