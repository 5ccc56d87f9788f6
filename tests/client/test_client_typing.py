"""Users' programs are type checked against the client as it is shipped."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "python"
USER_PROGRAM = Path(__file__).with_name("user_program.py")


def mypy(program: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Strict, with no configuration of ours, and the client as something that is installed: on Python's own path."""
    pytest.importorskip("mypy")
    arguments = ["--strict", "--config-file=", f"--cache-dir={cache}", str(program)]
    return subprocess.run(
        [sys.executable, "-m", "mypy", *arguments],
        env={**os.environ, "PYTHONPATH": str(CLIENT)},
        cwd=cache,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_users_program_is_strictly_typed_and_its_mistakes_are_found(tmp_path: Path) -> None:
    good = mypy(USER_PROGRAM, tmp_path)
    assert good.returncode == 0, good.stdout + good.stderr
    text = USER_PROGRAM.read_text()
    mistakes = {
        "temperature=0,": 'temperature="hot",',
        'reasoning="low"': 'reasoning="enormous"',
        "detach=-1": "detached=True",
        "result.run_id, str)": "result.run_id, int)",
        "case Error(code=code):": "case Error(kode=code):",
    }
    for right, wrong in mistakes.items():
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    program = tmp_path / "mistaken.py"
    program.write_text(text)
    bad = mypy(program, tmp_path)
    lines = {int(line) for line in re.findall(r"mistaken\.py:(\d+): error", bad.stdout)}
    expected = {
        number for number, line in enumerate(text.splitlines(), 1) if any(wrong in line for wrong in mistakes.values())
    }
    assert lines >= expected, bad.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert (CLIENT / "thinkaloud" / "py.typed").exists()


def test_the_readmes_first_program_is_a_program() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        # Fragments await outside of a function, as in a notebook.
        compile(block, "README.md", "exec", flags=0x2000)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
