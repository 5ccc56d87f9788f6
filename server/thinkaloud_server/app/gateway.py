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

from pydantic import ValidationError

from thinkaloud_server.app import logs
from thinkaloud_server.app.cli_output import OK, USAGE, CommandError
from thinkaloud_server.app.config import split_address
from thinkaloud_server.app.config_load import ConfigError
from thinkaloud_server.app.config_tls import TlsSection
from thinkaloud_server.app.renewal import Renewal
from thinkaloud_server.app.stop_signals import StopSignals
from thinkaloud_server.core.url import is_loopback

if TYPE_CHECKING:
    import grpc
    from starlette.types import ASGIApp, Receive, Scope, Send

    from thinkaloud.endpoint import Endpoint

logger = logging.getLogger(__name__)

# What is under way when the signal comes may end in this time; after it callers resume at another gateway.
DRAIN_S = 30.0
# For the server behind to say whether it asks for keys.
_ASKING_S = 5.0
# Somewhat over the limits of the server, whose refusals come with details.
_MESSAGE_BYTES_MAX = 8 * 1024 * 1024
# Files are passed on as they come, and the server behind refuses those over its own limit.
_UPLOAD_BYTES_MAX = 2**31 - 1


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal. Returns the exit code; raises CommandError when it cannot start."""
    try:
        split_address(arguments.http_address)
    except ValueError as error:
        raise CommandError(f"--http-address: {error}", USAGE) from None
    renewal = _renewal(arguments)
    logs.configure(arguments.log_level)
    upstream = _upstream(arguments)
    import uvloop

    uvloop.run(_serve(arguments, upstream, renewal))
    return OK


def _upstream(arguments: argparse.Namespace) -> Endpoint:
    """Where the server is, in the words that every client takes."""
    from thinkaloud.endpoint import endpoint

    try:
        found = endpoint(
            arguments.upstream,
            api_key="",  # keys are the callers' own, each with its call
            ca_file=arguments.ca_file,
            client_certificate=arguments.client_certificate,
            client_key=arguments.client_key,
        )
        split_address(found.target)
    except ValueError as error:
        raise CommandError(f"--upstream: {error}", USAGE) from None
    return found


def _renewal(arguments: argparse.Namespace) -> Renewal | None:
    """The certificate that callers are shown; None without TLS."""
    try:
        section = TlsSection(
            certificate_file=arguments.tls_certificate,
            key_file=arguments.tls_key,
            client_ca_file=arguments.tls_client_ca,
        )
        return Renewal(section) if section.files else None
    except ValidationError:
        raise CommandError(
            "--tls-certificate and --tls-key belong together; --tls-client-ca needs both", USAGE
        ) from None
    except ConfigError as error:
        raise CommandError(str(error), USAGE) from None


async def _check_asked(arguments: argparse.Namespace, upstream: Endpoint) -> None:
    """Whether callers of other machines are asked for a key: by the server behind, for a gateway knows none.

    It is asked once. What stands behind may be another server later, so this finds mistakes and is no guard.
    Raises CommandError.
    """
    from thinkaloud import calls
    from thinkaloud.connection import Connection
    from thinkaloud.errors import AuthError, ThinkaloudError

    if arguments.insecure or is_loopback(split_address(arguments.http_address)[0]):
        return
    public = f"--http-address {arguments.http_address} can be reached from other machines, and "
    behind = Connection(upstream, _ASKING_S)
    try:
        await behind.send(calls.get_identity())
    except AuthError:
        return
    except ThinkaloudError as error:
        if arguments.auth:
            return
        raise CommandError(
            f"{public}{upstream.target} does not tell whether it asks for keys ({error}): start that server first, "
            "listen on 127.0.0.1, vouch for it with --auth, or say --insecure",
            USAGE,
        ) from None
    finally:
        await behind.close()
    raise CommandError(
        f"{public}{upstream.target} asks nobody for a key: start that server with --auth, listen on 127.0.0.1, or "
        "say --insecure",
        USAGE,
    )


async def _serve(arguments: argparse.Namespace, upstream: Endpoint, renewal: Renewal | None) -> None:
    from thinkaloud_server.app.about import about
    from thinkaloud_server.app.http_face import HttpFace, web_settings
    from thinkaloud_server.web.app import web_app

    stop = StopSignals()
    await _check_asked(arguments, upstream)
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(_channel(upstream))
        settings = web_settings(arguments.http_address, upload_bytes=_UPLOAD_BYTES_MAX, leaves_alone=True, info=about())
        app = web_app(channel, settings)
        face = HttpFace(telling_whom(app), sockets=app)
        try:
            address = await face.start(arguments.http_address, renewal.current.context if renewal else None)
        except OSError as error:
            raise CommandError(f"cannot listen on {arguments.http_address}: {error.strerror or error}") from None
        if renewal is not None:
            await stack.enter_async_context(renewal.watching(face.renew))
        told = {"http": address, "upstream": upstream.target, "upstream_tls": upstream.tls, "tls": renewal is not None}
        logger.info("gateway", extra=told)
        if not upstream.tls and not is_loopback(split_address(upstream.target)[0]):
            logger.warning("caution", extra={"caution": "what callers send goes on unencrypted to " + upstream.target})
        sys.stdout.write(f"ready http={address} upstream={arguments.upstream}\n")
        sys.stdout.flush()
        await stop.first.wait()
        logger.info("draining", extra={"open": face.open})
        await face.stop(DRAIN_S)
    logger.info("stopped")


def telling_whom(app: ASGIApp) -> ASGIApp:
    """The application, which then says for whom it calls as every proxy does: at the end of x-forwarded-for. The server
    believes it where its configuration trusts the gateway's address."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if client := scope.get("client"):
            scope["headers"] = [*scope["headers"], (b"x-forwarded-for", client[0].encode())]
        await app(scope, receive, send)

    return answer


def _channel(upstream: Endpoint) -> grpc.aio.Channel:
    import grpc

    from thinkaloud.connection import credentials

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
    if not upstream.tls:
        return grpc.aio.insecure_channel(upstream.target, options=options)
    return grpc.aio.secure_channel(upstream.target, credentials(upstream), options=options)
