"""Each folder is a permission: who may import whom, who may wait, and that no import goes in a circle."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVER = ROOT / "server"
CLIENT = ROOT / "clients" / "python"
OURS = "thinkaloud_server"

# package -> our packages that it may import besides itself, and the third-party ones
LAYERS: dict[str, tuple[set[str], set[str]]] = {
    "core": (set(), set()),
    "providers": ({"core"}, {"msgspec"}),
    "engine": ({"core", "providers"}, {"msgspec", "httpx", "httpx_aiohttp", "httpcore", "aiohttp"}),
    "stores": ({"core"}, {"msgspec"}),
    "identity": ({"core"}, {"msgspec", "httpx", "jwt"}),
    "rpc": ({"core", "engine", "thinkaloud.v1"}, {"grpc", "grpc_health", "grpc_reflection", "google"}),
    "web": ({"thinkaloud.v1"}, {"grpc", "google", "starlette", "python_multipart", "msgspec"}),
}
EVERYTHING = "app"
WAITS = {"engine", "stores", "identity", "rpc", "web", "app"}

# A module of core or providers is a function of its arguments: no I/O, no clock, no randomness, no logging.
IMPURE = {
    *("asyncio", "concurrent", "select", "selectors", "signal", "socket", "ssl", "subprocess", "threading"),
    *("datetime.datetime.now", "logging", "os", "pathlib", "random", "secrets", "shutil", "sqlite3"),
    *("tempfile", "time", "urllib.request", "http.client", "uuid"),
}
IMPURE_CALLS = {"open", "print", "input"}
IMPURE_METHODS = {"today", "now", "utcnow"}


def imports(tree: ast.Module, module: str, *, is_package: bool = False) -> Iterator[str]:
    """Dotted names that a module imports, relative ones resolved; `from a import b` is a.b."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            parts = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*parts, alias.name]) for alias in node.names)


def layer_violations(package: str, names: Iterator[str] | list[str]) -> list[str]:
    """The imports that this package may not have."""
    if package == EVERYTHING:
        return []
    ours, foreign = LAYERS[package]
    wrong = []
    for name in names:
        top = name.split(".")[0]
        if top == OURS:
            target = name.split(".")[1]
            allowed = target == package or target in ours
        elif top == "thinkaloud":
            allowed = "thinkaloud.v1" in ours and name.startswith("thinkaloud.v1")
        else:
            allowed = top in sys.stdlib_module_names or top in foreign
        if not allowed:
            wrong.append(name)
    return wrong


def impurities(tree: ast.Module, module: str) -> list[str]:
    """What a pure module may not do: wait, or reach for the world outside."""
    found = [
        name
        for name in imports(tree, module)
        if any(name == impure or name.startswith(f"{impure}.") for impure in IMPURE)
    ]
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                found.append(f"line {node.lineno}: async")
            case ast.Call(func=ast.Name(id=name)) if name in IMPURE_CALLS:
                found.append(f"line {node.lineno}: {name}()")
            case ast.Call(func=ast.Attribute(attr=name)) if name in IMPURE_METHODS:
                found.append(f"line {node.lineno}: .{name}()")
            case _:
                pass
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle of imports, or an empty list."""
    done: set[str] = set()
    path: list[str] = []

    def visit(module: str) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        path.append(module)
        for target in sorted(graph[module]):
            if found := visit(target):
                return found
        path.pop()
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := visit(module))), [])


def _module(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _sources(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py") if "_pb2" not in path.name)


SOURCES = _sources(SERVER / OURS)
LAYERED = [path for path in SOURCES if len(path.relative_to(SERVER).parts) > 2]


def _case(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", LAYERED, ids=_case)
def test_a_module_imports_only_what_its_package_may(path: Path) -> None:
    module = _module(path, SERVER)
    names = imports(_parsed(path), module, is_package=path.name == "__init__.py")
    assert layer_violations(path.relative_to(SERVER).parts[1], list(names)) == []


@pytest.mark.parametrize(
    "path", [path for path in LAYERED if path.relative_to(SERVER).parts[1] not in WAITS], ids=_case
)
def test_core_and_providers_are_pure(path: Path) -> None:
    assert impurities(_parsed(path), _module(path, SERVER)) == []


def test_every_package_has_its_row() -> None:
    packages = {path.parent.name for path in (SERVER / OURS).glob("*/__init__.py")}
    assert packages <= {*LAYERS, EVERYTHING}


def test_the_root_of_the_server_imports_nothing_of_ours() -> None:
    for path in SOURCES:
        if len(path.relative_to(SERVER).parts) == 2:
            names = imports(_parsed(path), _module(path, SERVER), is_package=True)
            assert not [name for name in names if name.split(".")[0] in (OURS, "thinkaloud")]


def test_the_client_knows_nothing_of_the_server() -> None:
    allowed = {"thinkaloud", "grpc", "google"}
    for path in _sources(CLIENT / "thinkaloud"):
        for name in imports(_parsed(path), _module(path, CLIENT), is_package=path.name == "__init__.py"):
            top = name.split(".")[0]
            assert top in allowed or top in sys.stdlib_module_names, f"{_case(path)} imports {name}"


@pytest.mark.parametrize("root", [SERVER, CLIENT], ids=["server", "client"])
def test_no_import_goes_in_a_circle(root: Path) -> None:
    paths = {_module(path, root): path for path in _sources(root)}
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        targets = set()
        for name in imports(_without_type_checking(_parsed(path)), module, is_package=path.name == "__init__.py"):
            target = name if name in paths else name.rpartition(".")[0]
            if target in paths and target != module:
                targets.add(target)
        graph[module] = targets
    assert circle(graph) == []


def _without_type_checking(tree: ast.Module) -> ast.Module:
    """Imports for the type checker alone are not executed and close no circle."""
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
    ]
    return tree


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("core", "import msgspec"),
        ("core", "from thinkaloud_server.providers import dialect"),
        ("providers", "import httpx"),
        ("providers", "from thinkaloud_server.engine.ports import Provider"),
        ("engine", "from thinkaloud_server.stores.sqlite import SqliteStore"),
        ("engine", "import grpc"),
        ("stores", "from thinkaloud_server.engine import ports"),
        ("identity", "from thinkaloud_server.rpc.identify import Authenticator"),
        ("identity", "from thinkaloud_server.stores.keys import KeyStore"),
        ("rpc", "from thinkaloud_server.identity.authority import Authority"),
        ("rpc", "import thinkaloud"),
        ("rpc", "from thinkaloud_server.app.config import Config"),
        ("rpc", "from ..app import config"),
        ("web", "from thinkaloud_server.core.errors import ErrorReason"),
        ("web", "from thinkaloud_server.rpc.status import FACES"),
        ("web", "import thinkaloud"),
        ("web", "import uvicorn"),
    ],
)
def test_a_forbidden_import_is_found(package: str, line: str) -> None:
    names = list(imports(ast.parse(line), f"{OURS}.{package}.something"))
    assert layer_violations(package, names) == names


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio",
        "from os import path",
        "import random",
        "async def wait(): pass",
        "from datetime import date\ndate.today()",
        "print('x')",
        "open('x')",
    ],
)
def test_an_impurity_is_found(source: str) -> None:
    assert impurities(ast.parse(source), f"{OURS}.core.something")


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
