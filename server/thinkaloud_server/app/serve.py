"""`thinkaloud serve`: start, say so, run until a signal, drain, end.

Only the ready line goes to standard output, for scripts that wait for it. Logging is set up before grpc is imported
(see logs.py), so everything heavy is imported inside functions here.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

from thinkaloud_server.app import cli_config, logs
from thinkaloud_server.app.cli_output import OK, USAGE, CommandError
from thinkaloud_server.app.config import Config, split_address
from thinkaloud_server.app.config_chaos import announced
from thinkaloud_server.app.config_load import ConfigError, cautions
from thinkaloud_server.app.renewal import Renewal
from thinkaloud_server.app.stop_signals import StopSignals
from thinkaloud_server.core.errors import ChatError

if TYPE_CHECKING:
    from thinkaloud_server.app.discover import Discovery
    from thinkaloud_server.app.http_face import HttpFace
    from thinkaloud_server.app.wiring import Assembly

logger = logging.getLogger(__name__)

# After the runs have ended: for their watchers to read the last events.
CLOSING_S = 5.0


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal. Returns the exit code; raises CommandError when it cannot start."""
    config = cli_config.effective(arguments)
    redact = logs.configure(config.log.level, config.log.format)
    import uvloop

    try:
        uvloop.run(_serve(config, redact))
    except ConfigError as error:
        raise CommandError(f"the configuration is wrong\n{error}", USAGE) from None
    except ChatError as error:
        raise CommandError(error.message) from error
    return OK


async def _serve(config: Config, redact: logs.Redactor) -> None:
    from thinkaloud_server.app.discover import discover
    from thinkaloud_server.app.wiring import assemble

    stop = StopSignals()
    renewal = Renewal(config.tls) if config.tls.files else None
    async with AsyncExitStack() as stack:
        found = await discover(config, os.environ)
        assembly = await assemble(config, os.environ, found, stack)
        redact.add(assembly.secrets)
        orphans = await assembly.engine.open()
        stack.push_async_callback(assembly.engine.close)
        face = http_face(config, assembly)
        # HTTP first: a gRPC server that has started must be stopped before the process can end.
        http = await _listen_http(config, face, renewal, stack)
        address = await _listen(config, assembly, renewal)
        admin = await _listen_admin(config, assembly, stack)
        if renewal is not None:
            await stack.enter_async_context(renewal.watching(face.renew if face else None))
        # What start-up made lives until the end: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        # What a call makes is freed without the collector, so that it need not look after every 700 objects.
        gc.set_threshold(20_000, 20, 20)
        _welcome(config, assembly, found, Addresses(address, http), orphans)
        also = "".join(f" {name}={place}" for name, place in (("http", http), ("admin", admin)) if place)
        sys.stdout.write(f"ready grpc={address}{also}\n")
        sys.stdout.flush()
        await stop.first.wait()
        await _drain(config, assembly, face)


async def _listen(config: Config, assembly: Assembly, renewal: Renewal | None) -> str:
    wanted = config.server.grpc_address
    try:
        port = await assembly.server.start(wanted, renewal.credentials() if renewal else None)
    except RuntimeError:
        raise CommandError(f"cannot listen on {wanted}: the address is in use or not of this machine") from None
    host = wanted.rpartition(":")[0]
    return f"{host}:{port}"


def http_face(config: Config, assembly: Assembly) -> HttpFace | None:
    """The web application on the channel inside the process; None where it is turned off, and then not imported."""
    address = config.server.http
    if not address:
        return None
    from thinkaloud_server.app.about import about
    from thinkaloud_server.app.http_face import HttpFace, web_settings
    from thinkaloud_server.app.wiring import limits_of
    from thinkaloud_server.web.app import web_app

    server = config.server
    settings = web_settings(
        address,
        server.http_hosts,
        server.http_origins,
        body_bytes=server.request_bytes_max,
        upload_bytes=config.uploads.bytes_max,
        stall_timeout_s=server.stall_timeout_s,
        message_bytes=server.websocket_message_bytes_max,
        idle_timeout_s=server.websocket_idle_timeout_s,
        messages_per_s=config.limits.socket_messages_per_s,
        messages_burst=2 * config.limits.socket_messages_per_s,
        info=about(limits_of(config)),
    )
    app = web_app(assembly.server.local, settings)
    return HttpFace(
        app,
        message_bytes=server.websocket_message_bytes_max,
        stall_timeout_s=server.stall_timeout_s,
        sockets=app,
        admit=assembly.server.throttle.connection,
    )


async def _listen_http(config: Config, face: HttpFace | None, renewal: Renewal | None, stack: AsyncExitStack) -> str:
    if face is None:
        return ""
    wanted = config.server.http
    stack.push_async_callback(face.stop, 0.0)
    try:
        return await face.start(wanted, renewal.current.context if renewal else None)
    except OSError as error:
        raise CommandError(f"cannot listen on {wanted}: {error.strerror or error}") from None


async def _listen_admin(config: Config, assembly: Assembly, stack: AsyncExitStack) -> str:
    """Where metrics and probes are answered, to the very end; "" when they are not."""
    if assembly.admin is None:
        return ""
    wanted = config.server.admin_address
    stack.push_async_callback(assembly.admin.close)
    try:
        port = await assembly.admin.start(*split_address(wanted))
    except OSError as error:
        # A grpc server that was started and never stopped keeps the process from ending.
        await assembly.server.stop(0.0)
        raise CommandError(f"cannot listen on {wanted}: {error.strerror or 'the address is in use'}") from None
    host = wanted.rpartition(":")[0]
    logger.info("serving_admin", extra={"admin": f"{host}:{port}"})
    return f"{host}:{port}"


async def _drain(config: Config, assembly: Assembly, face: HttpFace | None) -> None:
    """Load balancers and callers are told first, then runs may end, then their watchers, then the rest is closed."""
    logger.info("draining", extra={"live_runs": assembly.engine.status().live_runs})
    assembly.server.drain()
    if face is not None:
        await face.send_away()
    # Over HTTP as over gRPC: what would begin a run is refused by the engine, what is there can still be asked for.
    await assembly.engine.drain(config.server.drain_grace_s)
    await asyncio.gather(assembly.server.stop(CLOSING_S), *([face.stop(CLOSING_S)] if face else []))
    logger.info("stopped")


class Addresses(NamedTuple):
    """Where it listens; `http` is "" where it does not."""

    grpc: str
    http: str


def _welcome(config: Config, assembly: Assembly, found: Discovery, listens: Addresses, orphans: int) -> None:
    """What was found, where it listens, and a command to try: words for people, an event for machines."""
    providers = {name: section.base_url for name, section in config.providers.items()}
    providers.update({each.name: each.how for each in found.found})
    for note in (*found.notes, *cautions(config), *assembly.notes):
        logger.warning("caution", extra={"caution": note})
    chaos = announced(config.chaos)
    attempt = 'thinkaloud chat "What is 17*23? think first"'
    if config.tls.files or split_address(listens.grpc)[1] != 50051:
        attempt = attempt.replace(" chat ", f" chat --address {'https://' if config.tls.files else ''}{listens.grpc} ")
    if not sys.stderr.isatty():
        logger.info(
            "serving",
            extra={
                "grpc": listens.grpc,
                "http": listens.http,
                "tls": config.tls.kind,
                "reflection": config.server.reflects,
                "providers": providers,
                "default_model": assembly.default_model,
                "store": assembly.place,
                "settled_runs": orphans,
                **({"chaos": chaos} if chaos else {}),
                "try": attempt,
            },
        )
        return
    from thinkaloud_server.app.version import server_version

    scheme = "https" if config.tls.files else "http"
    spoken = ["gRPC", *filter(None, [config.tls.kind, "reflection on" if config.server.reflects else ""])]
    named = ", ".join(f"{name} ({how})" for name, how in providers.items())
    lines = [
        f"thinkaloud {server_version()}",
        f"  listens on  {listens.grpc} ({', '.join(spoken)})",
        *([f"              {scheme}://{listens.http} (REST, SSE, WebSocket)"] if listens.http else []),
        f"  providers   {named + ', demo' if named else 'demo alone: no key and no local model server was found'}",
        f"  model       {assembly.default_model}",
        f"  keeps in    {assembly.place}",
        f"  try         {attempt}",
    ]
    if chaos:
        lines.insert(1, f"  CHAOS       {chaos}")
    if orphans:
        lines.insert(-1, f"  settled     {orphans} runs that an earlier process left")
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
