"""The command line: every command is there, explains itself, and refuses what it does not know."""

from __future__ import annotations

import subprocess
import sys

import pytest

from thinkaloud_server.app.cli import main, parser

COMMANDS = [
    "serve",
    "chat",
    "models",
    "models switch",
    "runs",
    "runs show",
    "runs stop",
    "conversations",
    "conversations list",
    "conversations show",
    "conversations delete",
    "keys",
    "keys create",
    "keys list",
    "keys revoke",
    "health",
    "login",
    "logout",
    "whoami",
    "config check",
    "version",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert "usage: thinkaloud" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["serve", "chat", "models", "runs", "conversations", "health", "login", "whoami"])
def test_help_documents_the_exit_codes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["talk"],
        ["serve", "--https-address", "127.0.0.1:0"],
        ["serve", "--grpc", "127.0.0.1:0"],
        ["chat", "--effort", "huge", "x"],
        ["chat", "--show-reasoning", "--no-reasoning", "x"],
        ["chat", "--after", "x"],
        ["models", "--reasoning", "some"],
        ["models", "--min-context", "many"],
        ["models", "--min-context", "-1"],
        ["models", "--min-context", "9000m"],
        ["runs", "--state", "live"],
        ["runs", "show"],
        ["config"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "call"),
    [
        ("models", "models list"),
        ("models switch a/b", "models switch"),
        ("runs --state failed", "runs list"),
        ("runs stop run_1", "runs stop"),
        ("conversations", "conversations list"),
        ("conversations list", "conversations list"),
        ("conversations delete conv_1", "conversations delete"),
        ("health", "health"),
    ],
)
def test_commands_lead_to_their_calls(argv: str, call: str) -> None:
    assert parser().parse_args(argv.split()).call == call


@pytest.mark.parametrize(("text", "tokens"), [("64000", 64000), ("64k", 64000), ("1M", 1_000_000), ("0", 0)])
def test_a_number_of_tokens_may_be_short(text: str, tokens: int) -> None:
    assert parser().parse_args(["models", "--min-context", text]).min_context == tokens


def test_flags_stand_before_or_after_an_action() -> None:
    before = parser().parse_args(["runs", "--address", "h:1", "--json", "show", "run_1"])
    after = parser().parse_args(["runs", "show", "run_1", "--address", "h:1", "--json"])
    assert before.address == after.address == "h:1"
    assert before.json
    assert after.json


def test_words_without_quotes_are_one_text() -> None:
    assert parser().parse_args(["chat", "what", "is", "17*23?"]).text == ["what", "is", "17*23?"]


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("thinkaloud ")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, thinkaloud_server.app.cli as cli; cli.parser(); "
        "sys.exit(any(name in sys.modules for name in ('grpc', 'pydantic', 'rich', 'asyncio', 'google.protobuf')))"
    )
    assert (
        subprocess.run([sys.executable, "-c", program], check=False, env={"PYTHONPATH": ":".join(sys.path)}).returncode
        == 0
    )
