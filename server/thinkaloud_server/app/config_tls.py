"""[tls]: the certificate that is shown to callers, over gRPC and over HTTP, and whose certificates they must show."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator


class TlsSection(BaseModel):
    """Files in PEM form; without a certificate nothing is encrypted. `client_ca_file` makes it mutual (mTLS).

    The certificate's file holds the chain, the server's own first. What the files hold is checked where they are read
    (certificate.py): they may be replaced while the server runs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    certificate_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None

    @model_validator(mode="after")
    def _whole(self) -> TlsSection:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: give both or none")
        if self.client_ca_file is not None and self.certificate_file is None:
            raise ValueError("client_ca_file needs certificate_file and key_file: without TLS nobody shows any")
        return self

    @property
    def kind(self) -> str:
        """In a word, "" without."""
        return "mTLS" if self.client_ca_file else "TLS" if self.certificate_file else ""

    @property
    def files(self) -> dict[str, Path]:
        """Those that are given, by their keys; none without TLS."""
        given = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: path.expanduser() for name, path in given if path is not None}
