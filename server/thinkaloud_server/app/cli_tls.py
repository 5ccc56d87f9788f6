"""The flags about TLS: `--tls-…` is what a server shows its callers, the others are how a command calls a server.

And the client that is made of the latter.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thinkaloud_server.app.cli_output import USAGE, CommandError

if TYPE_CHECKING:
    from thinkaloud.client import Client
    from thinkaloud_server.app.login import LoginCredentials


def add_server_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tls-certificate", type=Path, metavar="FILE", help="serve TLS with this certificate and its chain (PEM)"
    )
    command.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key, not encrypted (PEM)")
    command.add_argument(
        "--tls-client-ca", type=Path, metavar="FILE", help="let in only who shows a certificate signed by these (PEM)"
    )


def add_client_flags(command: argparse.ArgumentParser, options: dict[str, Any]) -> None:
    """`options` are argparse's, for every flag."""
    command.add_argument(
        "--ca-file",
        metavar="FILE",
        help="who signs the server's certificate (PEM; default: THINKALOUD_CA_FILE, else the public authorities)",
        **options,
    )
    command.add_argument(
        "--client-certificate",
        metavar="FILE",
        help="the certificate to show the server (PEM; default: THINKALOUD_CLIENT_CERTIFICATE)",
        **options,
    )
    command.add_argument(
        "--client-key", metavar="FILE", help="its key (PEM; default: THINKALOUD_CLIENT_KEY)", **options
    )


def client_of(arguments: argparse.Namespace, **options: Any) -> Client:
    """The client for the flags of a command, with the key of the environment or else the login for this server.

    Raises CommandError for what cannot be.
    """
    from thinkaloud.client import Client

    if not os.environ.get("THINKALOUD_API_KEY"):
        options.setdefault("credentials", _login(arguments))
    try:
        return Client(arguments.address, **_flags(arguments), **options)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def place_of(arguments: argparse.Namespace, *, token: bool = False) -> str:
    """The server that the flags name, as logins are kept: its address and whether that is TLS.

    `token` says that one will be sent there, as a key would be. Raises CommandError for what cannot be.
    """
    from thinkaloud.endpoint import endpoint

    try:
        found = endpoint(arguments.address, api_key="token" if token else "", **_flags(arguments))
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    return f"{'https' if found.tls else 'http'}://{found.target}"


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "ca_file": arguments.ca_file,
        "client_certificate": arguments.client_certificate,
        "client_key": arguments.client_key,
        "plaintext_key": arguments.plaintext_key or None,
    }


def _login(arguments: argparse.Namespace) -> LoginCredentials | None:
    from thinkaloud_server.app.login import LoginCredentials, LoginError, logins_of_user

    logins, place = logins_of_user(), place_of(arguments)
    try:
        login = logins.get(place)
    except LoginError as error:
        raise CommandError(str(error)) from None
    return LoginCredentials(logins, place, login) if login is not None else None
