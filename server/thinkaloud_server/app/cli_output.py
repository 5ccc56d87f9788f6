"""What commands print, and how they fail: plain text in a pipe, JSON on request, and the exit codes.

Only answers go to standard output, so that it can be piped; everything about them goes to standard error.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp
    from rich.console import Console

    from thinkaloud import events
    from thinkaloud.errors import ThinkaloudError

OK = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
INTERRUPTED = 130

EXIT_CODES = """\
exit codes:
  0    done
  1    it failed; standard error says why, with the code and the request id
  2    the command line or the configuration is wrong
  3    the server cannot be reached
  130  stopped by Ctrl-C"""


class CommandError(Exception):
    """A command cannot go on; the message is for people, the status for scripts."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def on_terminal() -> bool:
    """True when a person looks at standard output."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def console() -> Console:
    """Standard output for people; rich is imported only when somebody looks."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def say(text: str, *, style: str = "") -> None:
    """A line about the answer, on standard error."""
    codes = {"dim": "\x1b[2m", "error": "\x1b[31m", "warning": "\x1b[33m"}
    coloured = style in codes and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    sys.stderr.write(f"{codes[style]}{text}\x1b[0m\n" if coloured else f"{text}\n")
    sys.stderr.flush()


def write(text: str, end: str = "\n") -> None:
    """Answer text, on standard output."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def write_json(value: Any) -> None:
    write(json.dumps(value, ensure_ascii=False))


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned and with a head on a terminal; else one row a line, parted by tabs, for `cut` and `awk`."""
    if not on_terminal():
        for row in rows:
            write("\t".join(one_line(cell) for cell in row))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, name in enumerate(head):
        # Ids stand in the first columns and are copied from there: they are never cut.
        table.add_column(name, no_wrap=index < 2, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    console().print(table)


def write_text(text: str, *, margin: str = "", style: str = "") -> None:
    """A stored text: as it is in a pipe; on a terminal wrapped, and without what would drive the terminal."""
    if not on_terminal():
        write("\n".join(margin + line for line in text.split("\n")))
        return
    from rich.text import Text

    from thinkaloud_server.app.cli_markdown import clean

    screen = console()
    for line in Text(clean(text), style=style).wrap(screen, max(screen.width - len(margin), 20)):
        screen.print(Text(margin, style=style) + line)


def dollars(amount: float) -> str:
    """A sum of money without an exponent: $12, $0.25, $0.0042; at most six digits after the point."""
    text = f"{amount:,.2f}" if amount >= 100 else f"{amount:.6f}".rstrip("0").rstrip(".")
    return f"${text}" if amount == 0 or text != "0" else "<$0.000001"


def explain(error: ThinkaloudError) -> int:
    """Say what went wrong; the exit code for it."""
    from thinkaloud.errors import ConnectionLostError, TlsError

    if isinstance(error, TlsError) and not error.run_id:
        say(f"error: the server cannot be reached: {one_line(error.message)}", style="error")
        return UNREACHABLE
    if isinstance(error, ConnectionLostError) and not error.run_id:
        say(f"error: the server cannot be reached: {one_line(error.message)}", style="error")
        say("Is the server running? `thinkaloud serve` starts one; --address or THINKALOUD_ADDRESS says where it is.")
        return UNREACHABLE
    request = f" (request {error.request_id})" if error.request_id else ""
    say(f"error: {error.code}: {one_line(error.message)}{request}", style="error")
    if error.retry_after_s:
        say(f"Try again in {error.retry_after_s:g} s.")
    if error.run_id and isinstance(error, ConnectionLostError):
        say(f"The run may go on: thinkaloud chat --resume {error.run_id} --after {error.last_sequence}")
    return FAILED


def event_json(event: events.Event, run_id: str) -> dict[str, Any]:
    """An event as the JSON faces write it: `{"event", "sequence", "run_id", "data"}`."""
    data = dataclasses.asdict(event)
    sequence = data.pop("sequence")
    if data.get("reasoning", None) == "":
        del data["reasoning"]
    return {"event": _event_name(type(event).__name__), "sequence": sequence, "run_id": run_id, "data": data}


def message_json(message: Message) -> Mapping[str, Any]:
    """A message of the contract as JSON with the contract's own names."""
    from google.protobuf.json_format import MessageToDict

    found: Mapping[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return found


def _event_name(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def one_line(text: str) -> str:
    """One line without control characters, whatever a provider or a user wrote into it."""
    from thinkaloud_server.app.cli_markdown import clean

    return clean(" ".join(text.split()))


def when(moment: Timestamp) -> str:
    """For people: the time of today, or the day. In a pipe the whole moment."""
    if not moment.seconds:
        return ""
    then = datetime.fromtimestamp(moment.seconds).astimezone()
    if not on_terminal():
        return then.isoformat()
    today = then.date() == datetime.now().astimezone().date()
    return then.strftime("%H:%M:%S" if today else "%Y-%m-%d")


def say_more(token: str) -> None:
    """The list goes on, where it does."""
    if token:
        say("note: there are more; --limit shows up to 200", style="dim")
