"""Logins as they are kept, and how they are renewed by commands that run side by side."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from fakes.issuer import DEAD, FakeIssuer, said
from thinkaloud import AuthError, UnavailableError, oauth
from thinkaloud_server.app.login import Login, LoginCredentials, LoginError, Logins, login_of

PLACE = "https://chat.example:443"


def logins_in(folder: Path) -> Logins:
    return Logins(folder / "thinkaloud" / "logins.json")


def login(issuer: str = "https://login.example", *, token: str = "token-0", lives_s: float = 300) -> Login:
    granted = oauth.Granted(token, "refresh-0", lives_s)
    return login_of(granted, issuer, "cli", f"{issuer}/token", time.time())


def test_a_login_is_kept_for_its_server_and_for_nobody_elses_eyes(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        logins = logins_in(tmp_path)
        assert logins.get(PLACE) is None
        logins.put(PLACE, login())
        logins.put("http://127.0.0.1:50051", login(token="another"))
    finally:
        os.umask(old)
    found = logins_in(tmp_path).get(PLACE)
    assert found is not None
    assert (found.access_token, found.refresh_token) == ("token-0", "refresh-0")
    assert "token-0" not in repr(found)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.rglob("*")}
    assert modes == {"thinkaloud": 0o700, "logins.json": 0o600, "logins.lock": 0o600}
    logins.put(PLACE, None)
    assert logins.get(PLACE) is None
    assert logins.get("http://127.0.0.1:50051") is not None


@pytest.mark.parametrize("content", ["", "[]", '{"x": {}}', "\x00"])
def test_a_file_that_holds_something_else_is_said(tmp_path: Path, content: str) -> None:
    file = tmp_path / "logins.json"
    file.write_text(content)
    with pytest.raises(LoginError, match="holds no logins"):
        Logins(file).get(PLACE)


def test_a_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "thinkaloud").write_text("")
    with pytest.raises(LoginError, match="cannot be used"):
        logins_in(tmp_path).put(PLACE, login())


@pytest.fixture
async def issuer() -> AsyncIterator[FakeIssuer]:
    async with FakeIssuer() as issuer:
        yield issuer


def held(folder: Path, kept: Login) -> LoginCredentials:
    logins_in(folder).put(PLACE, kept)
    return LoginCredentials(logins_in(folder), PLACE, kept)


async def test_a_login_is_renewed_when_it_is_used_after_its_token(tmp_path: Path, issuer: FakeIssuer) -> None:
    assert held(tmp_path, login(issuer.url)).current() == "token-0"
    credentials = held(tmp_path, login(issuer.url, lives_s=-1))
    assert credentials.current() == ""
    token = await asyncio.to_thread(credentials.renew, "")
    assert credentials.current() == token
    kept = logins_in(tmp_path).get(PLACE)
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == (token, "refresh-1")
    assert issuer.forms == [{"grant_type": "refresh_token", "refresh_token": "refresh-0", "client_id": "cli"}]


async def test_commands_side_by_side_use_a_refresh_token_once(tmp_path: Path, issuer: FakeIssuer) -> None:
    stale = login(issuer.url, lives_s=-1)
    every = [held(tmp_path, stale) for _ in range(8)]
    found = await asyncio.gather(*(asyncio.to_thread(each.renew, "") for each in every))
    assert len(set(found)) == 1
    assert len(issuer.forms) == 1


async def test_a_token_that_the_server_refuses_is_renewed_though_it_looks_good(
    tmp_path: Path, issuer: FakeIssuer
) -> None:
    credentials = held(tmp_path, login(issuer.url))
    assert await asyncio.to_thread(credentials.renew, "token-0") != "token-0"


async def test_without_a_new_refresh_token_the_old_one_goes_on(tmp_path: Path, issuer: FakeIssuer) -> None:
    issuer.trouble = said({"access_token": "token-1", "token_type": "Bearer", "expires_in": 60})
    credentials = held(tmp_path, login(issuer.url, lives_s=-1))
    await asyncio.to_thread(credentials.renew, "")
    kept = logins_in(tmp_path).get(PLACE)
    assert kept is not None
    assert (kept.access_token, kept.refresh_token) == ("token-1", "refresh-0")


async def test_what_is_not_renewed_says_how_to_log_in_again(tmp_path: Path, issuer: FakeIssuer) -> None:
    issuer.granted = ["invalid_grant"]
    credentials = held(tmp_path, login(issuer.url, lives_s=-1))
    with pytest.raises(AuthError, match=f"invalid_grant.*thinkaloud login --issuer {issuer.url} --client-id cli"):
        await asyncio.to_thread(credentials.renew, "")
    without = held(tmp_path, msgspec.structs.replace(login(issuer.url, lives_s=-1), refresh_token=""))
    with pytest.raises(AuthError, match="the login has expired: log in again"):
        await asyncio.to_thread(without.renew, "")
    logins_in(tmp_path).put(PLACE, None)
    with pytest.raises(AuthError, match="logged out"):
        await asyncio.to_thread(credentials.renew, "")


async def test_an_issuer_that_is_down_takes_no_login_away(tmp_path: Path, issuer: FakeIssuer) -> None:
    issuer.trouble = DEAD
    credentials = held(tmp_path, login(issuer.url, lives_s=-1))
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(credentials.renew, "")
    assert logins_in(tmp_path).get(PLACE) is not None
