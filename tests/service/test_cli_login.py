"""Logging in from the command line, with a browser that a test plays, and what the other commands make of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.issuer import FakeIssuer, said
from fakes.served import COMMAND_S, command, environment
from fakes.whole import ASKING, made_key, whole_server
from thinkaloud.errors import ThinkaloudError
from thinkaloud_server.app.cli import parser
from thinkaloud_server.app.cli_login import GRANT, log_in
from thinkaloud_server.app.cli_output import CommandError


@dataclass(frozen=True, slots=True)
class House:
    """A server that believes an issuer, and a user's home."""

    address: str
    issuer: FakeIssuer
    home: Path

    async def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            command(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            env=environment(self.home, THINKALOUD_ADDRESS=self.address, **environ),
            check=False,
        )

    async def log_in(self, *more: str) -> subprocess.CompletedProcess[str]:
        return await self.run("login", "--issuer", self.issuer.url, "--client-id", "cli", *more)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with FakeIssuer() as issuer:
        identity = {**ASKING, "issuers": {"corp": issuer.section(leeway_s=0)}}
        async with whole_server(tmp_path / "data", identity=identity) as whole:
            yield House(whole.address, issuer, tmp_path / "home")


async def test_a_person_logs_in_calls_and_logs_out(house: House) -> None:
    house.issuer.granted = ["authorization_pending", "authorization_pending", {}]
    done = await house.log_in("--scope", "openid offline_access", "--audience", "thinkaloud")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert f"Open {house.issuer.url}/activate?user_code=WDJB-MJHT" in done.stderr
    assert "WDJB-MJHT" in done.stderr
    assert f"Logged in to http://{house.address}." in done.stderr
    poll = {"client_id": "cli", "grant_type": GRANT, "device_code": "device-code"}
    asked = {"client_id": "cli", "scope": "openid offline_access", "audience": "thinkaloud"}
    assert house.issuer.forms == [asked, poll, poll, poll]
    (kept,) = house.home.rglob("logins.json")
    assert kept.stat().st_mode & 0o777 == 0o600

    who = await house.run("whoami", "--json")
    assert who.returncode == 0, who.stderr
    assert json.loads(who.stdout)["tenant"] == "corp:alice"
    answer = await house.run("chat", "--model", "demo/plain", "What is 6*7?")
    assert (answer.returncode, "42" in answer.stdout) == (0, True)
    assert (await house.run("models")).returncode == 0
    assert len(house.issuer.forms) == 4

    out = await house.run("logout")
    assert (out.returncode, "Logged out of" in out.stderr) == (0, True)
    assert (await house.run("logout")).returncode == 1
    who = await house.run("whoami")
    assert (who.returncode, "AUTH_REQUIRED" in who.stderr) == (1, True)


async def test_a_login_is_renewed_by_the_command_that_needs_it(house: House) -> None:
    house.issuer.granted = [{"exp": time.time() - 1}, {}]
    assert (await house.log_in()).returncode == 0
    for _ in range(2):
        who = await house.run("whoami")
        assert who.returncode == 0, who.stderr
        assert "jwt:corp:alice" in who.stdout
        assert "chat, read" in who.stdout or "read, chat" in who.stdout
    assert [form.get("grant_type") for form in house.issuer.forms[2:]] == ["refresh_token"]
    house.issuer.granted = ["invalid_grant"]
    (kept,) = house.home.rglob("logins.json")
    kept.write_text(kept.read_text().replace('"renew_at":', '"renew_at":0,"was":'))
    who = await house.run("whoami")
    assert (who.returncode, "thinkaloud login --issuer" in who.stderr) == (1, True)


async def test_a_login_is_of_its_server_alone_and_a_key_goes_before_it(house: House, tmp_path: Path) -> None:
    assert (await house.log_in()).returncode == 0
    key = made_key(tmp_path / "data", "acme", "read")
    async with asyncio.timeout(20):
        while (who := await house.run("whoami", THINKALOUD_API_KEY=key)).returncode:
            pass  # until the server has looked
    assert "acme" in who.stdout
    other = await house.run("whoami", "--address", house.address.replace("127.0.0.1", "localhost"))
    assert (other.returncode, "AUTH_REQUIRED" in other.stderr) == (1, True)


async def test_programs_are_told_as_json(house: House) -> None:
    done = await house.log_in("--json")
    shown, ended = map(json.loads, done.stdout.splitlines())
    assert shown["user_code"] == "WDJB-MJHT"
    assert set(ended) == {"server", "issuer", "expires_at"}
    assert json.loads((await house.run("logout", "--json")).stdout)["logged_out"] is True


async def test_no_login_is_begun_whose_token_could_not_be_sent(house: House) -> None:
    done = await house.log_in("--address", "chat.example:50051")
    assert (done.returncode, "would travel unencrypted" in done.stderr) == (2, True)
    assert house.issuer.forms == []


# In this process, where nobody waits.


async def waited(house: House, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a login waited between its questions."""
    monkeypatch.setenv("HOME", str(house.home))
    waits: list[float] = []
    words = ["login", "--issuer", house.issuer.url, "--client-id", "cli"]
    await asyncio.to_thread(log_in, parser().parse_args(words), waits.append)
    return waits


async def test_an_issuer_says_how_often_it_may_be_asked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.issuer.device = {"interval": 3}
    house.issuer.granted = ["authorization_pending", "slow_down", "authorization_pending", {}]
    assert await waited(house, monkeypatch) == [3, 3, 8, 8]
    house.issuer.device = {}
    house.issuer.granted = ["authorization_pending", {}]
    assert await waited(house, monkeypatch) == [5, 5]


@pytest.mark.parametrize(
    ("granted", "device", "told"),
    [
        (["access_denied"], {}, "was refused in the browser"),
        (["authorization_pending", "expired_token"], {}, "nobody agreed in time"),
        (["authorization_pending"], {"expires_in": 20}, "nobody agreed in time"),
        (["invalid_client"], {}, "invalid_client"),
        ([{}], {"user_code": ""}, "names no page to open"),
        ([{}], {"device_code": None}, "names no page to open"),
    ],
)
async def test_a_login_that_comes_to_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, granted: list[Any], device: dict[str, Any], told: str
) -> None:
    house.issuer.granted, house.issuer.device = granted, device
    with pytest.raises((CommandError, ThinkaloudError), match=told):
        await waited(house, monkeypatch)
    assert not list(house.home.rglob("logins.json"))


@pytest.mark.parametrize(
    ("configuration", "told"),
    [
        ({"token_endpoint": "URL/token"}, "has no device_authorization_endpoint"),
        (
            {"token_endpoint": "http://elsewhere.example/token", "device_authorization_endpoint": "URL/device"},
            "token_endpoint: expected an https URL",
        ),
    ],
)
async def test_an_issuer_without_device_codes_is_said(
    house: House, monkeypatch: pytest.MonkeyPatch, configuration: dict[str, str], told: str
) -> None:
    endpoints = {name: url.replace("URL", house.issuer.url) for name, url in configuration.items()}
    house.issuer.trouble = said({"issuer": house.issuer.url, **endpoints})
    with pytest.raises(CommandError, match=told):
        await waited(house, monkeypatch)


async def test_what_an_issuer_says_drives_no_terminal(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house.issuer.device = {"user_code": "A\x1b]0;owned\x07B", "interval": 0}
    await waited(house, monkeypatch)
    assert "\x1b" not in capsys.readouterr().err
