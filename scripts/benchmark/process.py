"""The processes of the bench, each on its core: the fake provider, a server, the clients; and what they used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SERVER_CORE, CLIENT_CORE = (0, 1) if len(os.sched_getaffinity(0)) > 1 else (0, 0)
LAUNCH = "import sys; from thinkaloud_server.app.cli import main; sys.exit(main())"
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

    def __init__(self, process: subprocess.Popen[str], grpc: str, http: str) -> None:
        self.process = process
        self.grpc = grpc
        self.http = http

    def address(self, kind: str) -> str:
        """Where this kind of client asks."""
        return self.grpc if kind in ("grpc", "result") else self.http

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_S

    def rss_mb(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


@contextmanager
def server(upstream: str, *, merge: bool = True, log: str = "warning") -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as data:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
            "THINKALOUD_DISCOVER": "false",
            "THINKALOUD_LOG__LEVEL": log,
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
            ready = dict(word.partition("=")[::2] for word in process.stdout.readline().split())
            yield Server(process, ready["grpc"], ready["http"])
        finally:
            process.terminate()
            process.wait(20)


def clients(core: int, kind: str, address: str, **load: Any) -> Figures:
    """What the clients of one load saw (clients.py has the words of a load)."""
    asked = json.dumps({"kind": kind, "address": address, **load})
    process = pinned(core, sys.executable, str(HERE / "clients.py"), asked)
    output, _ = process.communicate(timeout=300)
    if process.returncode:
        raise SystemExit(f"the clients failed with exit status {process.returncode}")
    figures: Figures = json.loads(output)
    return figures


def measure(target: Server | None, upstream: str, kind: str = "grpc", **load: Any) -> Figures:
    """One load through the server, or direct when there is none."""
    if target is None:
        figures = clients(SERVER_CORE, "direct", upstream, **load)
        return {**figures, "server_cpu_s": figures["cpu_s"]}
    before = target.cpu_s()
    figures = clients(CLIENT_CORE, kind, target.address(kind), **load)
    return {**figures, "server_cpu_s": target.cpu_s() - before}
