"""WebSockets of `thinkaloud serve` and of `thinkaloud gateway`, as processes: a turn, deflate, Host, and the end."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from fakes.served import START_S, Served, command, environment
from fakes.sockets import CHAT


def hear(socket: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(socket.recv(timeout=20))
    return frame


def turn(socket: ClientConnection, **message: Any) -> list[dict[str, Any]]:
    socket.send(json.dumps(message))
    frames = [hear(socket)]
    while frames[-1]["event"] not in ("complete", "error"):
        frames.append(hear(socket))
    return frames


@contextmanager
def gateway(home: Path, upstream: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    words = command("gateway", "--upstream", upstream, "--http-address", "127.0.0.1:0")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(home)) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().split()[1].partition("=")[2], process
        process.kill()


@contextmanager
def face(which: str, home: Path) -> Iterator[tuple[str, Any]]:
    """The HTTP address of a server, or of a gateway in front of one; and the process that it is."""
    with Served(home) as served:
        if which == "served":
            yield served.http, served.process
        else:
            with gateway(home, served.address) as found:
                yield found


@pytest.mark.parametrize("which", ["served", "gateway"])
def test_a_turn_and_then_the_end_of_the_server(which: str, tmp_path: Path) -> None:
    with face(which, tmp_path) as (http, process), connect(f"ws://{http}{CHAT}", proxy=None) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers
        frames = turn(socket, text="What is 17*23? think first", include_reasoning=True)
        assert frames[0]["event"] == "start"
        assert "reasoning" in {frame["event"] for frame in frames}
        assert "391" in frames[-1]["data"]["response"]
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://{http}{CHAT}", proxy=None, additional_headers={"Origin": "http://evil.example"})
        assert refused.value.response.status_code == 403
        process.send_signal(signal.SIGTERM)
        warning = hear(socket)
        assert (warning["event"], warning["sequence"], warning["data"]["code"]) == ("warning", 0, "RECONNECT")
        with pytest.raises(ConnectionClosed) as closed:
            hear(socket)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert process.wait(START_S) == 0


def test_a_turn_is_let_end_before_the_gateway_does(tmp_path: Path) -> None:
    with face("gateway", tmp_path) as (http, process), connect(f"ws://{http}{CHAT}", proxy=None) as socket:
        socket.send(json.dumps({"text": "tell me", "model": "demo/slow"}))
        assert hear(socket)["event"] == "start"
        process.send_signal(signal.SIGTERM)
        frames = [hear(socket)]
        while frames[-1]["event"] != "complete":
            frames.append(hear(socket))
        # Told at once to go elsewhere; who stays hears the turn to its end.
        assert "RECONNECT" in [frame["data"]["code"] for frame in frames if frame["event"] == "warning"]
        assert [each for frame in frames if (each := frame["event"]) in ("progress", "complete", "error")] == [
            *("progress", "complete")
        ]
        assert process.wait(START_S) == 0
