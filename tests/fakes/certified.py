"""Certificates as files, from an authority of the test itself: of a server, of its callers, and renewed ones."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import trustme

NAMES = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Certified:
    """An authority (`ca_file`) and what it signed, in one folder. `server` is what a server is told to read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.ca_file)
        self.server = self.pair("server")

    def pair(self, name: str, *names: str, **options: Any) -> Pair:
        """A new pair under this name, also in place of the one that was there."""
        issued = self.ca.issue_cert(*(names or NAMES), **options)
        made = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        made.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        made.key.write_bytes(issued.private_key_pem.bytes())
        return made

    def section(self, *, mutual: bool = False) -> dict[str, Path]:
        """[tls], for one who asks its callers for certificates of the same authority, or does not."""
        section = {"certificate_file": self.server.certificate, "key_file": self.server.key}
        return {**section, "client_ca_file": self.ca_file} if mutual else section

    def flags(self, *, mutual: bool = False) -> tuple[str, ...]:
        """The same on a command line."""
        given = ("--tls-certificate", str(self.server.certificate), "--tls-key", str(self.server.key))
        return (*given, "--tls-client-ca", str(self.ca_file)) if mutual else given

    def trusting(self, own: Pair | None = None) -> ssl.SSLContext:
        """A client that trusts this authority, and shows its own certificate if it has one."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        if own is not None:
            context.load_cert_chain(own.certificate, own.key)
        return context

    def credentials(self, own: Pair | None = None) -> grpc.ChannelCredentials:
        """The same for gRPC."""
        pair = (own.key.read_bytes(), own.certificate.read_bytes()) if own is not None else (None, None)
        return grpc.ssl_channel_credentials(self.ca_file.read_bytes(), *pair)
