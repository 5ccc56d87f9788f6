"""`thinkaloud serve` with a certificate, the gateway, and the commands that call them, as people use them."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.certified import Certified
from fakes.served import COMMAND_S, START_S, Served, command, environment
from thinkaloud import Client, SyncClient, TlsError
from thinkaloud.errors import ConnectionLostError

RENEWED_WITHIN_S = 10.0
SECRET = "sk-canary-51d0"


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    return Certified(tmp_path_factory.mktemp("certified"))


@pytest.fixture(scope="module")
def served(certified: Certified, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    admin = ("--admin-address", "127.0.0.1:0")
    with Served(tmp_path_factory.mktemp("tls"), *certified.flags(), *admin) as server:
        yield server


@pytest.fixture(scope="module")
def mutual(certified: Certified, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("mtls"), *certified.flags(mutual=True)) as server:
        yield server


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("plain")) as server:
        yield server


def asked(home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A command, to its end."""
    return subprocess.run(
        command(*words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        env=environment(home, **environ),
        check=False,
    )


def test_the_ready_line_has_addresses_as_ever_and_the_log_says_tls(served: Served) -> None:
    assert re.fullmatch(r"ready grpc=127\.0\.0\.1:\d+ http=127\.0\.0\.1:\d+ admin=127\.0\.0\.1:\d+\n", served.ready)
    (record,) = (json.loads(line) for line in served.log().splitlines() if '"serving"' in line)
    assert record["tls"] == "TLS"
    assert f"--address https://{served.address}" in record["try"]


def test_the_admin_port_is_for_probes_and_speaks_no_tls(served: Served) -> None:
    assert httpx.get(f"http://{served.ready.split('admin=')[1].strip()}/healthz").text == "ok\n"


def test_a_command_trusts_whom_it_is_told_to(served: Served, certified: Certified, tmp_path: Path) -> None:
    address, ca = f"https://{served.address}", str(certified.ca_file)
    said = asked(tmp_path, "chat", "--address", address, "--ca-file", ca, "What is 17*23? think first")
    assert (said.returncode, said.stdout) == (0, "17*23 = 391.\n"), said.stderr
    listed = asked(tmp_path, "models", "--json", THINKALOUD_ADDRESS=address, THINKALOUD_CA_FILE=ca)
    assert "demo/reasoner" in listed.stdout
    began = time.monotonic()
    refused = asked(tmp_path, "chat", "--address", address, "hello")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "the server's certificate is not trusted; ca_file names who signed it" in refused.stderr
    assert time.monotonic() - began < 3, "trying again would not help"


def test_tls_and_none_that_meet_say_what_is_wrong(
    served: Served, plain: Served, certified: Certified, tmp_path: Path
) -> None:
    ca = ("--ca-file", str(certified.ca_file))
    to_plain = asked(tmp_path, "health", "--address", f"https://{plain.address}", *ca)
    assert to_plain.returncode == 3
    assert "no TLS is spoken at this address" in to_plain.stderr
    to_tls = asked(tmp_path, "health", "--address", served.address)
    assert to_tls.returncode == 3
    assert "does it want TLS, https://, or a client certificate?" in to_tls.stderr
    flagged = asked(tmp_path, "health", "--address", plain.address, *ca)
    assert flagged.returncode == 2
    assert "but no TLS: write https://" in flagged.stderr


def test_a_certificate_for_another_name_is_told(certified: Certified, tmp_path: Path) -> None:
    other = certified.pair("elsewhere", "elsewhere.example")
    flags = ("--tls-certificate", str(other.certificate), "--tls-key", str(other.key))
    with Served(tmp_path, *flags) as server:
        ended = asked(tmp_path, "health", "--address", f"https://{server.address}", "--ca-file", str(certified.ca_file))
    assert ended.returncode == 3
    assert "the server's certificate is for another name" in ended.stderr


def test_a_command_shows_its_certificate(mutual: Served, certified: Certified, tmp_path: Path) -> None:
    own = certified.pair("ada", "ada@here.example")
    address, ca = ("--address", f"grpcs://{mutual.address}"), ("--ca-file", str(certified.ca_file))
    pair = ("--client-certificate", str(own.certificate), "--client-key", str(own.key))
    assert asked(tmp_path, "health", *address, *ca, *pair).returncode == 0
    without = asked(tmp_path, "health", *address, *ca)
    assert without.returncode == 3
    assert "a client certificate?" in without.stderr
    assert asked(tmp_path, "health", *address, *ca, *pair[:2]).returncode == 2


async def test_the_python_client_does_the_same(mutual: Served, certified: Certified) -> None:
    own = certified.pair("ada", "ada@here.example")
    how: Any = {"ca_file": certified.ca_file, "client_certificate": own.certificate, "client_key": own.key}
    address = f"https://{mutual.address}"
    async with Client(address, api_key=SECRET, **how) as client:
        assert (await client.chat("What is 17*23?", model="demo/plain")).response
    with SyncClient(address, **how) as sync:
        assert sync.health().status == "healthy"
    with (
        SyncClient(address, ca_file=certified.ca_file) as sync,
        pytest.raises(ConnectionLostError, match="certificate"),
    ):
        sync.health()
    async with Client(address) as client:
        with pytest.raises(TlsError, match="not trusted"):
            await client.chat("hello")
        with pytest.raises(TlsError, match="not trusted"):
            await client.health()


def test_a_command_does_not_send_its_key_in_the_clear(tmp_path: Path) -> None:
    words = ("health", "--address", "chat.example.invalid:50051")
    refused = asked(tmp_path, *words, THINKALOUD_API_KEY=SECRET)
    assert refused.returncode == 2
    assert "would travel unencrypted" in refused.stderr
    assert SECRET not in refused.stderr
    assert asked(tmp_path, *words, "--plaintext-key", THINKALOUD_API_KEY=SECRET).returncode == 3


def test_a_gateway_has_tls_on_both_sides(mutual: Served, certified: Certified, tmp_path: Path) -> None:
    own = certified.pair("gateway", "gateway@here.example")
    words = (
        *("gateway", "--upstream", f"https://{mutual.address}", "--http-address", "127.0.0.1:0"),
        *("--ca-file", str(certified.ca_file), "--client-certificate", str(own.certificate)),
        *("--client-key", str(own.key), *certified.flags()),
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=log, env=environment(tmp_path))
    try:
        assert process.stdout is not None
        ready = process.stdout.readline().decode()
        http = ready.split()[1].partition("=")[2]
        with httpx.Client(base_url=f"https://{http}", verify=certified.trusting(), timeout=30) as client:
            assert client.get("/api/v1/health").json()["status"] == "healthy"
        process.terminate()
        assert process.wait(START_S) == 0
    finally:
        process.kill()
        process.communicate(timeout=START_S)


def test_a_renewed_certificate_is_shown_without_a_restart(tmp_path: Path) -> None:
    certified = Certified(tmp_path)
    with Served(tmp_path, *certified.flags()) as server:

        def shown(address: str) -> str:
            host, _, port = address.rpartition(":")
            return ssl.get_server_certificate((host, int(port)), ca_certs=str(certified.ca_file), timeout=5)

        before = shown(server.http)
        assert before == shown(server.address)
        certified.pair("server")
        ends = time.monotonic() + RENEWED_WITHIN_S
        while before in (shown(server.http), shown(server.address)):
            assert time.monotonic() < ends
        assert shown(server.http) == shown(server.address)
        server.signal()
        assert server.wait() == 0
        assert '"certificate_renewed"' in server.log()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--tls-certificate", "{certificate}"), "tls: certificate_file and key_file belong together"),
        (("--tls-certificate", "{certificate}", "--tls-key", "/nowhere/k"), "tls.key_file: /nowhere/k: No such file"),
        (("--tls-certificate", "{key}", "--tls-key", "{key}"), "tls.certificate_file: {key}: holds no certificate"),
        (("--tls-client-ca", "{certificate}"), "tls: client_ca_file needs certificate_file"),
    ],
    ids=["half", "missing", "no certificate", "no TLS"],
)
@pytest.mark.parametrize("which", [("serve",), ("config", "check")], ids=["serve", "check"])
def test_what_cannot_be_served_is_said_before_it_is_tried(
    which: tuple[str, ...], words: tuple[str, ...], problem: str, certified: Certified, tmp_path: Path
) -> None:
    files = {"certificate": str(certified.server.certificate), "key": str(certified.server.key)}
    ended = asked(tmp_path, *which, "--data-dir", str(tmp_path), *(word.format(**files) for word in words))
    assert ended.returncode == 2
    assert problem.format(**files) in ended.stderr
    assert "PRIVATE" not in ended.stderr + ended.stdout


def test_what_can_be_served_is_checked_and_shown_as_files(certified: Certified, tmp_path: Path) -> None:
    ended = asked(tmp_path, "config", "check", *certified.flags(mutual=True))
    assert ended.returncode == 0, ended.stderr
    assert f'certificate_file = "{certified.server.certificate}"' in ended.stdout
    assert "PRIVATE" not in ended.stdout
