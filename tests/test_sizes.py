"""Budgets and manners of what is written by hand: lengths, names, and nothing of the machine it was written on."""

from __future__ import annotations

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

SOURCE_SUFFIXES = {".py", ".proto", ".sql", ".sh", ".ts", ".go", ""}
GENERATED = re.compile(r"_pb2(_grpc)?\.pyi?$")
VAGUE = re.compile(r"(^|[_/.-])(utils?|helpers?|common|managers?|misc)([_/.-]|$)")
# Written apart, so that this file does not find itself.
MACHINE = re.compile("|".join(("/" + "work/", "/" + "root/", "/" + "tmp/w/", "/" + "opt/wheels")))


@cache
def tracked() -> tuple[str, ...]:
    """What is in the repository, or would be by the next commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file()))


def _text(name: str) -> str:
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def _is_source(name: str) -> bool:
    path = Path(name)
    script = not path.suffix and path.parts[0] in ("scripts", ".ci")
    return (script or (path.suffix in SOURCE_SUFFIXES - {""})) and not GENERATED.search(name)


SOURCES = [name for name in tracked() if _is_source(name)]


def long_functions(source: str) -> list[str]:
    """Functions over the limit, decorators not counted."""
    functions = (
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    lengths = ((node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions)
    return [f"{name}: {length} lines" for name, length in lengths if length > FUNCTION_LINES_MAX]


@pytest.fixture(autouse=True)
def _in_a_repository() -> None:
    if not tracked():
        pytest.skip("not in a git repository: nothing says which files are ours")


def test_no_file_is_too_long() -> None:
    lengths = {name: len(_text(name).splitlines()) for name in SOURCES}
    assert {name: length for name, length in lengths.items() if length > FILE_LINES_MAX} == {}


def test_no_function_is_too_long() -> None:
    found = {name: long_functions(_text(name)) for name in SOURCES if name.endswith(".py")}
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_files_are_named_by_their_concept() -> None:
    assert [name for name in SOURCES if VAGUE.search(name)] == []


def test_every_module_says_what_it_owns() -> None:
    modules = (name for name in SOURCES if name.endswith(".py") and _text(name).strip())
    assert [name for name in modules if not ast.get_docstring(ast.parse(_text(name)))] == []


def test_nothing_tells_of_the_machine_it_was_written_on() -> None:
    assert [name for name in tracked() if MACHINE.search(_text(name))] == []


def test_pinned_requirements_hold_names_versions_and_hashes_only() -> None:
    line = re.compile(r"#[^/]*|\s*|[a-z0-9-]+==\S+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        strange = [text for text in path.read_text().splitlines() if not line.fullmatch(text)]
        assert strange == [], path.name


def test_a_long_function_is_found() -> None:
    body = "    x = 1\n" * FUNCTION_LINES_MAX
    assert long_functions(f"def f():\n{body}") == ["f: 61 lines"]
    assert long_functions(f"async def f():\n{body}") == ["f: 61 lines"]
    assert long_functions("def f():\n    return 1\n") == []
