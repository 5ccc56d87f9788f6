"""The flags about TLS: the same on every command that calls a server, and what they come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.certified import Certified
from thinkaloud_server.app.cli import parser
from thinkaloud_server.app.cli_config import effective
from thinkaloud_server.app.cli_output import CommandError
from thinkaloud_server.app.cli_tls import client_of

CALLERS = (
    "chat",
    "health",
    "whoami",
    "logout",
    "models",
    "models switch",
    "runs",
    "runs show",
    "conversations",
    "conversations delete",
)
OPERANDS = {"models switch": ["demo/plain"], "runs show": ["run_1"], "conversations delete": ["conv_1"]}


@pytest.mark.parametrize("words", CALLERS)
@pytest.mark.parametrize("before", [True, False], ids=["before", "behind"])
def test_every_command_that_calls_takes_them_before_its_action_and_behind(words: str, before: bool) -> None:
    given = ["--ca-file", "a.pem", "--client-certificate", "b.pem", "--client-key", "c.pem", "--plaintext-key"]
    command, *action = [*words.split(), *OPERANDS.get(words, [])]
    line = [command, *given, *action] if before else [command, *action, *given]
    arguments = parser().parse_args(line)
    assert (arguments.ca_file, arguments.client_certificate, arguments.client_key) == ("a.pem", "b.pem", "c.pem")
    assert arguments.plaintext_key


def test_flags_of_a_server_are_its_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    words = ["serve", "--tls-certificate", "a.pem", "--tls-key", "b.pem", "--tls-client-ca", "c.pem"]
    assert effective(parser().parse_args(words)).tls.files == {
        "certificate_file": Path("a.pem"),
        "key_file": Path("b.pem"),
        "client_ca_file": Path("c.pem"),
    }


async def test_a_client_is_made_of_them(tmp_path: Path) -> None:
    ca = Certified(tmp_path).ca_file
    words = ["health", "--address", "https://127.0.0.1:1", "--ca-file", str(ca)]
    await client_of(parser().parse_args(words)).close()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--ca-file", "/nowhere/ca.pem"), "ca_file: /nowhere/ca.pem: No such file"),
        (("--client-key", "/nowhere/key.pem"), "belong together"),
    ],
)
def test_what_cannot_be_is_a_mistake_of_the_command_line(words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(CommandError, match=problem) as caught:
        client_of(parser().parse_args(["health", "--address", "https://127.0.0.1:1", *words]))
    assert caught.value.status == 2
