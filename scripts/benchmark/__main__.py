"""The bench: a fake provider, a server and clients, each in its own process, and a table of what they did.

The server has one core for itself; provider and clients share the other. "direct" is the same client without us,
reading the provider from the server's core. Machines are shared and noisy: compare rows of one run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

import decode
import faces
from process import CLIENT_CORE, HERE, Server, measure, pinned, provider, server
from report import note, table

PARTS = {"decode", "flood", "first", "paced", "hold", "memory", "faces", "unary"}
# Needs LiteLLM, which is heavy: only when it is named.
NAMED = {"litellm"}


def flood(ways: Sequence[tuple[str, Server | None, bool]], upstream: str, streams: Sequence[int], tokens: int) -> None:
    rows = []
    for count in streams:
        for name, target, store in ways:
            note(f"no delay: {count} streams, {name}")
            rounds = max(1, 16 // count)
            seen = measure(target, upstream, streams=count, tokens=tokens, rounds=rounds, store=store)
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
    ways: Sequence[tuple[str, Server | None, bool]], upstream: str, streams: Sequence[int], seconds: float
) -> None:
    rows = []
    for count in streams:
        for name, target, store in ways:
            note(f"50 tokens/s: {count} streams, {name}")
            seen = measure(target, upstream, streams=count, tokens=int(seconds * 50), rate=50, store=store)
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


def first_token(ways: Sequence[tuple[str, Server | None, bool]], upstream: str, rounds: int) -> None:
    seen = {}
    for name, target, store in ways:
        note(f"first token: {name}")
        seen[name] = measure(target, upstream, tokens=2, rate=50, rounds=rounds, store=store)
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
            CLIENT_CORE, sys.executable, str(HERE / "watchers.py"), target.grpc, str(watchers), stdin=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdin is not None
        idle = target.rss_mb()
        opened = int(process.stdout.readline() or 0)
        held = target.rss_mb()
        rows.append((f"{opened} idle watchers", f"{held:.0f}", f"{(held - idle) * 1024 / max(opened, 1):.1f}"))
        process.stdin.close()
        process.wait(120)
        measure(target, upstream, streams=64, tokens=500, rounds=4)
        rows.append(("after load", f"{target.rss_mb():.0f}", ""))
    table("Memory of the server, MB", ("", "RSS MB", "KiB each"), rows)


def hold(upstream: str, start: int, seconds: float) -> None:
    """How many streams of 50 tokens a second one core holds before less than 99 % is on time."""
    rows = []
    with server(upstream) as target:
        for count in range(start, 1001, start):
            note(f"holding {count} streams")
            seen = measure(target, upstream, streams=count, tokens=int(seconds * 50), rate=50)
            core = seen["server_cpu_s"] / seen["wall_s"]
            rows.append((f"{count} streams", f"{seen['on_time']:.2%}", f"{seen['gap_p99_ms']:.1f}", f"{core:.0%}"))
            if seen["on_time"] < 0.99:
                break
    table("How many one core holds", ("", "on time", "gap p99 ms", "core"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "part", nargs="*", help=f"{', '.join(sorted(PARTS))}; all of them when left out; and {', '.join(NAMED)}"
    )
    parser.add_argument("--quick", action="store_true", help="shorter loads: a look, not a figure")
    parser.add_argument("--streams", type=int, nargs="*", help="instead of the usual numbers of streams")
    parser.add_argument("--watchers", type=int, default=10_000, help="idle watchers (default: 10000)")
    chosen = parser.parse_args()
    parts = set(chosen.part) or PARTS
    unknown = parts - PARTS - NAMED
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
            ways: list[tuple[str, Server | None, bool]] = [
                ("direct", None, True),
                ("SQLite", merged, True),
                ("SQLite, one event a token", single, True),
                ("memory", merged, False),
            ]
            if "first" in parts:
                first_token(ways, upstream, 100 if chosen.quick else 500)
            if "flood" in parts:
                flood(ways, upstream, chosen.streams or (1, 16, 64), 500 if chosen.quick else 2000)
            if "paced" in parts:
                paced(ways, upstream, chosen.streams or (64, 200, 400), 4 if chosen.quick else 10)
        if parts & {"faces", "litellm"}:
            faces.streams(upstream, quick=chosen.quick, litellm="litellm" in parts)
        if "unary" in parts:
            faces.unary(upstream, quick=chosen.quick)
        if "hold" in parts:
            hold(upstream, 50, 4 if chosen.quick else 10)
        if "memory" in parts:
            memory(upstream, chosen.watchers)
    note("")


main()
