"""The flags of `thinkaloud gateway`, and what its --help says."""

from __future__ import annotations

import argparse

from thinkaloud_server.app import cli_tls

DESCRIPTION = """\
Serve REST, SSE and WebSocket in front of a gRPC server that runs elsewhere, until SIGTERM or Ctrl-C: these let what is
under way end (30 s), a second one stops at once. When it is ready it prints one line on standard output,
`ready http=HOST:PORT upstream=HOST:PORT`; everything else goes to standard error. It keeps nothing: run as many as
you like. `thinkaloud serve` needs none: it has the same face in its own process."""

EPILOG = """\
exit codes:
  0    drained and stopped
  1    it cannot start: the address is in use
  2    the command line is wrong, or other machines could use a server that asks nobody for a key
  130  stopped at once by Ctrl-C (143: by SIGTERM)"""


def add_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--upstream", required=True, metavar="[https://]HOST:PORT", help="the gRPC server")
    cli_tls.add_client_flags(command, {})
    command.add_argument(
        "--http-address",
        default="127.0.0.1:8000",
        metavar="HOST:PORT",
        help="where to listen (default: 127.0.0.1:8000); port 0 takes a free one",
    )
    cli_tls.add_server_flags(command)
    command.add_argument(
        "--auth",
        action="store_true",
        help="the server asks for keys; that is found out where the gateway listens for other machines, and needs "
        "this word only while the server cannot be reached",
    )
    command.add_argument("--insecure", action="store_true", help="let everybody who reaches the gateway use it")
    command.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default: info)"
    )
