"""The bar of an upload. The commands themselves: tests/service/test_cli_uploads.py."""

from __future__ import annotations

import pytest

from thinkaloud_server.app.cli_uploads import bar


@pytest.mark.parametrize(
    ("done", "total", "expected"),
    [
        (0, 2**21, "[" + "." * 30 + "]   0%  0.0 MiB"),
        (2**20, 2**21, "[" + "#" * 15 + "." * 15 + "]  50%  1.0 MiB"),
        (2**21, 2**21, "[" + "#" * 30 + "] 100%  2.0 MiB"),
        (2**22, 2**21, "[" + "#" * 30 + "] 100%  4.0 MiB"),
        (2**21, 0, "2.0 MiB"),
    ],
)
def test_a_bar_shows_how_far_it_is(done: int, total: int, expected: str) -> None:
    assert bar(done, total) == expected
