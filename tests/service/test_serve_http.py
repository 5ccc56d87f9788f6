"""`thinkaloud serve` and `thinkaloud gateway` as processes, over HTTP: ready, answering, draining, ended."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.provider import unused_port
from fakes.served import COMMAND_S, START_S, Gateway, Served, command, environment

CHAT = {"text": "What is 17*23? think first"}


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event of an SSE stream."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("http")) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("gateway"), served.address) as process:
        yield process


@pytest.mark.parametrize("which", ["served", "gateway"])
def test_a_chat_over_http_is_the_run_that_grpc_shows(which: str, served: Served, gateway: Gateway) -> None:
    http = served.http if which == "served" else gateway.http
    with httpx.stream("POST", f"http://{http}/api/v1/chat/stream-sse", json=CHAT, timeout=30) as answer:
        got = list(events(answer.iter_lines()))
    assert (got[0][0], got[-1][0]) == ("start", "complete")
    shown = json.loads(served.run("runs", "show", got[0][1]["run_id"], "--json").stdout)
    assert shown["complete"]["response"] == got[-1][1]["response"] == "17*23 = 391."


@pytest.mark.parametrize("which", ["served", "gateway"])
def test_a_refusal_is_the_same_from_both(which: str, served: Served, gateway: Gateway) -> None:
    http = served.http if which == "served" else gateway.http
    answer = httpx.get(f"http://{http}/api/v1/runs/run_1", headers={"x-request-id": "mine"})
    assert answer.status_code == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["request_id"]) == ("INVALID_ID", "mine")


def test_the_gateway_says_what_it_stands_before(served: Served, gateway: Gateway) -> None:
    assert gateway.ready == f"ready http={gateway.http} upstream={served.address}\n"


def test_what_calls_over_http_is_in_the_access_log_once(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        assert httpx.get(f"http://{server.http}/api/v1/health").json()["status"] == "healthy"
        server.signal()
        assert server.wait() == 0
        lines = [json.loads(line) for line in server.log().splitlines()]
    (record,) = (line for line in lines if line["event"] == "rpc_completed")
    assert record["peer"].startswith("ipv4:127.0.0.1:")
    assert not [line for line in lines if line["logger"].startswith("uvicorn")]


def test_http_can_be_turned_off_and_then_costs_nothing(tmp_path: Path) -> None:
    with Served(tmp_path, "--http-address", "off") as server:
        assert re.fullmatch(r"ready grpc=127\.0\.0\.1:[1-9]\d*\n", server.ready)
        maps = Path(f"/proc/{server.process.pid}/maps")
        assert not maps.exists() or "httptools" not in maps.read_text()


def test_a_drain_lets_a_stream_end_refuses_new_runs_and_answers_the_rest(tmp_path: Path) -> None:
    with Served(tmp_path) as server, httpx.Client(base_url=f"http://{server.http}/api/v1", timeout=30) as client:
        with client.stream("POST", "/chat/stream-sse", json=CHAT) as answer:
            stream = events(answer.iter_lines())
            _, start = next(stream)
            server.signal()
            while "draining" not in server.log():
                pass
            refused = client.post("/chat/message", json=CHAT)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "DRAINING")
            assert int(refused.headers["retry-after"]) >= 1
            assert client.get(f"/runs/{start['run_id']}").json()["state"] == "running"
            assert [name for name, _ in stream][-1] == "complete"
        assert server.wait() == 0


def test_a_stream_that_does_not_end_is_ended_with_the_run(tmp_path: Path) -> None:
    with Served(tmp_path, THINKALOUD_SERVER__DRAIN_GRACE_S="0.2") as server:
        body = {"text": "hello", "model": "demo/slow"}
        with httpx.stream("POST", f"http://{server.http}/api/v1/chat/stream-sse", json=body, timeout=30) as answer:
            stream = events(answer.iter_lines())
            next(stream)
            server.signal()
            assert [name for name, _ in stream][-1] in ("complete", "error")
        assert server.wait() == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        body = {"text": "hello", "model": "demo/slow"}
        with httpx.stream("POST", f"http://{server.http}/api/v1/chat/stream-sse", json=body, timeout=30) as answer:
            next(events(answer.iter_lines()))
            server.signal()
            while "draining" not in server.log():
                pass
            server.signal()
            assert server.wait() == 128 + signal.SIGTERM


def test_a_gateway_lets_a_stream_end_and_refuses_what_comes(served: Served, tmp_path: Path) -> None:
    with Gateway(tmp_path, served.address) as process, httpx.Client(timeout=30) as client:
        base = f"http://{process.http}/api/v1"
        client.get(f"{base}/health")  # a connection that stays
        with httpx.stream("POST", f"{base}/chat/stream-sse", json=CHAT, timeout=30) as answer:
            stream = events(answer.iter_lines())
            next(stream)
            process.process.send_signal(signal.SIGTERM)
            while "draining" not in process.log.read_text():
                pass
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{base}/health")
            assert [name for name, _ in stream][-1] == "complete"
        assert process.process.wait(START_S) == 0


PUBLIC = ("--http-address", "0.0.0.0:0")


def gateway_refused(home: Path, upstream: str, *flags: str) -> str:
    """What a gateway that cannot be says."""
    words = ("gateway", "--upstream", upstream, "--http-address", "127.0.0.1:0", *flags)
    ended = subprocess.run(
        command(*words), capture_output=True, text=True, timeout=COMMAND_S, env=environment(home), check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr


def test_a_public_gateway_needs_no_flag_before_a_server_that_asks_for_keys(tmp_path: Path) -> None:
    with Served(tmp_path, "--auth") as server, Gateway(tmp_path, server.address, *PUBLIC) as process:
        address = process.http.replace("0.0.0.0", "127.0.0.1")
        answer = httpx.get(f"http://{address}/api/v1/runs")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AUTH_REQUIRED")


@pytest.mark.parametrize("flags", [(), ("--auth",)], ids=["nothing said", "vouched for"])
def test_a_public_gateway_before_a_server_that_asks_nobody_is_refused(
    flags: tuple[str, ...], served: Served, tmp_path: Path
) -> None:
    said = gateway_refused(tmp_path, served.address, *PUBLIC, *flags)
    assert f"{served.address} asks nobody for a key: start that server with --auth" in said


@pytest.mark.parametrize("flag", ["--auth", "--insecure"])
def test_a_public_gateway_before_nothing_needs_a_word(flag: str, tmp_path: Path) -> None:
    upstream = f"127.0.0.1:{unused_port()}"
    assert "does not tell whether it asks for keys" in gateway_refused(tmp_path, upstream, *PUBLIC)
    with Gateway(tmp_path, upstream, *PUBLIC, flag) as process:
        assert process.end() == 0


def test_a_gateway_before_nothing_answers_that_nothing_is_there(tmp_path: Path) -> None:
    with Gateway(tmp_path, f"127.0.0.1:{unused_port()}") as process:
        answer = httpx.get(f"http://{process.http}/api/v1/health", timeout=30)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "OVERLOADED"
        assert process.end() == 0


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--http-address", "0.0.0.0:0"), "say --insecure"),
        (("--http-address", "8000"), "--http-address: expected HOST:PORT"),
        (("--upstream", "dns:///host:1"), "--upstream: expected HOST:PORT"),
        (("--upstream", "https://nowhere/path"), "--upstream: an address is https://HOST:PORT"),
        (("--ca-file", "ca.pem"), "--upstream: certificates are given for 127.0.0.1:1, but no TLS"),
        (("--upstream", "https://nowhere", "--ca-file", "/nowhere/ca.pem"), "ca_file: /nowhere/ca.pem: No such file"),
        (("--tls-key", "/nowhere/key.pem"), "--tls-certificate and --tls-key belong together"),
        (("--tls-certificate", "/no/c.pem", "--tls-key", "/no/k.pem"), "tls.certificate_file: /no/c.pem: No such file"),
    ],
)
def test_a_gateway_that_cannot_be_is_refused(flags: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    assert problem in gateway_refused(tmp_path, "127.0.0.1:1", *flags)


@pytest.mark.parametrize("which", ["serve", "gateway"])
def test_an_address_in_use_is_said(which: str, tmp_path: Path) -> None:
    own = {
        "serve": ("--grpc-address", "127.0.0.1:0", "--data-dir", str(tmp_path)),
        "gateway": ("--upstream", "127.0.0.1:1"),
    }
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            command(which, "--http-address", address, *own[which]),
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            env=environment(tmp_path),
            check=False,
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith(f"error: cannot listen on {address}")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from thinkaloud_server.app.cli import parser; parser();"
        "print([name for name in ('uvicorn', 'starlette', 'grpc', 'asyncio', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=COMMAND_S, check=True
    )
    assert done.stdout == "[]\n"
