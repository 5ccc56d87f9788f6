"""The bench: a fake provider, a server and clients, each in its own process, and a table of what they did.

The server has one core for itself; provider and clients share the other. "direct" is the same client without us,
reading the provider from the server's core. Machines are shared and noisy: compare rows of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import decode

HERE = Path(__file__).parent
SERVER_CORE, CLIENT_CORE = (0, 1) if len(os.sched_getaffinity(0)) > 1 else (0, 0)
LAUNCH = "import sys; from thinkaloud_server.app.cli import main; sys.exit(main())"
PARTS = {"decode", "flood", "first", "paced", "hold", "memory"}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")

Figures = dict[str, Any]


def pinned(core: int, *command: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core}), **options
    )


@contextmanager
def provider() -> Iterator[str]:
    """The fake provider's host:port."""
    process = pinned(CLIENT_CORE, sys.executable, str(HERE / "provider.py"), stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield f"127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.stdin.close()
        process.wait(10)


class Server:
    """A running `thinkaloud serve`: its address, and what it used."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def rss_mb(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


@contextmanager
def server(upstream: str, *, merge: bool = True) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as data:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
            "THINKALOUD_DISCOVER": "false",
            "THINKALOUD_LOG__LEVEL": "warning",
            "THINKALOUD_LOG__MERGE_DELTAS": str(merge).lower(),
            "THINKALOUD_RUNS__RUNS_MAX": "20000",
            "THINKALOUD_PROVIDERS__BENCH__BASE_URL": f"http://{upstream}/v1",
            "THINKALOUD_PROVIDERS__BENCH__MODELS": "bench",
        }
        configuration = Path(data) / "bench.toml"
        configuration.write_text("discover = false\n")
        process = pinned(
            SERVER_CORE,
            *(sys.executable, "-c", LAUNCH, "serve", "--config", str(configuration)),
            *("--data-dir", data, "--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0"),
            env=environment,
            stderr=None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            ready = process.stdout.readline().split()
            address = next(word.partition("=")[2] for word in ready if word.startswith("grpc="))
            yield Server(process, address)
        finally:
            process.terminate()
            process.wait(20)


def clients(core: int, kind: str, address: str, *numbers: float, store: str = "sqlite") -> Figures:
    words = [str(number) for number in numbers]
    process = pinned(core, sys.executable, str(HERE / "clients.py"), kind, address, *words, store)
    output, _ = process.communicate(timeout=300)
    if process.returncode:
        raise SystemExit(f"the clients failed with exit status {process.returncode}")
    figures: Figures = json.loads(output)
    return figures


def measure(target: Server | None, upstream: str, *numbers: float, store: str = "sqlite") -> Figures:
    """One load through the server, or direct when there is none."""
    if target is None:
        figures = clients(SERVER_CORE, "direct", upstream, *numbers)
        return {**figures, "server_cpu_s": figures["cpu_s"]}
    before = target.cpu_s()
    figures = clients(CLIENT_CORE, "grpc", target.address, *numbers, store=store)
    return {**figures, "server_cpu_s": target.cpu_s() - before}


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    write(f"\n{title}\n")
    for row in (head, *rows):
        write(
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        )


def write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """Progress, for people only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[2K{line}")
        sys.stderr.flush()


def flood(ways: Sequence[tuple[str, Server | None, str]], upstream: str, streams: Sequence[int], tokens: int) -> None:
    rows = []
    for count in streams:
        for name, target, store in ways:
            note(f"no delay: {count} streams, {name}")
            rounds = max(1, 16 // count)
            seen = measure(target, upstream, count, tokens, 0, rounds, store=store)
            lost = "" if seen["tokens"] == seen["expected"] else f" LOST {seen['expected'] - seen['tokens']}"
            rows.append(
                (
                    f"{count} streams, {name}{lost}",
                    f"{seen['events'] / seen['wall_s']:,.0f}",
                    f"{seen['tokens'] / seen['wall_s']:,.0f}",
                    f"{seen['tokens'] / max(seen['events'], 1):.1f}",
                    f"{seen['server_cpu_s'] / seen['tokens'] * 1e6:.1f}",
                )
            )
    table("No delay", ("", "events/s", "tokens/s", "tokens/event", "server us/token"), rows)


def paced(
    ways: Sequence[tuple[str, Server | None, str]], upstream: str, streams: Sequence[int], seconds: float
) -> None:
    rows = []
    for count in streams:
        for name, target, store in ways:
            note(f"50 tokens/s: {count} streams, {name}")
            seen = measure(target, upstream, count, int(seconds * 50), 50, 1, store=store)
            rows.append(
                (
                    f"{count} streams, {name}",
                    f"{seen['on_time']:.2%}",
                    f"{seen['gap_p99_ms']:.1f}",
                    f"{seen['latency_p50_ms']:.1f}",
                    f"{seen['latency_p99_ms']:.1f}",
                    f"{seen['server_cpu_s'] / seen['wall_s']:.0%}",
                    f"{seen['server_cpu_s'] / seen['tokens'] * 1e6:.0f}",
                )
            )
    head = ("", "on time", "gap p99 ms", "late p50 ms", "late p99 ms", "core", "server us/token")
    table("50 tokens/s a stream (on time: within 100 ms)", head, rows)


def first_token(ways: Sequence[tuple[str, Server | None, str]], upstream: str, rounds: int) -> None:
    seen = {}
    for name, target, store in ways:
        note(f"first token: {name}")
        seen[name] = measure(target, upstream, 1, 2, 50, rounds, store=store)
    base = seen["direct"]["first_p50_ms"]
    rows = [
        (name, f"{each['first_p50_ms']:.2f}", f"{each['first_p99_ms']:.2f}", f"{each['first_p50_ms'] - base:+.2f}")
        for name, each in seen.items()
    ]
    table("Time to first token, one stream", ("", "p50 ms", "p99 ms", "over direct"), rows)


def memory(upstream: str, watchers: int) -> None:
    with server(upstream) as target:
        rows = [("idle", f"{target.rss_mb():.0f}", "")]
        note(f"{watchers} idle watchers")
        process = pinned(
            CLIENT_CORE, sys.executable, str(HERE / "watchers.py"), target.address, str(watchers), stdin=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdin is not None
        idle = target.rss_mb()
        opened = int(process.stdout.readline() or 0)
        held = target.rss_mb()
        rows.append((f"{opened} idle watchers", f"{held:.0f}", f"{(held - idle) * 1024 / max(opened, 1):.1f}"))
        process.stdin.close()
        process.wait(120)
        measure(target, upstream, 64, 500, 0, 4)
        rows.append(("after load", f"{target.rss_mb():.0f}", ""))
    table("Memory of the server, MB", ("", "RSS MB", "KiB each"), rows)


def hold(upstream: str, start: int, seconds: float) -> None:
    """How many streams of 50 tokens a second one core holds before less than 99 % is on time."""
    rows = []
    with server(upstream) as target:
        for count in range(start, 1001, start):
            note(f"holding {count} streams")
            seen = measure(target, upstream, count, int(seconds * 50), 50, 1)
            core = seen["server_cpu_s"] / seen["wall_s"]
            rows.append((f"{count} streams", f"{seen['on_time']:.2%}", f"{seen['gap_p99_ms']:.1f}", f"{core:.0%}"))
            if seen["on_time"] < 0.99:
                break
    table("How many one core holds", ("", "on time", "gap p99 ms", "core"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("part", nargs="*", help="decode, flood, first, paced, hold, memory; all of them when left out")
    parser.add_argument("--quick", action="store_true", help="shorter loads: a look, not a figure")
    parser.add_argument("--streams", type=int, nargs="*", help="instead of the usual numbers of streams")
    parser.add_argument("--watchers", type=int, default=10_000, help="idle watchers (default: 10000)")
    chosen = parser.parse_args()
    parts = set(chosen.part) or PARTS
    unknown = parts - PARTS
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if "decode" in parts:
        note("decode")
        table("Decoding in a burst", decode.HEAD, list(decode.rows(3 if chosen.quick else 9)))
    if parts == {"decode"}:
        return
    with ExitStack() as stack:
        upstream = stack.enter_context(provider())
        if parts & {"flood", "first", "paced"}:
            merged = stack.enter_context(server(upstream))
            single = stack.enter_context(server(upstream, merge=False))
            ways: list[tuple[str, Server | None, str]] = [
                ("direct", None, ""),
                ("SQLite", merged, "sqlite"),
                ("SQLite, one event a token", single, "sqlite"),
                ("memory", merged, "memory"),
            ]
            if "first" in parts:
                first_token(ways, upstream, 100 if chosen.quick else 500)
            if "flood" in parts:
                flood(ways, upstream, chosen.streams or (1, 16, 64), 500 if chosen.quick else 2000)
            if "paced" in parts:
                paced(ways, upstream, chosen.streams or (64, 200, 400), 4 if chosen.quick else 10)
        if "hold" in parts:
            hold(upstream, 50, 4 if chosen.quick else 10)
        if "memory" in parts:
            memory(upstream, chosen.watchers)
    note("")


main()
