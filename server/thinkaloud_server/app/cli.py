"""The command line: what there is, and where each command lives.

Only argparse is imported here, so that `--help` and mistakes answer at once; a command brings what it needs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thinkaloud_server.app import cli_fake, cli_gateway, cli_keys, cli_login, cli_tls
from thinkaloud_server.app.cli_output import EXIT_CODES, INTERRUPTED, CommandError, explain, say, write

if TYPE_CHECKING:
    # The type that add_subparsers() returns has no public name.
    Commands = argparse._SubParsersAction["_Parser"]

EFFORTS = ("none", "minimal", "low", "medium", "high", "max")
STATES = ("running", "completed", "failed")
REASONING = ("none", "optional", "mandatory", "any")
_BROKEN_PIPE = 128 + signal.SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit code; argparse itself ends with 2 on a bad command line."""
    arguments = parser().parse_args(argv)
    # grpc's own library writes lines of its own form to standard error; what matters of them is raised as well.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        return _run(arguments)
    except CommandError as error:
        say(f"error: {error}", style="error")
        return error.status
    except KeyboardInterrupt:
        say("stopped", style="warning")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read standard output has had enough (`| head`); Python must not complain at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "serve":
            from thinkaloud_server.app import serve

            return serve.run(arguments)
        case "gateway":
            from thinkaloud_server.app import gateway

            return gateway.run(arguments)
        case "config":
            from thinkaloud_server.app import cli_config

            return cli_config.check(arguments)
        case "keys":
            return cli_keys.run(arguments)
        case "fake-provider":
            return cli_fake.run(arguments)
        case "descriptors":
            from thinkaloud_server.app import cli_descriptors

            return cli_descriptors.run(arguments)
        case "version":
            from thinkaloud_server.app.version import server_version

            write(f"thinkaloud {server_version()}")
            return 0
    from thinkaloud.errors import ThinkaloudError

    try:
        if arguments.command == "chat":
            from thinkaloud_server.app import cli_chat

            return cli_chat.run(arguments)
        if arguments.command in ("login", "logout"):
            return cli_login.run(arguments)
        from thinkaloud_server.app import cli_lists

        return cli_lists.run(arguments)
    except ThinkaloudError as error:
        return explain(error)


def parser() -> argparse.ArgumentParser:
    """Every command with its flags."""
    top = _Parser(
        prog="thinkaloud",
        description="Chat with models that think aloud: reasoning and answer as a stream that nothing can cut.",
        epilog='try:\n  thinkaloud serve\n  thinkaloud chat "What is 17*23? think first"\n\n' + EXIT_CODES,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _serve(commands)
    _gateway(commands)
    _chat(commands)
    _models(commands)
    _runs(commands)
    _conversations(commands)
    _uploads(commands)
    keys = commands.add_parser(
        "keys", help="make, list and revoke API keys", description=cli_keys.DESCRIPTION, epilog=cli_keys.EPILOG
    )
    cli_keys.add_flags(keys)
    login = _add(commands, "login", "log in to a server in a browser, where it believes an issuer of tokens")
    login.description = cli_login.DESCRIPTION
    cli_login.add_flags(login)
    _add(commands, "logout", "forget the login for a server")
    _add(commands, "whoami", "who you are to the server").set_defaults(call="whoami")
    health = _add(commands, "health", "how the server is; exit code 0 only when it is healthy")
    health.set_defaults(call="health")
    config = commands.add_parser("config", help="the configuration")
    check = config.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "check",
        help="print the effective configuration, secrets masked",
        description="Check the configuration, and print the effective one as TOML with secrets masked.",
    )
    _config_flags(check)
    fake = commands.add_parser(
        "fake-provider",
        help="stand in for any provider, with faults on purpose, to test clients against",
        description=cli_fake.DESCRIPTION,
        epilog=cli_fake.EPILOG,
    )
    cli_fake.add_flags(fake)
    descriptors = commands.add_parser(
        "descriptors",
        help="write the contract as a descriptor set",
        description="Write the contract as a descriptor set (protobuf's FileDescriptorSet) to standard output, for\n"
        "programs that read one, as Envoy's transcoder and grpcurl -protoset do.",
    )
    descriptors.add_argument(
        "--without-response-body",
        action="store_true",
        help="as Envoy's transcoder needs it, which answers whole messages",
    )
    commands.add_parser("version", help="print the version")
    return top


class _Parser(argparse.ArgumentParser):
    """Keeps the line breaks of epilogs, and takes no abbreviated flags: scripts would break with each new one."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)


def _add(commands: Commands, name: str, about: str, *, action: bool = False) -> _Parser:
    """A command that asks a server, or an action of one."""
    description = about[:1].upper() + about[1:] + "."
    added = commands.add_parser(name, help=about, description=description, epilog=EXIT_CODES)
    # An action's flags have no defaults of their own: they would undo what stands before the action.
    _client_flags(added, {"default": argparse.SUPPRESS} if action else {})
    return added


def _client_flags(command: argparse.ArgumentParser, options: dict[str, Any]) -> None:
    command.add_argument(
        "--address",
        metavar="[https://]HOST:PORT",
        help="the server (default: THINKALOUD_ADDRESS, else 127.0.0.1:50051); THINKALOUD_API_KEY is the key "
        "for it, else `thinkaloud login` is used",
        **options,
    )
    cli_tls.add_client_flags(command, options)
    command.add_argument(
        "--plaintext-key",
        action="store_true",
        help="send the key to another machine also without TLS (default: THINKALOUD_PLAINTEXT_KEY)",
        **options,
    )
    command.add_argument("--json", action="store_true", help="one JSON object per line", **options)


def _config_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the TOML file (default: THINKALOUD_CONFIG, else thinkaloud.toml in the user's configuration directory)",
    )
    command.add_argument("--data-dir", type=Path, metavar="DIR", help="where runs and conversations are kept")
    command.add_argument(
        "--grpc-address",
        metavar="HOST:PORT",
        help="where to listen (default: 127.0.0.1:50051); port 0 takes a free one",
    )
    command.add_argument(
        "--http-address",
        metavar="HOST:PORT",
        help="where to serve HTTP (default: 127.0.0.1:8000); port 0 takes a free one, off turns it off",
    )
    command.add_argument(
        "--admin-address", metavar="HOST:PORT", help="answer /metrics, /healthz and /readyz there (default: nowhere)"
    )
    cli_tls.add_server_flags(command)
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: 1; more need PostgreSQL)")
    command.add_argument(
        "--insecure", action="store_true", default=None, help="let everybody who reaches the server use it"
    )
    command.add_argument(
        "--auth",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="ask callers for an API key (default: no, on loopback only; `thinkaloud keys create` makes keys)",
    )
    command.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="(default: info)")


def _serve(commands: Commands) -> None:
    serve = commands.add_parser(
        "serve",
        help="run the server",
        description=(
            "Run the server until SIGTERM or Ctrl-C, which let live runs end first (server.drain_grace_s); a second\n"
            "one stops at once. When it is ready it prints one line on standard output, `ready grpc=HOST:PORT\n"
            "http=HOST:PORT`, and nothing else there; the welcome and the logs go to standard error.\n\n"
            "Settings come from a TOML file, then from THINKALOUD_SECTION__KEY variables, then from flags; later ones\n"
            "win. `thinkaloud config check` prints what they come to."
        ),
        epilog="exit codes:\n  0    drained and stopped\n  1    it cannot start: the address is in use, or the data\n"
        "  2    the command line or the configuration is wrong\n  130  stopped at once by Ctrl-C (143: by SIGTERM)",
    )
    _config_flags(serve)


def _gateway(commands: Commands) -> None:
    gateway = commands.add_parser(
        "gateway",
        help="serve HTTP in front of a gRPC server that runs elsewhere",
        description=cli_gateway.DESCRIPTION,
        epilog=cli_gateway.EPILOG,
    )
    cli_gateway.add_flags(gateway)


def _chat(commands: Commands) -> None:
    chat = _add(commands, "chat", "ask a model and watch it think and answer")
    chat.description = (
        "Ask a model and watch it think and answer. Without TEXT on a terminal: a conversation at a prompt. In a\n"
        "pipe only the answer is printed. Ctrl-C stops the run."
    )
    chat.add_argument("text", nargs="*", metavar="TEXT", help="what to ask; - reads standard input")
    chat.add_argument("--model", metavar="PROVIDER/NAME", help="(default: the server's current model)")
    chat.add_argument("--effort", choices=EFFORTS, help="how much the model thinks")
    chat.add_argument("--conversation", metavar="ID", default="", help="continue this conversation")
    chat.add_argument("--system", metavar="TEXT", help="instructions for the model; such a turn is in no conversation")
    shown = chat.add_mutually_exclusive_group()
    shown.add_argument(
        "--show-reasoning", action="store_true", help="keep the reasoning on screen (in a pipe: on standard error)"
    )
    shown.add_argument("--no-reasoning", action="store_true", help="do not ask to see the reasoning")
    chat.add_argument("--detach", action="store_true", help="begin the run, print its id, and let it go on alone")
    chat.add_argument("--resume", metavar="RUN_ID", help="watch this run again, live or ended")
    chat.add_argument("--after", metavar="N", type=int, default=0, help="with --resume: only what follows event N")


def _models(commands: Commands) -> None:
    models = _add(commands, "models", "list the models; * marks the current one")
    models.set_defaults(call="models list")
    models.add_argument("--provider", metavar="NAME", default="", help="only of this provider")
    models.add_argument("--search", metavar="TEXT", default="", help="only with this text in the name")
    models.add_argument(
        "--min-context", type=_tokens, metavar="N", default=0, help="only with so many tokens of context (64000, 64k)"
    )
    models.add_argument("--reasoning", choices=REASONING, default="", help="only those that reason like this")
    actions = models.add_subparsers(dest="action", metavar="ACTION")
    switch = _add(actions, "switch", "use another model from now on", action=True)
    switch.set_defaults(call="models switch")
    switch.add_argument("model_id", metavar="PROVIDER/NAME")


def _tokens(text: str) -> int:
    """A number of tokens: 64000, 64k or 1M."""
    factor = {"k": 1000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    digits = text[:-1] if factor > 1 else text
    if not digits.isascii() or not digits.isdigit() or int(digits) * factor >= 2**31:
        raise argparse.ArgumentTypeError(f"expected a number of tokens, as 64000 or 64k, got {text!r}")
    return int(digits) * factor


def _runs(commands: Commands) -> None:
    runs = _add(commands, "runs", "list runs, newest first")
    runs.set_defaults(call="runs list")
    runs.add_argument("--state", choices=STATES, default="", help="only in this state")
    runs.add_argument("--conversation", metavar="ID", default="", help="only of this conversation")
    runs.add_argument("--limit", type=int, metavar="N", default=50, help="at most so many (default: 50, up to 200)")
    actions = runs.add_subparsers(dest="action", metavar="ACTION")
    for name, about in (("show", "one run and its result"), ("stop", "stop a live run")):
        action = _add(actions, name, about, action=True)
        action.set_defaults(call=f"runs {name}")
        action.add_argument("run_id", metavar="RUN_ID")
        if name == "show":
            action.add_argument("--show-reasoning", action="store_true", help="with its reasoning")


def _conversations(commands: Commands) -> None:
    conversations = _add(commands, "conversations", "list conversations, last used first")
    conversations.set_defaults(call="conversations list")
    conversations.add_argument(
        "--limit", type=int, metavar="N", default=50, help="at most so many (default: 50, up to 200)"
    )
    actions = conversations.add_subparsers(dest="action", metavar="ACTION")
    listed = _add(actions, "list", "the same as without an action", action=True)
    listed.set_defaults(call="conversations list")
    for name, about in (("show", "the messages of a conversation"), ("delete", "delete a conversation and its runs")):
        action = _add(actions, name, about, action=True)
        action.set_defaults(call=f"conversations {name}")
        action.add_argument("conversation_id", metavar="CONVERSATION_ID")
        if name == "show":
            action.add_argument("--show-reasoning", action="store_true", help="with its reasoning")


def _uploads(commands: Commands) -> None:
    upload = _add(commands, "upload", "store a file on the server, and print its id")
    upload.set_defaults(call="upload")
    upload.add_argument("file", metavar="FILE", help="what to store; - reads standard input")
    upload.add_argument("--name", metavar="NAME", help="its name (default: that of the file)")
    upload.add_argument("--type", metavar="TYPE", help="its media type, as image/png (default: by the name)")
    uploads = _add(commands, "uploads", "list uploaded files, newest first")
    uploads.set_defaults(call="uploads list")
    uploads.add_argument("--limit", type=int, metavar="N", default=50, help="at most so many (default: 50, up to 200)")
    actions = uploads.add_subparsers(dest="action", metavar="ACTION")
    for name, about in (("get", "bring a file back"), ("delete", "delete an uploaded file")):
        action = _add(actions, name, about, action=True)
        action.set_defaults(call=f"uploads {name}")
        action.add_argument("upload_id", metavar="UPLOAD_ID")
        if name == "get":
            action.add_argument("to", metavar="FILE", help="where to; - writes standard output")
