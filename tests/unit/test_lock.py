"""The lock that makes one process the owner of a database."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.stores.lock import OwnerLock

HOLD = """
import sys, time
from pathlib import Path
from thinkaloud_server.stores.lock import OwnerLock
lock = OwnerLock.acquire(Path(sys.argv[1]), "child")
sys.stdout.write("held\\n")
sys.stdout.flush()
time.sleep(60)
"""


def test_one_holds_it_and_the_next_is_told_who(tmp_path: Path) -> None:
    lock = OwnerLock.acquire(tmp_path / "a.db", "me\ud800")
    with pytest.raises(ChatError, match=rf"pid {os.getpid()}, me") as caught:
        OwnerLock.acquire(tmp_path / "a.db", "you")
    assert caught.value.reason is ErrorReason.STORAGE_UNAVAILABLE
    lock.release()
    lock.release()
    OwnerLock.acquire(tmp_path / "a.db", "you").release()


def test_two_databases_have_two_locks(tmp_path: Path) -> None:
    locks = [OwnerLock.acquire(tmp_path / name, "me") for name in ("a.db", "b.db")]
    for lock in locks:
        lock.release()


def test_it_is_free_when_its_holder_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "a.db")]
    paths = {"PYTHONPATH": ":".join(entry for entry in sys.path if entry)}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=paths)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(ChatError, match=f"pid {child.pid}, child"):
            OwnerLock.acquire(tmp_path / "a.db", "me")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.stdout.close()
    OwnerLock.acquire(tmp_path / "a.db", "me").release()
