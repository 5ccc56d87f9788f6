"""Where the server is and how to speak to it: address, TLS, key, and the options of the channel.

A mistake is a ValueError, here and at once: a channel of gRPC would only say later that nothing can be reached.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from thinkaloud.version import __version__

if TYPE_CHECKING:
    from thinkaloud.authorization import Credentials

DEFAULT_ADDRESS = "127.0.0.1:50051"
_DEFAULT_PORT = 50051

# Scheme, port when none is said, and whether it means TLS.
_SCHEMES = (
    ("https://", 443, True),
    ("http://", 80, False),
    ("grpcs://", _DEFAULT_PORT, True),
    ("grpc://", _DEFAULT_PORT, False),
)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
_LOCAL = ("unix:", "unix-abstract:")

Path = str | os.PathLike[str]

# Answers as large as the server's limit for a request come back in histories; gRPC's own limit is 4 MiB.
_RECEIVE_BYTES_MAX = 64 * 1024 * 1024

_CHANNEL_OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.primary_user_agent", f"thinkaloud-python/{__version__}"),
    ("grpc.max_receive_message_length", _RECEIVE_BYTES_MAX),
    ("grpc.max_send_message_length", _RECEIVE_BYTES_MAX),
    # A dead path shows within 15 s, also while a model thinks in silence; and a reset, which gRPC at times does not
    # notice before it writes, within the 10 s of patience before `start`. The server allows two pings a second.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # gRPC's own waits between connection attempts grow to two minutes; ours decide (see resume.py).
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Two clients are two connections, and one that was closed takes no other's with it.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server as gRPC needs it. The key never shows in a repr."""

    target: str
    tls: bool
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    credentials: Credentials | None = field(default=None, repr=False)
    root_certificates: bytes | None = field(default=None, repr=False)
    client_certificate: bytes | None = field(default=None, repr=False)
    client_key: bytes | None = field(default=None, repr=False)
    options: tuple[tuple[str, str | int], ...] = field(default=_CHANNEL_OPTIONS, repr=False)


def endpoint(
    address: str | None = None,
    *,
    api_key: str | None = None,
    credentials: Credentials | None = None,
    tls: bool | None = None,
    ca_file: Path | None = None,
    client_certificate: Path | None = None,
    client_key: Path | None = None,
    plaintext_key: bool | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Endpoint:
    """The endpoint for what the caller gave; what it left out comes from the THINKALOUD_… variables of the same names.

    Raises ValueError for what cannot be: files that are none, files for TLS without TLS, a key that would travel
    unencrypted to another machine and was not allowed to (`plaintext_key`).
    """
    target, tls_by_address = _target((address or environment.get("THINKALOUD_ADDRESS") or DEFAULT_ADDRESS).strip())
    tls = tls_by_address if tls is None else tls
    if credentials is not None and api_key:
        raise ValueError("api_key and credentials are given: keep one of them")
    key = environment.get("THINKALOUD_API_KEY", "") if api_key is None and credentials is None else api_key
    if not tls and (ca_file or client_certificate or client_key):
        raise ValueError(f"certificates are given for {target}, but no TLS: write https:// or grpcs:// before it")
    if (key or credentials is not None) and not tls and not is_local(target):
        allowed = _flag("THINKALOUD_PLAINTEXT_KEY", environment) if plaintext_key is None else plaintext_key
        if not allowed:
            raise ValueError(
                f"the API key would travel unencrypted to {target}: write https:// or grpcs:// before it, "
                "or allow it (plaintext_key=True, --plaintext-key, THINKALOUD_PLAINTEXT_KEY=true)"
            )
    roots, certificate, own_key = _certificates(ca_file, client_certificate, client_key, environment) if tls else _NONE
    return Endpoint(
        target=target,
        tls=tls,
        metadata=(("authorization", f"Bearer {key}"),) if key else (),
        credentials=credentials,
        root_certificates=roots,
        client_certificate=certificate,
        client_key=own_key,
    )


_NONE = (None, None, None)


def _target(address: str) -> tuple[str, bool]:
    for scheme, port, tls in _SCHEMES:
        if address.startswith(scheme):
            host = address.removeprefix(scheme).rstrip("/")
            if not host or any(mark in host for mark in "/@?#"):
                raise ValueError(f"an address is {scheme}HOST:PORT, without a path or a name before the host")
            return _with_port(host, port), tls
    if "://" in address or address.startswith(_LOCAL):
        return address, False  # dns:///…, unix:/path: gRPC's own names
    return _with_port(address, _DEFAULT_PORT), False


def _with_port(host: str, port: int) -> str:
    bare_ipv6 = host.count(":") > 1 and not host.startswith("[")
    if bare_ipv6:
        return f"[{host}]:{port}"
    return host if ":" in host.rpartition("]")[2] else f"{host}:{port}"


def is_local(target: str) -> bool:
    """True when what is sent to this target of gRPC, or HOST:PORT, stays on this machine."""
    if target.startswith(_LOCAL):
        return True
    name = target.rpartition("/")[2]
    host = (name.rpartition(":")[0] or name).strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _flag(variable: str, environment: Mapping[str, str]) -> bool:
    text = environment.get(variable, "").strip().lower()
    if text not in _TRUE + _FALSE:
        raise ValueError(f"{variable}: expected true or false")
    return text in _TRUE


def _certificates(
    ca_file: Path | None, client_certificate: Path | None, client_key: Path | None, environment: Mapping[str, str]
) -> tuple[bytes | None, bytes | None, bytes | None]:
    """Whom we trust, and our own certificate with its key, both or none; tried out, as gRPC tells no reason."""
    ca_file = ca_file or environment.get("THINKALOUD_CA_FILE") or None
    certificate = client_certificate or environment.get("THINKALOUD_CLIENT_CERTIFICATE") or None
    key = client_key or environment.get("THINKALOUD_CLIENT_KEY") or None
    if (certificate is None) != (key is None):
        raise ValueError("client_certificate and client_key belong together: give both or none")
    contents = (_read("ca_file", ca_file), _read("client_certificate", certificate), _read("client_key", key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
    except ssl.SSLError:
        raise ValueError(f"ca_file: {os.fspath(ca_file or '')}: holds no certificate in PEM form") from None
    try:
        if certificate is not None:
            context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        why = (error.reason or "they are not in PEM form").lower().replace("_", " ")
        raise ValueError(f"client_certificate and client_key cannot be used: {why}") from None
    return contents


def _read(name: str, path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ValueError(f"{name}: {os.fspath(path)}: {error.strerror}") from None


def _no_password() -> str:
    raise ValueError("client_key: the key is encrypted: decrypt it, and let only yourself read it")
