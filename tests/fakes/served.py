"""A real `thinkaloud serve` in a process of its own, and the command line beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

PROGRAM = "import sys; from thinkaloud_server.app.cli import main; sys.exit(main())"
START_S = 30.0
COMMAND_S = 30.0
# Free ones, whatever else runs on this machine.
ADDRESSES = ("--grpc-address", "127.0.0.1:0", "--http-address", "127.0.0.1:0")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Nothing of the machine's: no keys, no configuration, no local model servers."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONWARNINGS": "error",
        "THINKALOUD_DISCOVER": "false",
        "TERM": "xterm",
        **more,
    }


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *words]


class Served:
    """A server on a free port. `stop` it, or leave the context, which kills it."""

    def __init__(self, home: Path, *flags: str, **environ: str) -> None:
        self.home = home
        self.stderr = home / "stderr.log"
        with self.stderr.open("ab") as errors:
            self.process = subprocess.Popen(
                command("serve", *ADDRESSES, "--data-dir", str(home / "data"), *flags),
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(home, **environ),
            )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().decode()
        words = dict(word.partition("=")[::2] for word in self.ready.split()[1:])
        self.address, self.http = words.get("grpc", ""), words.get("http", "")

    def __enter__(self) -> Self:
        assert self.ready.startswith("ready grpc="), self.log()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=START_S)

    def log(self) -> str:
        return self.stderr.read_text(encoding="utf-8")

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return self.process.wait(START_S)

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command of the command line against this server, to its end."""
        return subprocess.run(
            command(*words),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            env=self.client_environment(),
            check=False,
        )

    def begin(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """The same, still running; its standard output is a pipe unless the options say otherwise."""
        defaults: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen(self.words(words), text=True, env=self.client_environment(), **{**defaults, **options})

    def words(self, words: Sequence[str]) -> list[str]:
        return command(*words)

    def client_environment(self) -> dict[str, str]:
        return environment(self.home, THINKALOUD_ADDRESS=self.address)


class Gateway:
    """A gateway process on a free port, in front of this address."""

    def __init__(self, home: Path, upstream: str, *flags: str) -> None:
        words = ("gateway", "--upstream", upstream, "--http-address", "127.0.0.1:0", *flags)
        self.log = home / "gateway.log"
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                command(*words), stdout=subprocess.PIPE, stderr=errors, env=environment(home)
            )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().decode()
        self.http = self.ready.split()[1].partition("=")[2] if self.ready else ""

    def __enter__(self) -> Self:
        assert self.ready.startswith("ready http="), self.log.read_text()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate(timeout=START_S)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(START_S)
