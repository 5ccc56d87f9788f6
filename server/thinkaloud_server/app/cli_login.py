"""`thinkaloud login` and `logout`: a person says in a browser that this machine may call for them (RFC 8628)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from thinkaloud_server.app.cli_output import FAILED, OK, USAGE, CommandError, one_line, say, write_json

if TYPE_CHECKING:
    from thinkaloud.oauth import Granted

DESCRIPTION = (
    "Log in to a server that believes an issuer of tokens (OAuth2, OpenID Connect). A page is shown to open in a\n"
    "browser, on any machine; the commands that call this server then call for you, and renew the login by\n"
    "themselves. THINKALOUD_API_KEY goes before a login."
)
GRANT = "urn:ietf:params:oauth:grant-type:device_code"
# RFC 8628, 3.2 and 3.5.
INTERVAL_S = 5.0
SLOWER_S = 5.0
LIFE_MAX_S = 3600.0

Wait = Callable[[float], object]


def add_flags(login: argparse.ArgumentParser) -> None:
    login.add_argument(
        "--issuer", required=True, metavar="URL", help="who gives tokens (the server's settings name it)"
    )
    login.add_argument("--client-id", required=True, metavar="ID", help="what the issuer knows this command line as")
    login.add_argument("--scope", default="", metavar="WORDS", help="what to ask for, as 'openid offline_access'")
    login.add_argument("--audience", default="", metavar="NAME", help="for whom, where the issuer wants to be told")


def run(arguments: argparse.Namespace) -> int:
    """Log in or out. Returns the exit code."""
    from thinkaloud_server.app.login import LoginError

    try:
        return log_in(arguments) if arguments.command == "login" else log_out(arguments)
    except LoginError as error:
        raise CommandError(str(error)) from None


def log_in(arguments: argparse.Namespace, wait: Wait = time.sleep) -> int:
    from thinkaloud import oauth
    from thinkaloud_server.app.cli_tls import place_of
    from thinkaloud_server.app.login import login_of, logins_of_user

    place = place_of(arguments, token=True)
    _check("--issuer", arguments.issuer)
    endpoints = oauth.discovered(arguments.issuer)
    device_url, token_url = (_endpoint(endpoints, name) for name in ("device_authorization_endpoint", "token_endpoint"))
    client = {"client_id": arguments.client_id}
    asked = {"scope": arguments.scope, "audience": arguments.audience}
    device = oauth.post(device_url, {**client, **{name: value for name, value in asked.items() if value}})
    _show(device, arguments)
    form = {**client, "grant_type": GRANT, "device_code": str(device.get("device_code", ""))}
    granted = _granted(token_url, form, device, wait)
    login = login_of(granted, arguments.issuer, arguments.client_id, token_url, time.time())
    logins_of_user().put(place, login)
    if arguments.json:
        write_json({"server": place, "issuer": login.issuer, "expires_at": round(login.expires_at)})
    else:
        say(f"Logged in to {place}.")
        if not login.refresh_token:
            say("It cannot be renewed: the issuer gave no refresh token (--scope offline_access?).", style="warning")
    return OK


def log_out(arguments: argparse.Namespace) -> int:
    from thinkaloud_server.app.cli_tls import place_of
    from thinkaloud_server.app.login import logins_of_user

    logins, place = logins_of_user(), place_of(arguments)
    known = logins.get(place) is not None
    if known:
        logins.put(place, None)
    if arguments.json:
        write_json({"server": place, "logged_out": known})
    else:
        say(f"Logged out of {place}." if known else f"There is no login for {place}.")
    return OK if known else FAILED


def _check(name: str, url: str) -> None:
    from thinkaloud import oauth

    try:
        oauth.check_url(name, url)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def _endpoint(endpoints: Mapping[str, Any], name: str) -> str:
    url = endpoints.get(name)
    if not isinstance(url, str):
        raise CommandError(f"the issuer has no {name}: it knows no login by device code")
    _check(name, url)
    return url


def _show(device: Mapping[str, Any], arguments: argparse.Namespace) -> None:
    """Where to go and what to enter there; what the issuer says goes to a terminal, so nothing in it may drive one."""
    known = {name: one_line(str(device[name])) for name in ("verification_uri", "user_code") if device.get(name)}
    if len(known) < 2 or not device.get("device_code"):
        raise CommandError("the issuer's answer names no page to open")
    whole = one_line(str(device.get("verification_uri_complete", "")))
    if arguments.json:
        write_json({**known, **({"verification_uri_complete": whole} if whole else {})})
        return
    say(f"Open {whole or known['verification_uri']}")
    say(f"and {'see that it shows' if whole else 'enter'} the code {known['user_code']}")
    if whole:
        say(f"(or enter it at {known['verification_uri']})", style="dim")


def _granted(token_url: str, form: Mapping[str, str], device: Mapping[str, Any], wait: Wait) -> Granted:
    """The tokens, once the person has agreed. Raises CommandError when they did not."""
    from thinkaloud import oauth
    from thinkaloud.errors import UnavailableError

    interval_s, left_s = _seconds(device, "interval", INTERVAL_S), _seconds(device, "expires_in", 600.0)
    while True:
        wait(interval_s)
        left_s -= interval_s
        try:
            return oauth.granted(token_url, form)
        except UnavailableError:
            interval_s += SLOWER_S
            if left_s <= 0:
                raise
        except oauth.OAuthError as error:
            match error.error:
                case "authorization_pending":
                    pass
                case "slow_down":
                    interval_s += SLOWER_S
                case "access_denied":
                    raise CommandError("the login was refused in the browser") from None
                case "expired_token":
                    raise CommandError("nobody agreed in time: begin again") from None
                case _:
                    raise
        if left_s <= 0:
            raise CommandError("nobody agreed in time: begin again")


def _seconds(device: Mapping[str, Any], name: str, default: float) -> float:
    value = device.get(name)
    return min(max(float(value), 0.0), LIFE_MAX_S) if isinstance(value, int | float) else default
