"""`thinkaloud models`: what there is, what it takes and what it costs, as a table that fits the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thinkaloud_server.app.cli_output import (
    OK,
    console,
    dollars,
    message_json,
    on_terminal,
    one_line,
    say,
    write,
    write_json,
)

if TYPE_CHECKING:
    from thinkaloud.client import Client
    from thinkaloud.v1.model_service_pb2 import Model

_MILLION = 1_000_000
_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A fact about each model: as people read it, and as `cut` and `awk` do.

    On a narrow terminal the columns with the highest `spare` go first; those with 0 always stay.
    """

    head: str
    shown: Callable[[Model], str]
    plain: Callable[[Model], str]
    spare: int = 0
    right: bool = False
    style: Callable[[Model], str] = lambda model: ""


async def list_models(arguments: argparse.Namespace, client: Client) -> int:
    """All that pass the filters; notes go to standard error."""
    models = await client.models(
        provider=arguments.provider,
        search=arguments.search,
        min_context=arguments.min_context,
        reasoning=arguments.reasoning,
    )
    if arguments.json:
        for model in models:
            write_json(message_json(model))
    elif not on_terminal():
        for model in models:
            write("\t".join(one_line(column.plain(model)) for column in COLUMNS))
    elif models:
        _show(list(models), console().width)
    else:
        say("no model passes these filters", style="dim")
    for note in models.notes:
        say(f"note: {one_line(note)}", style="warning")
    return OK


def fitting(columns: Sequence[Column], models: Sequence[Model], width: int) -> list[Column]:
    """The columns that say something and fit into this width side by side."""
    kept = [column for column in columns if not column.spare or any(column.shown(model) for model in models)]
    widths = {id(column): max(len(column.head), *(len(column.shown(model)) for model in models)) for column in kept}
    while sum(widths[id(column)] + _GAP for column in kept) - _GAP > width:
        most = max(kept, key=lambda column: column.spare)
        if not most.spare:
            break
        kept.remove(most)
    return kept


def tokens(number: int) -> str:
    """131072 as 131K, 1048576 as 1.05M; nothing for what is not known."""
    if number >= _MILLION:
        return f"{number / _MILLION:.3g}M"
    if number >= 1000:
        return f"{number / 1000:.3g}K"
    return str(number) if number else ""


def _show(models: Sequence[Model], width: int) -> None:
    from rich.table import Table
    from rich.text import Text

    columns = fitting(COLUMNS, models, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for column in columns:
        # A name that is wider than the terminal is folded, never cut: people copy it from here.
        table.add_column(column.head, justify="right" if column.right else "left", overflow="fold", no_wrap=False)
    for model in models:
        table.add_row(*(Text(one_line(column.shown(model)), style=column.style(model)) for column in columns))
    console().print(table)
    absent = [column.head for column in COLUMNS if column not in columns and any(map(column.shown, models))]
    if absent:
        say(f"note: too narrow for: {', '.join(absent)}; --json has everything", style="dim")


def _efforts(model: Model) -> str:
    """All of them, the one that a request without a control gets with a star."""
    starred = model.default_effort if len(model.efforts) > 1 else ""
    return " ".join(f"{effort}*" if effort == starred else effort for effort in model.efforts)


def _takes(model: Model) -> str:
    return " ".join(name for name, has in (("vision", model.vision), ("tools", model.tools)) if has)


def _price(model: Model, side: str) -> float | None:
    price: float = getattr(model.price, side)
    return price * _MILLION if model.HasField("price") else None


def _shown_price(model: Model, side: str) -> str:
    price = _price(model, side)
    return "" if price is None else "free" if price == 0 else dollars(price)


def _plain_price(model: Model, side: str) -> str:
    price = _price(model, side)
    return "" if price is None else dollars(price).lstrip("$")


_STYLES = {"optional": "green", "mandatory": "yellow", "none": "dim"}


def _name_style(model: Model) -> str:
    return "bold green" if model.current else "bold"


def _reasoning_style(model: Model) -> str:
    return _STYLES.get(model.reasoning, "")


def _dim(model: Model) -> str:
    return "dim"


def _number(number: int) -> str:
    return str(number) if number else ""


COLUMNS: tuple[Column, ...] = (
    Column("", lambda model: "*" * model.current, lambda model: "*" * model.current, style=_name_style),
    Column("model", lambda model: model.id, lambda model: model.id, style=_name_style),
    Column(
        "context",
        lambda model: tokens(model.context_length),
        lambda model: _number(model.context_length),
        spare=2,
        right=True,
    ),
    Column(
        "output",
        lambda model: tokens(model.max_output_tokens),
        lambda model: _number(model.max_output_tokens),
        spare=7,
        right=True,
    ),
    Column(
        "reasoning",
        lambda model: model.reasoning,
        lambda model: model.reasoning,
        spare=1,
        style=_reasoning_style,
    ),
    Column("efforts", _efforts, _efforts, spare=5),
    Column("takes", _takes, _takes, spare=6, style=_dim),
    Column(
        *("in $/1M", lambda model: _shown_price(model, "input"), lambda model: _plain_price(model, "input")),
        spare=4,
        right=True,
    ),
    Column(
        *("out $/1M", lambda model: _shown_price(model, "output"), lambda model: _plain_price(model, "output")),
        spare=3,
        right=True,
    ),
)
