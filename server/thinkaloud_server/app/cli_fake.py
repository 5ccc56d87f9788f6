"""`thinkaloud fake-provider`: its flags, and what they come to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thinkaloud_server.app.cli_output import OK, USAGE, CommandError, say

if TYPE_CHECKING:
    from thinkaloud_server.app.fake_provider import Repertoire
    from thinkaloud_server.engine.chaos import Chance

SCRIPT_BYTES_MAX = 16 << 20

DESCRIPTION = """\
Serve scripted or recorded answers in every dialect over real HTTP, to test clients and deployments against good days
and bad ones. Each dialect is at its own paths, whatever stands before them: /v1/chat/completions, /v1/responses,
/v1/messages, /v1beta/models/NAME:streamGenerateContent, /api/chat, /v2/chat, /model/NAME/converse-stream; and so are
their listings. Keys are not asked for. Without a script or a recording it answers the prompt as the demo model of the
name that is asked for (reasoner, tools, slow, long, tags, …), else as `reasoner`.

When it is ready it prints one line on standard output, `ready http=HOST:PORT`; everything else goes to standard error.
It listens on this machine alone unless --host says otherwise, and stops on SIGTERM or Ctrl-C."""

EPILOG = """\
faults are KIND;NAME=VALUE;… of
  latency       seconds=2                    silence before the head of the answer
  stall         seconds=, PLACE              silence; without seconds for ever, without a place before the head
  reset         PLACE                        the connection breaks; without a place before the head
  garbage       PLACE (after_frames=0)       bytes of no format, then the rest
  truncated     PLACE (after_frames=2)       a clean end, too early
  status        status=503;retry_after_s=;body=   a refusal; body takes the rest of the text
  slow_bytes    bytes_per_s=100
  never_ending  PLACE (after_frames=3)       the same frame again and again
PLACE is after_bytes=N or after_frames=N; a frame is one event, line or binary message, which is about a token;
and `attempts=N` spares all but the first N requests. A number before it is its probability: --fault "0.1 reset".
A request's header x-thinkaloud-fault asks for one, too.

try:
  thinkaloud fake-provider --port 9100 --pace 40
  thinkaloud fake-provider --port 9100 --script answer.toml --fault "reset;after_frames=10;attempts=1"
  THINKALOUD_PROVIDERS__FAKE__BASE_URL=http://127.0.0.1:9100/v1 thinkaloud serve

exit codes:
  0    stopped
  1    it cannot listen: the address is in use
  2    the command line, the script or the recordings are wrong"""


def add_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=int, default=9100, metavar="PORT", help="(default: 9100); 0 takes a free one")
    command.add_argument("--host", default="127.0.0.1", metavar="HOST", help="(default: 127.0.0.1)")
    command.add_argument("--dialect", default="all", metavar="NAME,…", help="serve these alone (default: all)")
    said = command.add_mutually_exclusive_group()
    said.add_argument("--script", type=Path, metavar="FILE", help="what to say: steps as TOML (.toml) or JSON lines")
    said.add_argument("--replay", type=Path, metavar="FILE|DIR", help="recorded bodies; of a folder the asked model's")
    command.add_argument("--pace", type=float, default=0.0, metavar="TOKENS_PER_S", help="(default: as it comes)")
    command.add_argument("--cut", metavar="BYTES|random", help="write in pieces of this size, wherever they fall")
    command.add_argument("--fault", action="append", default=[], metavar="SPEC", help="what goes wrong; see below")
    command.add_argument("--seed", type=int, metavar="N", help="of everything that is left to chance")


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal. Raises CommandError when it cannot start."""
    import asyncio
    import random

    from thinkaloud_server.app.fake_answer import Manner, cutting
    from thinkaloud_server.app.fake_provider import FakeProvider
    from thinkaloud_server.app.fake_serve import serve

    if not 0 <= arguments.port <= 65_535:
        raise CommandError("--port: must be 0 to 65535", USAGE)
    if not 0 <= arguments.pace <= 1e6:
        raise CommandError("--pace: must be a number of tokens a second", USAGE)
    chance = random.Random(arguments.seed)
    try:
        cut = None if arguments.cut is None else cutting(arguments.cut, chance)
    except ValueError as error:
        raise CommandError(f"--cut: {error}", USAGE) from None
    repertoire = _repertoire(arguments)
    fake = FakeProvider(
        repertoire,
        manner=Manner(pace=arguments.pace, cut=cut),
        faults=_faults(arguments.fault),
        chance=chance,
        told=lambda line: say(line, style="dim"),
    )
    asyncio.run(serve(fake, repertoire, host=arguments.host, port=arguments.port, faults=arguments.fault))
    return OK


def _repertoire(arguments: argparse.Namespace) -> Repertoire:
    from thinkaloud_server.app.fake_provider import Repertoire
    from thinkaloud_server.app.fake_replay import Replay, ReplayError
    from thinkaloud_server.providers.encoders import ENCODINGS

    dialects = tuple(name.strip() for name in arguments.dialect.split(",") if name.strip())
    if dialects == ("all",):
        dialects = tuple(ENCODINGS)
    if unknown := [name for name in dialects if name not in ENCODINGS] or ([""] if not dialects else []):
        raise CommandError(f"--dialect: {unknown[0]!r} is none of all, {', '.join(ENCODINGS)}", USAGE)
    try:
        replay = Replay(arguments.replay) if arguments.replay is not None else None
    except ReplayError as error:
        raise CommandError(f"--replay: {error}", USAGE) from None
    steps: tuple[Any, ...] = _script(arguments.script) if arguments.script is not None else ()
    return Repertoire(dialects, steps, replay)


def _script(file: Path) -> tuple[Any, ...]:
    from thinkaloud_server.providers.encoders.script import read_script

    try:
        with file.open(encoding="utf-8") as stream:
            return read_script(stream.read(SCRIPT_BYTES_MAX), toml=file.suffix == ".toml")
    except UnicodeDecodeError:
        raise CommandError(f"--script: {file}: not UTF-8 text", USAGE) from None
    except ValueError as error:
        raise CommandError(f"--script: {file}: {error}", USAGE) from None
    except OSError as error:
        raise CommandError(f"--script: {file}: {error.strerror}", USAGE) from None


def _faults(texts: list[str]) -> list[Chance]:
    """A number before a fault is its probability; without one it is certain."""
    from thinkaloud_server.core.fault import parse
    from thinkaloud_server.engine.chaos import Chance

    chances = []
    for text in texts:
        number, space, rest = text.strip().partition(" ")
        try:
            probability = float(number) if space else 1.0
        except ValueError:
            probability, rest = 1.0, text
        try:
            fault = parse(rest if space else text)
        except ValueError as error:
            raise CommandError(f"--fault: {error}", USAGE) from None
        if not 0 <= probability <= 1:
            raise CommandError("--fault: a probability is 0 to 1", USAGE)
        chances.append(Chance(fault, probability))
    if sum(chance.probability for chance in chances) > 1 + 1e-9:
        raise CommandError("--fault: the probabilities add up to more than 1; give each its own, as '0.1 reset'", USAGE)
    return chances
