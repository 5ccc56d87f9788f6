"""`thinkaloud upload` and `thinkaloud uploads` as processes before a real server."""

from __future__ import annotations

import json
import os
import pty
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.served import COMMAND_S, Served

DATA = bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("uploads")) as server:
        yield server


def test_a_file_is_stored_listed_brought_back_and_deleted(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "numbers.bin"
    path.write_bytes(DATA)
    stored = served.run("upload", str(path))
    assert (stored.returncode, stored.stderr) == (0, "")
    upload_id = stored.stdout.strip()
    cells = served.run("uploads").stdout.rstrip("\n").split("\t")
    assert (cells[0], cells[2], cells[4]) == (upload_id, str(len(DATA)), "numbers.bin")
    (told,) = served.run("uploads", "--json").stdout.splitlines()
    assert json.loads(told)["upload_id"] == upload_id
    got = tmp_path / "got"
    assert served.run("uploads", "get", upload_id, str(got)).returncode == 0
    assert got.read_bytes() == DATA
    assert served.run("uploads", "delete", upload_id).returncode == 0
    assert served.run("uploads").stdout == ""
    again = served.run("uploads", "get", upload_id, str(tmp_path / "none"))
    assert again.returncode == 1
    assert "NOT_FOUND: there is no upload" in again.stderr


def test_pipes_go_both_ways(served: Served) -> None:
    stored = served.run("upload", "-", "--name", "a.txt", "--json", stdin="from a pipe")
    upload = json.loads(stored.stdout)
    assert (upload["filename"], upload["content_type"]) == ("a.txt", "text/plain")
    assert served.run("uploads", "get", upload["upload_id"], "-").stdout == "from a pipe"


@pytest.mark.parametrize(("words", "problem"), [(("upload", "/nowhere/x"), "/nowhere/x: No such file")])
def test_a_file_that_cannot_be_is_said(words: tuple[str, ...], problem: str, served: Served) -> None:
    ended = served.run(*words)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"error: {problem}")


def test_a_person_sees_how_far_it_is(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "numbers.bin"
    path.write_bytes(DATA)
    ours, theirs = pty.openpty()
    process = served.begin("upload", str(path), stderr=theirs)
    os.close(theirs)
    said, _ = process.communicate(timeout=COMMAND_S)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:
        pass  # Linux: the other end is closed
    finally:
        os.close(ours)
    assert said.startswith("upl_")
    assert b"100%" in shown
    assert shown.endswith(b"\x1b[K")
