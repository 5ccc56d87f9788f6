"""What the README tells a newcomer to type does what it says, against a real server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.served import Served
from thinkaloud_server.app.config_load import load

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
ADDRESS = re.compile(r"(?:localhost|127\.0\.0\.1):50051")
HTTP = re.compile(r"(?:localhost|127\.0\.0\.1):8000")
# What scripts/serve and scripts/test install beside Python.
THINKALOUD = Path(sys.executable).with_name("thinkaloud")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(word: str) -> list[str]:
    """The README's shell commands that begin with this word, each on one line."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith(word)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("readme")) as server:
        yield server


def run(served: Served, *words: str) -> str:
    """What it prints. It must end well, and say nothing else."""
    ended = subprocess.run(
        words, capture_output=True, text=True, timeout=60, env=served.client_environment(), check=False
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    return ended.stdout


def shell(served: Served, line: str) -> str:
    line = HTTP.sub(served.http, ADDRESS.sub(served.address, line))
    return run(served, "bash", "-o", "pipefail", "-c", line)


@pytest.mark.skipif(shutil.which("grpcurl") is None, reason="grpcurl is not on PATH")
def test_the_grpcurl_lines_list_chat_and_check(served: Served) -> None:
    listing, chat, health = commands("grpcurl ")
    assert {"thinkaloud.v1.ChatService", "grpc.health.v1.Health"} <= set(shell(served, listing).split())
    told = shell(served, chat)
    events = [json.loads(text)["event"] for text in re.split(r"(?<=^})\n", told, flags=re.MULTILINE) if text.strip()]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert "start" in events[0]
    assert "17*20 = 340" in events[-1]["complete"]["reasoning"]
    assert "391" in events[-1]["complete"]["response"]
    assert json.loads(shell(served, health)) == {"status": "SERVING"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on PATH")
def test_the_curl_lines_chat_and_check(served: Served) -> None:
    chat, health = (line.replace("curl ", "curl -sS ") for line in commands("curl "))
    told = shell(served, chat)
    assert re.findall(r"^event: (\w+)$", told, re.MULTILINE)[0] == "start"
    *_, last = re.findall(r"^data: (.*)$", told, re.MULTILINE)
    assert "17*20 = 340" in json.loads(last)["reasoning"]
    assert json.loads(shell(served, health))["status"] == "healthy"


def test_the_python_program_prints_reasoning_and_answers(served: Served) -> None:
    (program,) = blocks("python")
    out = run(served, sys.executable, "-c", ADDRESS.sub(served.address, program))
    assert out.index("17*20 = 340") < out.index("17*23 = 391.") < out.index("17*24 = 408.") < out.index("Usage(")


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not on PATH")
@pytest.mark.skipif(not THINKALOUD.exists(), reason="thinkaloud is not installed beside Python")
def test_the_shell_line_pipes_the_answer(served: Served) -> None:
    (line,) = (line for line in commands("thinkaloud ") if "jq" in line)
    assert shell(served, f"{THINKALOUD.parent}/{line}") == "17*23 = 391."


@pytest.mark.skipif(not THINKALOUD.exists(), reason="thinkaloud is not installed beside Python")
def test_the_first_question_is_answered(served: Served) -> None:
    (line,) = commands(".venv/bin/thinkaloud ")
    assert shell(served, line.replace(".venv/bin/thinkaloud", str(THINKALOUD))) == "17*23 = 391.\n"


def test_the_configuration_is_one(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    file = tmp_path / "thinkaloud.toml"
    file.write_text(text, encoding="utf-8")
    config = load(file, {"LOCAL_API_KEY": "sk-1"}, {})
    assert (config.default_model, config.providers["local"].models) == ("local/my-model", ("my-model",))


def test_every_script_and_room_that_is_named_is_there() -> None:
    root = Path(__file__).parents[2]
    (row,) = re.findall(r"^\| `scripts/` \| (.*) \|$", README, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", row))
    assert named == {each.name for each in (root / "scripts").iterdir() if each.is_file()} - {"venv"}
    rooms = set(re.findall(r"^\| `(?:…|server/thinkaloud_server)/(\w+)`", README, re.MULTILINE))
    packages = {
        each.name for each in (root / "server" / "thinkaloud_server").iterdir() if (each / "__init__.py").exists()
    }
    assert rooms == packages
    for place in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / place).exists(), place
