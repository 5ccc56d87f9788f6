"""`kill -9` of a process that appends: no acknowledged event is missing, and its runs are orphans.

The child (this file, run as a script) appends to eight runs at once and writes a line to its standard output for
each acknowledged batch, only after the acknowledgement. Whatever line came through the pipe must be in the log.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.stored import TENANT, a_run, all_events, an_append, an_id, begin
from thinkaloud_server.core.event import Start, Token
from thinkaloud_server.stores.sqlite import SqliteStore

RUNS = 8
ROUNDS = 10
LINES_MAX = 400


async def append_until_killed(path: Path, first_run: int) -> None:
    store = await SqliteStore.open(path, owner=f"child-{first_run}")

    async def produce(number: int) -> None:
        run = await begin(store, a_run(number, owner=f"child-{first_run}"))
        sequence = 2
        while True:
            count = 1 + sequence % 3
            events = tuple(Token(f"{number}:{sequence + offset}") for offset in range(count))
            assert await store.append([an_append(run, *events, first=sequence)]) == ["committed"]
            sequence += count
            sys.stdout.write(f"{number} {sequence - 1}\n")
            sys.stdout.flush()

    await asyncio.gather(*(produce(first_run + offset) for offset in range(RUNS)))


def kill_after(path: Path, first_run: int, lines: int) -> dict[int, int]:
    """Start a child, kill it in the middle, and say what it was told was committed: run to last sequence."""
    command = [sys.executable, __file__, str(path), str(first_run)]
    paths = {"PYTHONPATH": ":".join(entry for entry in sys.path if entry)}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=paths)
    assert child.stdout is not None
    try:
        seen = [child.stdout.readline() for _ in range(lines)]
    finally:
        child.kill()
        rest = child.stdout.read()
        child.stdout.close()
        assert child.wait(10) == -9
    told: dict[int, int] = {}
    for line in [*seen, *rest.splitlines(keepends=True)]:
        if line.endswith("\n"):  # the last line may be cut
            number, sequence = line.split()
            told[int(number)] = int(sequence)
    return told


@pytest.mark.timeout(60)
async def test_no_acknowledged_event_is_missing_after_kill_nine(tmp_path: Path) -> None:
    path = tmp_path / "thinkaloud.db"
    dice = random.Random(20251120)
    acknowledged = 0
    for round_number in range(ROUNDS):
        first_run = round_number * RUNS
        told = await asyncio.to_thread(kill_after, path, first_run, dice.randrange(1, LINES_MAX))
        store = await SqliteStore.open(path, owner=f"checker-{round_number}")
        orphans = await store.take_orphans(f"checker-{round_number}", 1.0)
        live = {run.run_id: run for run in orphans if run.lease_owner == f"checker-{round_number}"}
        for number, sequence in told.items():
            run = a_run(number)
            start, *events = await all_events(store, run)
            assert isinstance(start, Start)
            assert len(events) + 1 >= sequence
            assert events == [Token(f"{number}:{place}") for place in range(2, len(events) + 2)]
            assert live[an_id("run", number)].last_sequence == len(events) + 1
            assert live[an_id("run", number)].tenant == TENANT
            acknowledged += sequence
        await store.close()
    assert acknowledged > ROUNDS


if __name__ == "__main__":
    asyncio.run(append_until_killed(Path(sys.argv[1]), int(sys.argv[2])))
