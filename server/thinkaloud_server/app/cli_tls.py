"""The flags about TLS: `--tls-…` is what a server shows its callers."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_server_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tls-certificate", type=Path, metavar="FILE", help="serve TLS with this certificate and its chain (PEM)"
    )
    command.add_argument("--tls-key", type=Path, metavar="FILE", help="the certificate's key, not encrypted (PEM)")
    command.add_argument(
        "--tls-client-ca", type=Path, metavar="FILE", help="let in only who shows a certificate signed by these (PEM)"
    )
