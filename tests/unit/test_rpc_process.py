"""What this process uses, told in the units of the contract."""

from __future__ import annotations

import os
from pathlib import Path

from thinkaloud_server.rpc import process


def test_memory_is_in_bytes() -> None:
    before = process.memory_bytes()
    block = b"x" * (64 * 1024 * 1024)
    grown = process.memory_bytes() - before
    assert 48 * 1024 * 1024 < grown < 128 * 1024 * 1024
    assert len(block)


def test_cpu_time_rises_with_work() -> None:
    before = process.cpu_s()
    sum(range(3_000_000))
    assert 0 < process.cpu_s() - before < 60


def test_open_files_count_what_is_opened(tmp_path: Path) -> None:
    before = process.open_files()
    descriptors = [os.open(tmp_path / str(number), os.O_CREAT | os.O_WRONLY) for number in range(5)]
    assert process.open_files() == before + 5
    for descriptor in descriptors:
        os.close(descriptor)
    assert process.open_files() == before
