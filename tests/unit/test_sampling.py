"""Which sampling settings a model takes, and what is said of those that it does not."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.request import Sampling
from thinkaloud_server.providers.sampling import sampling_taken
from thinkaloud_server.providers.vendors import Reasoning

FREE, STRICT, NONE = Reasoning(), Reasoning(sampling="strict"), Reasoning(sampling="none")
Pair = tuple[float | None, float | None]


@pytest.mark.parametrize(
    ("row", "thinks", "asked", "taken", "notes"),
    [
        (FREE, True, (1.5, 0.5), (1.5, 0.5), 0),
        (FREE, False, (None, None), (None, None), 0),
        (STRICT, False, (0.5, None), (0.5, None), 0),
        (STRICT, False, (0.5, 0.5), (0.5, None), 1),
        (STRICT, False, (1.5, None), (1.0, None), 1),
        (STRICT, True, (0.5, 0.5), (None, None), 2),
        (STRICT, True, (1, 0.95), (None, 0.95), 0),
        (NONE, False, (0.5, None), (None, None), 1),
        (NONE, True, (1, 1), (None, None), 0),
    ],
)
def test_what_is_taken(row: Reasoning, thinks: bool, asked: Pair, taken: Pair, notes: int) -> None:
    told: list[str] = []
    assert sampling_taken(row, Sampling(temperature=asked[0], top_p=asked[1]), told, thinks=thinks) == taken
    assert len(told) == notes
