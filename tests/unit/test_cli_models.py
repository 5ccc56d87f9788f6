"""The table of models: what it shows, in which width, and what stands in a pipe."""

from __future__ import annotations

import argparse
import io
import sys
from typing import Any, cast

import pytest
from rich.cells import cell_len

from thinkaloud.calls import ModelList
from thinkaloud.client import Client
from thinkaloud.v1.model_service_pb2 import Model, Price
from thinkaloud_server.app import cli_models
from thinkaloud_server.app.cli_models import COLUMNS, fitting, list_models, tokens
from thinkaloud_server.app.cli_output import dollars

THINKER = Model(
    id="local/thinker-with-a-long-name",
    current=True,
    context_length=1_048_576,
    max_output_tokens=65_536,
    reasoning="mandatory",
    efforts=["low", "medium", "high"],
    default_effort="medium",
    vision=True,
    tools=True,
    price=Price(input=0.75e-6, output=3.75e-6, cached=0.075e-6),
)
PLAIN = Model(id="local/plain", reasoning="none", price=Price(input=0, output=0))
UNKNOWN = Model(id="other/x")


class Answering:
    """A client that lists these, and remembers what it was asked for."""

    def __init__(self, *models: Model, notes: tuple[str, ...] = ()) -> None:
        self.listed = ModelList(models, notes)
        self.asked: dict[str, Any] = {}

    async def models(self, **filters: Any) -> ModelList:
        self.asked = filters
        return self.listed


async def run(client: Answering, **flags: Any) -> int:
    arguments = argparse.Namespace(
        **{"provider": "", "search": "", "min_context": 0, "reasoning": "", "json": False, **flags}
    )
    return await list_models(arguments, cast(Client, client))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def shown(monkeypatch: pytest.MonkeyPatch, width: int, *models: Model, colour: bool = False) -> list[str]:
    """The lines on a terminal of this width, without the spaces at their ends."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("FORCE_COLOR" if colour else "NO_COLOR", "1")
    monkeypatch.delenv("NO_COLOR" if colour else "FORCE_COLOR", raising=False)
    assert await run(Answering(*models)) == 0
    return [line.rstrip() for line in terminal.getvalue().splitlines()]


async def test_on_a_terminal_everything_stands_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_models, "console", plain_console)
    head, thinker, plain, unknown = await shown(monkeypatch, 140, THINKER, PLAIN, UNKNOWN)
    assert head.split() == ["model", "context", "output", "reasoning", "efforts", "takes", "in", "$/1M", "out", "$/1M"]
    assert thinker.split() == [
        *("*", "local/thinker-with-a-long-name", "1.05M", "65.5K", "mandatory", "low", "medium*", "high"),
        *("vision", "tools", "$0.75", "$3.75"),
    ]
    assert plain.split() == ["local/plain", "none", "free", "free"]
    assert unknown.split() == ["other/x"]


def plain_console() -> Any:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False, color_system=None)


@pytest.mark.parametrize("width", [20, 30, 44, 60, 80, 100, 140])
async def test_no_line_is_wider_than_the_terminal_and_no_name_is_cut(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(cli_models, "console", plain_console)
    lines = await shown(monkeypatch, width, THINKER, PLAIN)
    assert max(map(cell_len, lines)) <= width
    joined = "".join("".join(line.split()) for line in lines)
    assert "local/thinker-with-a-long-name" in joined or width < 36


async def test_a_narrow_terminal_says_what_it_leaves_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_models, "console", plain_console)
    await shown(monkeypatch, 80, THINKER)
    assert capsys.readouterr().err == "note: too narrow for: output, efforts, takes; --json has everything\n"


async def test_the_current_model_and_its_reasoning_have_a_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    def coloured() -> Any:
        from rich.console import Console

        return Console(highlight=False, force_terminal=True, color_system="standard")

    monkeypatch.setattr(cli_models, "console", coloured)
    lines = await shown(monkeypatch, 140, THINKER, PLAIN, colour=True)
    assert "\x1b[1;32mlocal/thinker" in lines[1]
    assert "\x1b[33mmandatory" in lines[1]
    assert "\x1b[1mlocal/plain" in lines[2]


def test_columns_that_say_nothing_take_no_room() -> None:
    assert [column.head for column in fitting(COLUMNS, [UNKNOWN], 200)] == ["", "model"]
    assert [column.head for column in fitting(COLUMNS, [UNKNOWN], 3)] == ["", "model"]


async def test_in_a_pipe_a_model_is_one_row_of_tabs_with_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(Answering(THINKER, PLAIN, UNKNOWN, notes=("slow: no\nanswer \x1b[2J",))) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "*\tlocal/thinker-with-a-long-name\t1048576\t65536\tmandatory\tlow medium* high\tvision tools\t0.75\t3.75",
        "\tlocal/plain\t\t\tnone\t\t\t0\t0",
        "\tother/x\t\t\t\t\t\t\t",
    ]
    assert captured.err == "note: slow: no answer [2J\n"


async def test_what_a_provider_calls_its_model_does_not_drive_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli_models, "console", plain_console)
    lines = await shown(monkeypatch, 80, Model(id="local/\x1b[2Jx\ny", reasoning="\x1b[31m"))
    assert not any("\x1b" in line for line in lines)
    assert len(lines) == 2


async def test_nothing_found_is_said_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await shown(monkeypatch, 80) == []
    assert capsys.readouterr().err == "no model passes these filters\n"


async def test_json_has_everything(capsys: pytest.CaptureFixture[str]) -> None:
    await run(Answering(THINKER), json=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert '"cached": 7.5e-08' in line
    assert '"efforts": ["low", "medium", "high"]' in line


async def test_filters_are_the_servers_business() -> None:
    client = Answering()
    filters = {"provider": "p", "search": "s", "min_context": 9, "reasoning": "any"}
    await run(client, **filters)
    assert client.asked == filters


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, ""), (512, "512"), (4096, "4.1K"), (131072, "131K"), (1_000_000, "1M"), (1_048_576, "1.05M")],
)
def test_numbers_of_tokens_are_short(number: int, text: str) -> None:
    assert tokens(number) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0"),
        (12, "$12"),
        (0.25, "$0.25"),
        (0.0042, "$0.0042"),
        (0.0000004, "<$0.000001"),
        (1234.5, "$1,234.50"),
        (100, "$100.00"),
        (0.3 * 3, "$0.9"),
    ],
)
def test_money_has_no_exponent(amount: float, text: str) -> None:
    assert dollars(amount) == text
