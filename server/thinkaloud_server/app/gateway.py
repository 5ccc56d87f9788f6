"""`thinkaloud gateway`: the HTTP face alone, in front of a gRPC server that runs elsewhere.

The same application as in the server process, on a network channel. It keeps nothing: any number of gateways may
stand before any number of servers.
"""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from thinkaloud_server.app import logs
from thinkaloud_server.app.cli_output import OK, USAGE, CommandError
from thinkaloud_server.app.config import is_loopback, split_address
from thinkaloud_server.app.stop_signals import StopSignals

if TYPE_CHECKING:
    import grpc

logger = logging.getLogger(__name__)

# What is under way when the signal comes may end in this time; after it callers resume at another gateway.
DRAIN_S = 30.0
# Somewhat over the limits of the server, whose refusals come with details.
_MESSAGE_BYTES_MAX = 8 * 1024 * 1024


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal. Returns the exit code; raises CommandError when it cannot start."""
    for flag, address in (("--upstream", arguments.upstream), ("--http-address", arguments.http_address)):
        try:
            host = split_address(address)[0]
        except ValueError as error:
            raise CommandError(f"{flag}: {error}", USAGE) from None
    if not is_loopback(host) and not arguments.insecure:
        raise CommandError(
            f"--http-address {address} can be reached from other machines, and nobody is asked for a key: "
            "listen on 127.0.0.1, or say --insecure",
            USAGE,
        )
    if arguments.tls_ca is not None and not arguments.tls:
        raise CommandError("--tls-ca: needs --tls", USAGE)
    logs.configure(arguments.log_level)
    import uvloop

    uvloop.run(_serve(arguments))
    return OK


async def _serve(arguments: argparse.Namespace) -> None:
    from thinkaloud_server.app.about import about
    from thinkaloud_server.app.http_face import HttpFace, web_settings
    from thinkaloud_server.web.app import web_app

    stop = StopSignals()
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(_channel(arguments))
        settings = web_settings(arguments.http_address, info=about())
        app = web_app(channel, settings)
        face = HttpFace(app, sockets=app)
        try:
            address = await face.start(arguments.http_address)
        except OSError as error:
            raise CommandError(f"cannot listen on {arguments.http_address}: {error.strerror or error}") from None
        logger.info("gateway", extra={"http": address, "upstream": arguments.upstream, "tls": arguments.tls})
        sys.stdout.write(f"ready http={address} upstream={arguments.upstream}\n")
        sys.stdout.flush()
        await stop.first.wait()
        logger.info("draining", extra={"open": face.open})
        await face.stop(DRAIN_S)
    logger.info("stopped")


def _channel(arguments: argparse.Namespace) -> grpc.aio.Channel:
    import grpc

    options = [
        ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
        # A server that vanished is found out also while all streams are silent.
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.max_pings_without_data", 0),
        # A server that comes back is found within seconds, not minutes.
        ("grpc.max_reconnect_backoff_ms", 5_000),
    ]
    if not arguments.tls:
        return grpc.aio.insecure_channel(arguments.upstream, options=options)
    try:
        roots = arguments.tls_ca.read_bytes() if arguments.tls_ca is not None else None
    except OSError as error:
        raise CommandError(f"--tls-ca: {arguments.tls_ca}: {error.strerror}", USAGE) from None
    return grpc.aio.secure_channel(arguments.upstream, grpc.ssl_channel_credentials(roots), options=options)
