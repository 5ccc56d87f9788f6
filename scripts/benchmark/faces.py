"""The faces beside each other: the same turns over gRPC, SSE, NDJSON and WebSocket, and through LiteLLM's proxy.

"log alone" is a run whose caller waits for its whole answer: provider, run log and one who waits, and no event written
to anybody. What a face costs an event is what it costs above that. Each figure is the median of several turns of all.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

import litellm_proxy
from process import Figures, Server, measure, server
from report import note, table

STREAMS = 64
FACES = ("grpc", "sse", "ndjson", "websocket")
NAMES = {"result": "log alone", "grpc": "gRPC", "sse": "SSE", "ndjson": "NDJSON", "websocket": "WebSocket"}

Measure = Callable[[str], Figures]


def streams(upstream: str, *, quick: bool, litellm: bool) -> None:
    """What an event costs on each face, tokens a second, and time to the first token; all against one provider."""
    turns = 1 if quick else 3
    load = {"streams": STREAMS, "tokens": 300 if quick else 1000, "thought": 100}
    with ExitStack() as stack:
        single = stack.enter_context(server(upstream, merge=False))
        merged = stack.enter_context(server(upstream))
        kinds = ("result", *FACES)
        each = medians(kinds, turns, "one event a token", lambda kind: measure(single, upstream, kind, **load))
        cost_table(each)
        load["rounds"] = 2 if quick else 4
        each = medians(FACES, turns, "merged", lambda kind: measure(merged, upstream, kind, **load))
        if litellm:
            note("LiteLLM")
            proxy = stack.enter_context(litellm_proxy.proxy(upstream))
            # Shorter answers: it takes long.
            each["litellm"] = measure(proxy, upstream, "direct", streams=STREAMS, tokens=200, thought=20)
        speed_table(each)
        first_table(merged, upstream, rounds=50 if quick else 150, turns=turns)


def unary(upstream: str, *, quick: bool) -> None:
    """Requests that are answered whole by the built-in model, in 8 and in 49 tokens; the log as it is by default."""
    rows = []
    turns = 1 if quick else 5
    with server(upstream, log="info") as target:
        for name, text, store in (
            ("8 tokens, SQLite", "What is 17*23?", True),
            ("49 tokens, SQLite", "Hello", True),
            ("49 tokens, store: false", "Hello", False),
        ):

            def ask(kind: str, text: str = text, store: bool = store) -> Figures:
                return measure(target, upstream, kind, streams=16, rounds=60 if quick else 200, text=text, store=store)

            seen = medians(("unary",), turns, f"unary, {name}", ask)["unary"]
            rows.append(
                (
                    name,
                    f"{seen['requests'] / seen['wall_s']:,.0f}",
                    core(seen),
                    f"{seen['server_cpu_s'] / seen['requests'] * 1e3:.2f}",
                    f"{seen['requests'] / seen['server_cpu_s']:,.0f}",
                    f"{seen['p50_ms']:.1f}",
                    f"{seen['p99_ms']:.1f}",
                )
            )
    head = ("", "requests/s", "core", "server ms each", "of a whole core", "p50 ms", "p99 ms")
    table("POST chat/message of demo/plain, 16 connections", head, rows)


def medians(kinds: Iterable[str], turns: int, what: str, ask: Measure) -> dict[str, Figures]:
    """Each kind once a turn, so that a disturbance meets them all; the figures' medians."""
    seen: dict[str, list[Figures]] = {kind: [] for kind in kinds}
    for turn in range(turns):
        for kind in seen:
            note(f"{what}: {NAMES.get(kind, kind)}, turn {turn + 1}")
            seen[kind].append(ask(kind))
    return {kind: {name: statistics.median(each[name] for each in of) for name in of[0]} for kind, of in seen.items()}


def cost_table(seen: dict[str, Figures]) -> None:
    cost = {kind: each["server_cpu_s"] / each["tokens"] * 1e6 for kind, each in seen.items()}
    rows = [
        (
            NAMES[kind] + lost(each),
            f"{each['tokens'] / each['wall_s']:,.0f}",
            core(each),
            f"{cost[kind]:.1f}",
            f"{cost[kind] - cost['result']:+.1f}",
        )
        for kind, each in seen.items()
    ]
    head = ("", "events/s", "core", "server us/event", "over the log")
    table(f"One event a token, no delay, {STREAMS} streams", head, rows)


def speed_table(seen: dict[str, Figures]) -> None:
    speed = {kind: each["tokens"] / each["wall_s"] for kind, each in seen.items()}
    slowest = speed.get("litellm", speed["grpc"])
    rows = [
        (
            NAMES.get(kind, "LiteLLM") + lost(each),
            f"{speed[kind]:,.0f}",
            f"{each['tokens'] / max(each['events'], 1):.1f}",
            core(each),
            f"{each['server_cpu_s'] / each['tokens'] * 1e6:.1f}",
            f"{speed[kind] / speed['grpc']:.2f}",
            f"{speed[kind] / slowest:,.1f}" if "litellm" in speed else "",
        )
        for kind, each in seen.items()
    ]
    head = ("", "tokens/s", "tokens/event", "core", "server us/token", "of gRPC's", "of LiteLLM's")
    table(f"Merged, as by default, no delay, {STREAMS} streams", head, rows)


def first_table(target: Server, upstream: str, *, rounds: int, turns: int) -> None:
    def ask(kind: str) -> Figures:
        return measure(None if kind == "direct" else target, upstream, kind, tokens=2, rate=50, rounds=rounds)

    seen = medians(("direct", *FACES), turns, "first token", ask)
    base = seen["direct"]["first_p50_ms"]
    rows: Sequence[Sequence[str]] = [
        (
            NAMES.get(kind, kind),
            f"{each['first_p50_ms']:.2f}",
            f"{each['first_p99_ms']:.2f}",
            f"{each['first_p50_ms'] - base:+.2f}",
        )
        for kind, each in seen.items()
    ]
    table("Time to first token, one stream", ("", "p50 ms", "p99 ms", "over direct"), rows)


def core(each: Figures) -> str:
    """How much of its core the server used: far below all of it, something else was the bottleneck."""
    return f"{each['server_cpu_s'] / each['wall_s']:.0%}"


def lost(each: Figures) -> str:
    return "" if each["tokens"] == each["expected"] else f" LOST {each['expected'] - each['tokens']}"
