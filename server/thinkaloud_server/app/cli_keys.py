"""`thinkaloud keys`: make, list and revoke API keys, in the data directory and without a server.

A running server takes notice within two seconds. Only argparse is imported here; a command brings what it needs.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from thinkaloud_server.app.cli_output import (
    EXIT_CODES,
    FAILED,
    OK,
    USAGE,
    CommandError,
    on_terminal,
    say,
    write,
    write_json,
    write_table,
)

if TYPE_CHECKING:
    from thinkaloud_server.app.config import Config
    from thinkaloud_server.core.identity import Allowance
    from thinkaloud_server.core.key import Key

SCOPES = ("read", "chat", "admin")
_UNITS = {"m": 60, "h": 3600, "d": 86_400}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_NAME_CHARS_MAX = 64
_PATTERN = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,256}\Z")  # printable, no space and no comma
_MODELS_MAX = 32

DESCRIPTION = """\
Make, list and revoke the API keys of the server that keeps its data in this data directory; it need not run, and takes
notice within two seconds when it does. A server asks for keys with --auth (identity.required = true)."""

EPILOG = f"""\
try:
  thinkaloud keys create --name laptop
  THINKALOUD_API_KEY=tk_... thinkaloud chat "What is 17*23?"

{EXIT_CODES}"""

_LIMITS: tuple[tuple[str, type[int] | type[float], str], ...] = (
    ("requests_per_minute", int, "calls a minute"),
    ("runs", int, "runs at a time"),
    ("streams", int, "open streams at a time"),
    ("sockets", int, "open WebSockets at a time"),
    ("tokens_per_day", int, "tokens a day, asked and answered"),
    ("cost_per_day", float, "US dollars a day"),
)


def add_flags(keys: argparse.ArgumentParser) -> None:
    """The actions of `keys` with their flags."""
    from pathlib import Path

    actions = keys.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="make a key, and print it this once", epilog=EXIT_CODES)
    _create_flags(create)
    listed = actions.add_parser("list", help="list keys, new ones first; never a secret", epilog=EXIT_CODES)
    revoke = actions.add_parser("revoke", help="take a key back, for good", epilog=EXIT_CODES)
    revoke.add_argument("key_id", metavar="ID", help="what the key begins with, as tk_7Qe2...; or the whole key")
    for action in (create, listed, revoke):
        action.add_argument("--config", type=Path, metavar="FILE", help="the server's TOML file, as for `serve`")
        action.add_argument("--data-dir", type=Path, metavar="DIR", help="the server's data directory, as for `serve`")
        action.add_argument("--json", action="store_true", help="one JSON object per line")


def _create_flags(create: argparse.ArgumentParser) -> None:
    create.add_argument("--name", type=_name, required=True, metavar="TEXT", help="what or whom it is for")
    create.add_argument(
        "--tenant",
        type=_tenant,
        metavar="TENANT",
        help="whose things it sees (default: nobody else's; `default` sees what was stored before there were keys)",
    )
    create.add_argument(
        "--scopes",
        type=_scopes,
        default=("read", "chat"),
        metavar="LIST",
        help="some of read,chat,admin (default: read,chat)",
    )
    create.add_argument(
        "--models",
        type=_models,
        default=(),
        metavar="LIST",
        help="which may be asked, as 'openai/*,demo/*' (default: all)",
    )
    create.add_argument(
        "--expires", type=_duration, default=0, metavar="TIME", help="after 90d, 12h or 30m (default: never)"
    )
    for name, kind, about in _LIMITS:
        flag = f"--{name.replace('_', '-')}"
        create.add_argument(flag, type=_limit(kind), metavar="N", help=f"at most so many {about}; 0 for no limit")


def run(arguments: argparse.Namespace) -> int:
    """The action that was parsed. Returns its exit code."""
    from thinkaloud_server.app import cli_config
    from thinkaloud_server.app.config_load import ConfigError
    from thinkaloud_server.core.errors import ChatError

    config = cli_config.effective(arguments)
    try:
        match arguments.action:
            case "create":
                return _create(arguments, config)
            case "list":
                return _list(arguments, config)
            case _:
                return _revoke(arguments, config)
    except ConfigError as error:
        raise CommandError(str(error), USAGE) from None
    except ChatError as error:
        raise CommandError(error.message) from None


def _create(arguments: argparse.Namespace, config: Config) -> int:
    from thinkaloud_server.app.clock import new_id
    from thinkaloud_server.app.identity import make_key
    from thinkaloud_server.core.identity import Identity

    made = make_key(
        config,
        os.environ,
        name=arguments.name,
        identity=Identity(
            tenant=arguments.tenant or new_id("tenant"),
            key_id="",
            scopes=frozenset(arguments.scopes),
            models=arguments.models,
            allowance=_allowance(arguments),
            expires_at=time.time() + arguments.expires if arguments.expires else 0.0,
        ),
    )
    if arguments.json:
        write_json({"key": made.text, **_told(made.key)})
    elif on_terminal():
        write_table(("", ""), [("key", made.text), *_facts(made.key)])
        say("Keep the key now: it is shown this once, and only its hash is kept.")
        say("  export THINKALOUD_API_KEY=<the key>", style="dim")
    else:
        write(made.text)
    if not arguments.tenant:
        say(
            "The key has a tenant of its own, and sees nothing that others store; "
            "--tenant default sees what was stored before there were keys.",
            style="dim",
        )
    if not config.identity.required:
        say("The server asks nobody for a key: serve with --auth, or set identity.required = true.", style="warning")
    return OK


def _list(arguments: argparse.Namespace, config: Config) -> int:
    from thinkaloud_server.app.identity import open_keys

    with open_keys(config) as file:
        keys = file.all()
    if arguments.json:
        for key in keys:
            write_json(_told(key))
        return OK
    rows = [
        (told["key_id"], told["name"], told["state"], told["tenant"], ",".join(told["scopes"]), told["last_used_at"])
        for told in map(_told, keys)
    ]
    write_table(("id", "name", "state", "tenant", "scopes", "last used"), rows)
    return OK


def _revoke(arguments: argparse.Namespace, config: Config) -> int:
    from thinkaloud_server.app.identity import open_keys
    from thinkaloud_server.identity.key import key_id_of

    key_id = key_id_of(arguments.key_id)
    with open_keys(config) as file:
        done = file.revoke(key_id, time.time())
        found = next((key for key in file.all() if key.key_id == key_id), None)
    if found is None:
        raise CommandError(f"there is no key {key_id}; `thinkaloud keys list` shows those that there are", FAILED)
    if arguments.json:
        write_json(_told(found))
    else:
        write(found.key_id)
    say(f"{found.name}: " + ("revoked; its open streams end within seconds" if done else "was revoked before"))
    return OK


def _told(key: Key) -> dict[str, Any]:
    """A key as JSON: everything but its hash."""
    from dataclasses import asdict

    identity = key.identity
    return {
        "key_id": key.key_id,
        "name": key.name,
        "state": _state(key),
        "tenant": identity.tenant,
        "scopes": [scope for scope in SCOPES if scope in identity.scopes],
        "models": list(identity.models),
        "allowance": {name: value for name, value in asdict(identity.allowance).items() if value is not None},
        "created_at": _when(key.created_at),
        "expires_at": _when(identity.expires_at),
        "revoked_at": _when(key.revoked_at),
        "last_used_at": _when(key.last_used_at),
    }


def _facts(key: Key) -> list[tuple[str, str]]:
    told = _told(key)
    facts = [(name, told[name]) for name in ("key_id", "tenant", "expires_at") if told[name]]
    return [*facts, *((name, ", ".join(told[name])) for name in ("scopes", "models") if told[name])]


def _state(key: Key) -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if 0 < key.identity.expires_at <= time.time() else "active"


def _when(at: float) -> str:
    """RFC 3339, to the second; "" for never."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) if at else ""


def _allowance(arguments: argparse.Namespace) -> Allowance:
    from thinkaloud_server.core.identity import Allowance

    given: Mapping[str, Any] = vars(arguments)
    return Allowance(
        **{("cost_usd_per_day" if name == "cost_per_day" else name): given[name] for name, _, _ in _LIMITS}
    )


def _name(text: str) -> str:
    if not 0 < len(text) <= _NAME_CHARS_MAX or not text.isprintable():
        raise argparse.ArgumentTypeError(f"expected 1 to {_NAME_CHARS_MAX} printable characters")
    return text


def _tenant(text: str) -> str:
    if not _WORD.match(text):
        raise argparse.ArgumentTypeError("expected letters, digits, '-', '_' and '.', at most 64")
    return text


def _scopes(text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not words or set(words) - set(SCOPES):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(SCOPES)}, got {text!r}")
    return words


def _models(text: str) -> tuple[str, ...]:
    patterns = tuple(word.strip() for word in text.split(",") if word.strip())
    if len(patterns) > _MODELS_MAX or not all(_PATTERN.match(each) and "/" in each for each in patterns):
        raise argparse.ArgumentTypeError(f"expected at most {_MODELS_MAX} patterns as openai/*, parted by commas")
    return patterns


def _duration(text: str) -> int:
    """Seconds of 90d, 12h or 30m."""
    digits, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not (digits.isascii() and digits.isdigit()) or not 0 < int(digits) <= 100_000:
        raise argparse.ArgumentTypeError(f"expected a time as 90d, 12h or 30m, got {text!r}")
    return int(digits) * _UNITS[unit]


def _limit(kind: type[int] | type[float]) -> Any:
    def parse(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            number = -1
        if not 0 <= number < 2**53:
            raise argparse.ArgumentTypeError(f"expected a number from 0 on, got {text!r}")
        return number

    return parse
