"""Judges a set of recorded provider answers and prints what became of them; exits with 0 only when all is well.

The set is TRANSCRIPTS_DIR's (see tests/recorded.py): streams beside what was observed of them, `_errors`, `_models`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

import reasoning_table
from judged import Judged, classified, judge, listed
from recorded import RECORDED, Recorded, all_streams
from thinkaloud_server.providers.table import DIALECTS


def show(console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> None:
    """A table, `words` columns of it text; plain where nobody watches."""
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number < words else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row, style="red" if row[-1].startswith("FAILED") else None)
    console.print(f"\n{title}", style="bold")
    console.print(table)


def by_provider(judged: Sequence[Judged]) -> Iterator[tuple[str, ...]]:
    """Streams, passed and failed, for each dialect and each provider in it."""
    counts: dict[tuple[str, str], Counter[bool]] = defaultdict(Counter)
    for each in judged:
        for provider in ("", each.stream.name.partition("/")[0]):
            counts[each.stream.dialect, provider][each.passed] += 1
    for (dialect, provider), seen in sorted(counts.items()):
        name = f"  {provider}" if provider else dialect
        yield name, str(seen.total()), str(seen[True]), f"FAILED {seen[False]}" if seen[False] else "0"
    passed = sum(each.passed for each in judged)
    failed = len(judged) - passed
    yield "all", str(len(judged)), str(passed), f"FAILED {failed}" if failed else "0"


def errors() -> tuple[list[tuple[str, ...]], list[str]]:
    """How many error bodies came to which reason, and what could not be classified."""
    counts: Counter[str] = Counter()
    wrong = []
    for path in sorted((RECORDED / "_errors").glob("*.meta.json")):
        name = path.name.removesuffix(".meta.json")
        try:
            counts[classified(json.loads(path.read_text()), path.with_name(f"{name}.body").read_bytes())] += 1
        except Exception as error:
            wrong.append(f"_errors/{name}: {error!r}")
    rows = [(reason, str(count)) for reason, count in counts.most_common()]
    return [*rows, ("all", str(counts.total()))], wrong


def listings() -> tuple[list[tuple[str, ...]], list[str]]:
    """Which listings were read, and what could not be."""
    rows: list[tuple[str, ...]] = []
    wrong: list[str] = []
    for path in sorted((RECORDED / "_models").glob("*.json")):
        name = path.name.removesuffix(".json").removesuffix(".models")
        try:
            dialect, found, there = listed(name, path.read_bytes())
        except Exception as error:
            wrong.append(f"_models/{path.name}: {error!r}")
            continue
        rows.append((name, dialect, str(found)))
        if not found or there not in (-1, found):
            wrong.append(f"_models/{path.name}: {found} models were found")
    return rows, wrong


async def judged_streams(streams: Sequence[Recorded], console: Console) -> list[Judged]:
    by_dialect: dict[str, list[Recorded]] = defaultdict(list)
    found: list[Judged] = []
    for stream in streams:
        by_dialect[stream.dialect].append(stream)
    for dialect, mine in sorted(by_dialect.items()):
        if dialect not in DIALECTS:
            found += [Judged(stream, (f"nothing here speaks {dialect}",)) for stream in mine]
            continue
        async for each in judge(mine):
            found.append(each)
            if console.is_terminal:
                console.print(f"{len(found)}/{len(streams)} {each.stream.name}"[: console.width - 1], end="\r")
    return found


def main() -> int:
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200)
    streams = all_streams()
    if not streams:
        console.print(f"there are no recorded streams at {RECORDED}")
        return 2
    judged = asyncio.run(judged_streams(streams, console))
    show(
        console,
        "Recorded streams, in every cut, and over HTTP and gRPC",
        ("", "streams", "passed", "failed"),
        list(by_provider(judged)),
    )
    show(console, "Reasoning, exact to the character", reasoning_table.HEAD, list(reasoning_table.rows(judged)))
    wrong = [f"{each.stream.name}: {what}" for each in judged for what in each.wrong]
    for title, head, (rows, more), words in (
        ("Error bodies, classified", ("reason", "bodies"), errors(), 1),
        ("Listings, read", ("", "dialect", "models"), listings(), 2),
    ):
        show(console, title, head, rows, words=words)
        wrong += more
    explained = [f"{each.stream.name}: {each.explained}" for each in judged if each.explained]
    for title, lines in (("Other than observed, and why", explained), ("What is wrong", wrong)):
        if lines:
            console.print(f"\n{title}", style="bold")
            for line in lines:
                console.print(f"  {line}", soft_wrap=True)
    console.print(f"\n{'all is well' if not wrong else f'{len(wrong)} things are wrong'}")
    return 1 if wrong else 0


sys.exit(main())
