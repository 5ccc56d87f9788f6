"""Logins of this user, one for each server: a file that only they may read, and credentials that renew themselves.

Commands run side by side, and issuers take a refresh token once: whoever renews holds the file's lock, and finds what
another one has brought meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from thinkaloud import oauth
from thinkaloud.authorization import UNSAID_S, early_s
from thinkaloud.errors import AuthError

LOGINS_FILE = "logins.json"


class LoginError(Exception):
    """The file of logins cannot be used."""


class Login(msgspec.Struct, frozen=True):
    """What an issuer gave for one server. `expires_at` is in seconds since the epoch."""

    issuer: str
    client_id: str
    token_url: str
    access_token: str
    expires_at: float
    renew_at: float
    refresh_token: str = ""

    def __repr__(self) -> str:
        return f"Login(issuer={self.issuer!r})"


def login_of(granted: oauth.Granted, issuer: str, client_id: str, token_url: str, now: float) -> Login:
    lives_s = granted.expires_in_s or UNSAID_S
    ends = {"expires_at": now + lives_s, "renew_at": now + lives_s - early_s(lives_s)}
    return Login(issuer, client_id, token_url, granted.access_token, refresh_token=granted.refresh_token, **ends)


class Logins:
    """The file. A place is a server as `place_of` names it. Raises LoginError."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def get(self, place: str) -> Login | None:
        return self._read().get(place)

    def put(self, place: str, login: Login | None) -> None:
        """None takes it away."""
        with self.locked():
            found = self._read()
            found.pop(place, None)
            self._write({**found, place: login} if login is not None else found)

    def renewed(self, place: str, old: str, ask: Callable[[Login], Login]) -> Login | None:
        """A login whose token is not `old`: what another command has brought, else what is asked for. None without."""
        with self.locked():
            found = self._read()
            login = found.get(place)
            if login is None or (login.access_token != old and _is_fresh(login)):
                return login
            login = ask(login)
            self._write({**found, place: login})
            return login

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """No other command changes it meanwhile."""
        with self._told():
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> dict[str, Login]:
        with self._told():
            try:
                return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Login])
            except FileNotFoundError:
                return {}
            except msgspec.MsgspecError:
                raise LoginError(f"{self._file} holds no logins: remove it, and log in again") from None

    def _write(self, logins: dict[str, Login]) -> None:
        """Whole or not at all: a command that is killed leaves the file as it was."""
        draft = self._file.with_name(f"{self._file.name}.{secrets.token_hex(8)}")
        with self._told():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(msgspec.json.encode(logins) + b"\n")
            draft.replace(self._file)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LoginError(f"{self._file} cannot be used: {error.strerror}") from None


class LoginCredentials:
    """Satisfies thinkaloud.authorization.Credentials."""

    def __init__(self, logins: Logins, place: str, login: Login) -> None:
        self._logins = logins
        self._place = place
        self._login = login

    def current(self) -> str:
        return self._login.access_token if _is_fresh(self._login) else ""

    def renew(self, old: str) -> str:
        try:
            login = self._logins.renewed(self._place, old or self._login.access_token, _refreshed)
        except LoginError as error:
            raise AuthError(str(error), code="AUTH_EXPIRED") from error
        if login is None:
            raise AuthError("you have logged out meanwhile: thinkaloud login", code="AUTH_EXPIRED")
        self._login = login
        return login.access_token


def logins_of_user() -> Logins:
    """Those of whoever runs the command."""
    import platformdirs

    return Logins(platformdirs.user_config_path("thinkaloud", appauthor=False) / LOGINS_FILE)


def _is_fresh(login: Login) -> bool:
    return time.time() < login.renew_at


def _refreshed(login: Login) -> Login:
    again = f"log in again: thinkaloud login --issuer {login.issuer} --client-id {login.client_id}"
    if not login.refresh_token:
        raise AuthError(f"the login has expired: {again}", code="AUTH_EXPIRED")
    form = {"grant_type": "refresh_token", "refresh_token": login.refresh_token, "client_id": login.client_id}
    try:
        granted = oauth.granted(login.token_url, form)
    except oauth.OAuthError as error:
        raise AuthError(f"the login is not renewed ({error.message}): {again}", code="AUTH_EXPIRED") from error
    renewed = login_of(granted, login.issuer, login.client_id, login.token_url, time.time())
    # RFC 6749, 6: without a new one the old one goes on.
    return renewed if renewed.refresh_token else msgspec.structs.replace(renewed, refresh_token=login.refresh_token)
