"""The server's certificate: read, checked, and made into what a handshake takes; mistakes are told by key and file.

Expiry is found out by shaking hands with it in memory: Python's library reads no certificate otherwise, and a handshake
finds besides whatever else would keep callers from trusting it (not valid yet, not meant for servers).
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.config_tls import TlsSection

_FILE_BYTES_MAX = 1024 * 1024
# The keys that gRPC's clients shake hands with, as certificates name them: RSA, P-256, P-384 (RFC 3279, RFC 5480).
_KINDS = ("06092a864886f70d010101", "06082a8648ce3d030107", "06052b81040022")
# Programs that renew certificates do so when a third of their time is left: what has less than this is not renewed.
_LAST_PART = 0.2


@dataclass(frozen=True, slots=True)
class Certificate:
    """One reading of the files: `chain`, `key` and `client_ca` for gRPC, `context` for HTTP."""

    context: ssl.SSLContext = field(repr=False)
    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    client_ca: bytes | None = field(repr=False)
    begins_at_s: float
    expires_at_s: float

    @property
    def expires(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.expires_at_s))

    def caution(self, now_s: float) -> str:
        """What is to be said when it ends soon, else ""."""
        if self.expires_at_s - now_s > _LAST_PART * (self.expires_at_s - self.begins_at_s):
            return ""
        return f"tls.certificate_file: the certificate expires at {self.expires}, and was not renewed yet"


def read_certificate(section: TlsSection) -> Certificate:
    """What the files hold now. Raises ConfigError, which names the key and the file and never what is in it."""
    contents = {name: _read(name, path) for name, path in section.files.items()}
    try:
        return _made(section, contents)
    except ssl.SSLError:
        raise
    except OSError as error:
        raise ConfigError(f"tls: a file went away while it was read: {error.strerror}") from None


def _made(section: TlsSection, contents: dict[str, bytes]) -> Certificate:
    certificate, key = section.files["certificate_file"], section.files["key_file"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    trusting = _trusting(certificate)
    _load_pair(context, certificate, key)
    begins_at_s, expires_at_s = _validity(context, trusting, certificate)
    if (client_ca := section.files.get("client_ca_file")) is not None:
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError:
            raise _wrong("client_ca_file", client_ca, "holds no certificate in PEM form") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return Certificate(
        context=context,
        chain=contents["certificate_file"],
        key=contents["key_file"],
        client_ca=contents.get("client_ca_file"),
        begins_at_s=begins_at_s,
        expires_at_s=expires_at_s,
    )


def _read(name: str, path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _wrong(name, path, error.strerror or "cannot be read") from None
    if len(data) > _FILE_BYTES_MAX:
        raise _wrong(name, path, f"larger than {_FILE_BYTES_MAX} bytes")
    return data


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    def encrypted() -> str:
        raise _wrong("key_file", key, "the key is encrypted, and nobody is there to type its password: decrypt it")

    try:
        context.load_cert_chain(certificate, key, password=encrypted)
    except ssl.SSLError as error:
        reason = error.reason or ""
        if reason.endswith("MISMATCH"):
            raise _wrong("key_file", key, f"the key does not belong to the certificate in {certificate}") from None
        if reason in ("", "NO_START_LINE", "PEM_LIB"):
            raise _wrong("key_file", key, "holds no private key in PEM form") from None
        raise _wrong("certificate_file", certificate, f"cannot be used ({_words(reason)})") from None


def _trusting(certificate: Path) -> ssl.SSLContext:
    """A client that trusts this certificate, whoever signed it, and still asks whether it is valid."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(certificate)
    except ssl.SSLError:
        raise _wrong("certificate_file", certificate, "holds no certificate in PEM form") from None
    return context


def _validity(context: ssl.SSLContext, trusting: ssl.SSLContext, certificate: Path) -> tuple[float, float]:
    """From when to when it is valid, in seconds of the epoch. Raises ConfigError when it is not valid now."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            raise _wrong("certificate_file", certificate, error.verify_message) from None
        except ssl.SSLError as error:
            raise _wrong("certificate_file", certificate, f"cannot be used ({_words(error.reason or '')})") from None
    shown, whole = client.getpeercert(), client.getpeercert(binary_form=True)
    assert shown is not None
    assert whole is not None
    if not any(bytes.fromhex(kind) in whole for kind in _KINDS):
        raise _wrong(
            "certificate_file", certificate, "gRPC's clients refuse keys of its kind: take RSA, P-256 or P-384"
        )
    begins, expires = (ssl.cert_time_to_seconds(str(shown[name])) for name in ("notBefore", "notAfter"))
    return begins, expires


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")


def _wrong(name: str, path: Path, why: str) -> ConfigError:
    return ConfigError(f"tls.{name}: {path}: {why}")
