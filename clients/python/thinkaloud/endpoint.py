"""Where the server is and how to speak to it: address, TLS, key, and the options of the channel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from thinkaloud.version import __version__

DEFAULT_ADDRESS = "127.0.0.1:50051"
_DEFAULT_PORT = 50051

# Answers as large as the server's limit for a request come back in histories; gRPC's own limit is 4 MiB.
_RECEIVE_BYTES_MAX = 64 * 1024 * 1024

_CHANNEL_OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.primary_user_agent", f"thinkaloud-python/{__version__}"),
    ("grpc.max_receive_message_length", _RECEIVE_BYTES_MAX),
    ("grpc.max_send_message_length", _RECEIVE_BYTES_MAX),
    # A dead path shows within half a minute, also while a model thinks in silence.
    ("grpc.keepalive_time_ms", 20_000),
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
    root_certificates: bytes | None = field(default=None, repr=False)
    options: tuple[tuple[str, str | int], ...] = field(default=_CHANNEL_OPTIONS, repr=False)


def endpoint(
    address: str | None = None,
    *,
    api_key: str | None = None,
    tls: bool | None = None,
    root_certificates: bytes | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Endpoint:
    """The endpoint for what the caller gave; what it left out comes from THINKALOUD_ADDRESS and THINKALOUD_API_KEY."""
    address = address or environment.get("THINKALOUD_ADDRESS") or DEFAULT_ADDRESS
    key = environment.get("THINKALOUD_API_KEY", "") if api_key is None else api_key
    target, tls_by_address = _target(address.strip())
    return Endpoint(
        target=target,
        tls=tls_by_address if tls is None else tls,
        metadata=(("authorization", f"Bearer {key}"),) if key else (),
        root_certificates=root_certificates,
    )


def _target(address: str) -> tuple[str, bool]:
    for scheme, port, tls in (("https://", 443, True), ("http://", 80, False)):
        if address.startswith(scheme):
            return _with_port(address.removeprefix(scheme).rstrip("/"), port), tls
    if "://" in address or address.startswith("unix:"):
        return address, False  # dns:///…, unix:/path: gRPC's own names
    return _with_port(address, _DEFAULT_PORT), False


def _with_port(host: str, port: int) -> str:
    bare_ipv6 = host.count(":") > 1 and not host.startswith("[")
    if bare_ipv6:
        return f"[{host}]:{port}"
    return host if ":" in host.rpartition("]")[2] else f"{host}:{port}"
