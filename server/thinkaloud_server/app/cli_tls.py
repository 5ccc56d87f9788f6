"""The flags about TLS: `--tls-…` is what a server shows its callers, the others are how a command calls a server."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thinkaloud_server.app.cli_output import USAGE, CommandError

if TYPE_CHECKING:
    from thinkaloud.client import Client


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
    """The client for the flags of a command. Raises CommandError for what cannot be."""
    from thinkaloud.client import Client

    try:
        return Client(
            arguments.address,
            ca_file=arguments.ca_file,
            client_certificate=arguments.client_certificate,
            client_key=arguments.client_key,
            plaintext_key=arguments.plaintext_key or None,
            **options,
        )
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
