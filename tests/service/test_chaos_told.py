"""A served process with chaos says so where people and machines look: at a terminal, in the log, in the check."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

from fakes.served import ADDRESSES, COMMAND_S, Served, command, environment

FILE = """
[chaos]
enabled = true
by_header = true

[chaos.providers."*"]
"reset;after_frames=3" = 0.25
"""


def written(home: Path) -> str:
    file = home / "chaos.toml"
    file.write_text(FILE)
    return str(file)


def test_the_log_warns_of_it_and_the_start_event_names_it(tmp_path: Path) -> None:
    with Served(tmp_path, "--config", written(tmp_path)) as served:
        served.signal()
        assert served.wait() == 0
        lines = [json.loads(line) for line in served.log().splitlines()]
    warnings = [line for line in lines if line["level"] == "warning" and "chaos" in line.get("caution", "")]
    (start,) = [line for line in lines if line["event"] == "serving"]
    assert len(warnings) == 1
    assert "25% reset;after_frames=3" in warnings[0]["caution"]
    assert "x-thinkaloud-fault" in start["chaos"]


def test_the_welcome_at_a_terminal_has_a_line_of_it(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = ("serve", *ADDRESSES, "--data-dir", str(tmp_path), "--config", written(tmp_path))
    process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=theirs, env=environment(tmp_path))
    os.close(theirs)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"ready grpc=")
    welcome = os.read(ours, 65536).decode()
    process.terminate()
    process.communicate(timeout=COMMAND_S)
    os.close(ours)
    assert process.returncode == 0
    assert "CHAOS       answers are broken on purpose" in welcome


def test_a_check_of_the_configuration_shows_it(tmp_path: Path) -> None:
    words = command("config", "check", "--config", written(tmp_path))
    checked = subprocess.run(
        words, capture_output=True, text=True, env=environment(tmp_path), timeout=COMMAND_S, check=True
    )
    assert "[chaos]\nenabled = true" in checked.stdout
    assert '"reset;after_frames=3" = 0.25' in checked.stdout
    assert "caution: chaos: answers are broken on purpose" in checked.stderr
