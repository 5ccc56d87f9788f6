"""What the gRPC face refuses above. Published in capabilities; nothing is ever truncated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes of requests and patience with callers; the unit is last."""

    text_chars: int = 500_000
    request_bytes: int = 4 * 1024 * 1024
    # These two are the HTTP face's to hold; here they are only published.
    websocket_message_bytes: int = 1024 * 1024
    websocket_idle_s: float = 300.0
    image_bytes: int = 20 * 1024 * 1024
    upload_bytes: int = 20 * 1024 * 1024
    iterations: int = 100
    output_tokens: int = 10_000_000
    run_s: int = 1800
    batch_requests: int = 100
    batch_concurrent: int = 16
    # A page or a result that is larger does not reach a client with gRPC's usual limit of 4 MiB.
    response_bytes: int = 4 * 1024 * 1024
    # Open calls, watches included; a watch is a cursor and costs little.
    calls: int = 20_000
    # A stream says at least a heartbeat this often, so that no proxy calls it dead.
    heartbeat_s: float = 15.0
    # A connection on which no client has spoken HTTP/2 by then is closed.
    handshake_timeout_s: float = 10.0
    # A stream whose client took nothing for this long is cut.
    stall_timeout_s: float = 90.0
    # A stream of requests, whatever it brings, has come to its end by then.
    intake_s: float = 600.0
    # Development: a call may ask for what is to go wrong with its provider's answer (fault.py).
    faults_by_header: bool = False
