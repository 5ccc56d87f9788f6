"""`thinkaloud fake-provider` as a process: its ready line, what it serves, its mistakes, how it stops."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from fakes.served import COMMAND_S, Served, command, environment

SCRIPT = '{"reasoning": "17*20 is 340. "}\n{"text": ["It is ", "391."]}\n'
BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}


@contextmanager
def fake(home: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    process = subprocess.Popen(
        command("fake-provider", "--port", "0", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home),
    )
    assert process.stdout is not None
    ready = process.stdout.readline()
    try:
        assert ready.startswith("ready http=127.0.0.1:"), ready
        yield process, ready.strip().removeprefix("ready http=")
    finally:
        process.kill()
        process.communicate(timeout=COMMAND_S)


def failed(home: Path, *words: str) -> tuple[int, str]:
    ran = subprocess.run(
        command("fake-provider", *words), capture_output=True, text=True, timeout=COMMAND_S, env=environment(home)
    )
    assert ran.stdout == ""
    return ran.returncode, ran.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_tells_what_it_did(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "it.jsonl").write_text(SCRIPT)
    with fake(tmp_path, "--script", str(tmp_path / "it.jsonl"), "--cut", "3") as (process, address):
        with httpx.Client(timeout=5.0, trust_env=False) as client:
            answer = client.post(f"http://{address}/v1/messages", json=BODY)
        assert "391" in answer.text
        process.send_signal(number)
        out, errors = process.communicate(timeout=COMMAND_S)
        assert (process.returncode, out) == (0, "")
    assert f"fake provider on http://{address}" in errors
    assert "anthropic-messages" in errors
    assert "POST /v1/messages m -> 200 anthropic-messages stream" in errors


def test_our_server_speaks_to_it_as_to_any_provider_and_tells_its_faults(tmp_path: Path) -> None:
    (tmp_path / "it.toml").write_text('[[steps]]\nreasoning = "hm"\n[[steps]]\ntext = "It is 391."\n')
    with (
        fake(tmp_path, "--script", str(tmp_path / "it.toml"), "--fault", "reset;after_frames=4;attempts=1") as (
            _,
            address,
        ),
        Served(tmp_path, THINKALOUD_PROVIDERS__FAKE__BASE_URL=f"http://{address}/v1") as served,
    ):
        cut = served.run("chat", "--model", "fake/m", "What is 17*23?")
        good = served.run("chat", "--model", "fake/m", "What is 17*23?")
    assert (cut.returncode, good.returncode) == (1, 0)
    assert "UPSTREAM_TRUNCATED" in cut.stderr
    assert good.stdout.strip() == "It is 391."


def test_recordings_are_listed_and_played(tmp_path: Path) -> None:
    (tmp_path / "recorded.ndjson").write_text('{"message":{"content":"hi"},"done":true,"done_reason":"stop"}\n')
    with (
        fake(tmp_path, "--replay", str(tmp_path), "--dialect", "ollama") as (_, address),
        httpx.Client(timeout=5.0, trust_env=False) as client,
    ):
        names = [model["name"] for model in client.get(f"http://{address}/api/tags").json()["models"]]
        answer = client.post(f"http://{address}/api/chat", json={"model": "recorded"})
        other = client.post(f"http://{address}/v1/messages", json={"model": "recorded"})
    assert names == ["recorded"]
    assert json.loads(answer.text)["message"] == {"content": "hi"}
    assert other.status_code == 404


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--dialect", "morse"), "--dialect: 'morse' is none of all, openai-chat"),
        (("--fault", "explode"), "--fault: unknown fault 'explode'"),
        (("--fault", "2 reset"), "--fault: a probability is 0 to 1"),
        (("--fault", "reset", "--fault", "stall"), "add up to more than 1"),
        (("--cut", "0"), "--cut: expected a number of bytes"),
        (("--pace", "-1"), "--pace: must be"),
        (("--port", "70000"), "--port: must be 0 to 65535"),
        (("--script", "nowhere.toml"), "--script: nowhere.toml: No such file"),
        (("--replay", "nowhere"), "--replay: nowhere: there is no such file"),
        (("--script", "a", "--replay", "b"), "not allowed with"),
    ],
)
def test_a_mistake_is_exit_code_2_and_names_the_flag(tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    status, errors = failed(tmp_path, *words)
    assert status == 2
    assert why in errors


def test_a_script_that_is_none_is_told_with_its_step(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n{"txt": "b"}\n')
    status, errors = failed(tmp_path, "--script", str(tmp_path / "bad.jsonl"))
    assert (status, "step 2, txt: unknown step" in errors) == (2, True)


def test_a_port_that_is_taken_is_exit_code_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, errors = failed(tmp_path, "--port", str(port))
    assert status == 1
    assert f"cannot listen on 127.0.0.1:{port}" in errors


def test_its_help_says_what_it_serves_and_how_faults_are_written(tmp_path: Path) -> None:
    told = subprocess.run(
        command("fake-provider", "--help"),
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        env=environment(tmp_path),
        check=True,
    ).stdout
    for word in ("/model/NAME/converse-stream", "never_ending", "after_frames", "exit codes", "--replay FILE|DIR"):
        assert word in told
    assert max(map(len, told.splitlines())) <= 120
