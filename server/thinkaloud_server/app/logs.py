"""What the server writes to standard error: one event per line, with fields, never prose and never a secret.

`configure` is called once, before grpc is imported, and never again: reconfiguring `logging` while grpc runs
can deadlock the process (grpc issue 43421: a garbage collection under the logging lock that finalizes a call).
Later libraries must be told to leave logging alone.

An event is a name and the record's `extra` fields: `log.info("run_completed", extra={"run_id": ..., ...})`.
Lines that hold a registered secret show `***` in its place: the last net, not the first.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import NoneType
from typing import Any, Literal, TextIO

import msgspec

Format = Literal["auto", "json", "text"]

# Ours follow the configured level. Everybody else's stay at WARNING whatever it is: HTTP libraries log headers,
# and with them keys, at lower levels.
OURS = ("thinkaloud_server", "thinkaloud")
# What a bad request makes them say is the caller's fault, and would let callers fill the log.
ERRORS_ALONE = ("uvicorn.error", "python_multipart")
SECRET_CHARS_MIN = 6
FIELD_CHARS_MAX = 8_192
# API keys behind their public id, the credentials of WebSockets, and tokens of issuers. Each begins with letters of
# its own, as that makes looking for it cheap, and only then asks that no word goes before them.
_CREDENTIALS = (
    re.compile(r"(tk_(?<!\wtk_)[0-9A-Za-z]{10}_)[\w.-]{8,}"),
    re.compile(r"(ts_(?<!\wts_)(?=[\w-]{16}))[\w.-]{8,}"),
    re.compile(r"(eyJ(?<!\weyJ)(?=[\w-]+\.[\w-]+\.))[\w.-]{8,}"),
)

_SCALARS = frozenset((bool, int, float, NoneType))
_PLAIN_VALUES = _SCALARS | {str}
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_COLOURS = {
    "debug": "\x1b[2m",
    "info": "\x1b[36m",
    "warning": "\x1b[33m",
    "error": "\x1b[31m",
    "critical": "\x1b[31m",
}
_DIM, _PLAIN = "\x1b[2m", "\x1b[0m"


class Redactor:
    """Replaces registered secrets; short ones are left, or they would eat ordinary words. Of what has the form of a
    caller's key, which nobody could register, its public id stays.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets: list[str] = []
        self._written: tuple[str, ...] = ()
        self.add(secrets)

    def found_in(self, line: str) -> bool:
        """Whether a secret may stand in this line of JSON, as it is or escaped."""
        keys, sessions, tokens = _CREDENTIALS
        return any(secret in line for secret in self._written) or bool(
            keys.search(line) or sessions.search(line) or tokens.search(line)
        )

    def add(self, secrets: Sequence[str]) -> None:
        """Register more, once they are read."""
        long = {text for text in secrets if len(text) >= SECRET_CHARS_MIN}
        # The longest first: one secret may begin with another.
        self._secrets = sorted({*self._secrets, *long}, key=len, reverse=True)
        escaped = (json.dumps(secret, ensure_ascii=False)[1:-1] for secret in self._secrets)
        self._written = tuple({*self._secrets, *escaped})

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        for credential in _CREDENTIALS:
            text = credential.sub(r"\1***", text)
        return text


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, event, logger, then the event's own fields."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._plain(record) or self._cleaned(record)

    def _plain(self, record: logging.LogRecord) -> str:
        """The short way for nearly every record: "" when it has values of other kinds, long ones or secrets."""
        line = _begun(record, record.getMessage())
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                if type(value) not in _PLAIN_VALUES:
                    return ""
                line.setdefault(name, value)
        try:
            written = msgspec.json.encode(line).decode()
        except UnicodeEncodeError:  # half a surrogate pair
            return ""
        fits = len(written) <= FIELD_CHARS_MAX and record.exc_info is None
        return written if fits and not self._redact.found_in(written) else ""

    def _cleaned(self, record: logging.LogRecord) -> str:
        line = _begun(record, self._redact(record.getMessage()))
        for name, value in fields(record, self._redact):
            line.setdefault(name, value)
        try:
            return msgspec.json.encode(line).decode()
        except UnicodeEncodeError:  # half a surrogate pair, which is escaped
            return json.dumps(line)


class TextFormatter(logging.Formatter):
    """The same for a person at a terminal: time, event, then name=value; tracebacks on lines of their own."""

    def __init__(self, redact: Redactor, *, colour: bool) -> None:
        super().__init__()
        self._redact = redact
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()
        named = dict(fields(record, self._redact))
        stack = named.pop("traceback", None)
        head, dim, plain = (_COLOURS.get(level, ""), _DIM, _PLAIN) if self._colour else ("", "", "")
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        words = " ".join(f"{dim}{name}={plain}{_word(value)}" for name, value in named.items())
        event = _line(self._redact(record.getMessage()))
        line = f"{dim}{clock}{plain} {head}{level:<7}{plain} {event} {words}".rstrip()
        return f"{line}\n{stack}" if stack else line


def _begun(record: logging.LogRecord, event: str) -> dict[str, Any]:
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "event": event,
        "logger": record.name,
    }


def fields(record: logging.LogRecord, redact: Redactor) -> Iterator[tuple[str, Any]]:
    """The event's own fields, and those of its exception, bounded and without secrets."""
    for name, value in record.__dict__.items():
        if name not in _STANDARD:
            yield name, _clean(value, redact)
    if record.exc_info and record.exc_info[0] is not None:
        yield "exception", record.exc_info[0].__qualname__
        yield "traceback", _clean("".join(traceback.format_exception(*record.exc_info)).rstrip(), redact)


def configure(level: str, form: Format = "auto", *, stream: TextIO | None = None) -> Redactor:
    """Set logging up, once. Register keys with the returned redactor as soon as they are read.

    "auto" is text for people where standard error is a terminal, else JSON.
    """
    stream = sys.stderr if stream is None else stream
    redact = Redactor()
    terminal = stream.isatty()
    formatter: logging.Formatter = JsonFormatter(redact)
    if form == "text" or (form == "auto" and terminal):
        formatter = TextFormatter(redact, colour=terminal)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    for name in ERRORS_ALONE:
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.captureWarnings(True)
    # Nobody is told which line of ours, which thread or process said it, and finding that out costs half a record.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # A full disk or a closed pipe behind standard error is no reason to print tracebacks into it.
    logging.raiseExceptions = False
    return redact


def _clean(value: Any, redact: Redactor) -> Any:
    """Fields are short; one that is not is a bug that must not fill the disk."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {redact(str(name)): _clean(part, redact) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(part, redact) for part in value]
    text = redact(str(value))
    return text if len(text) <= FIELD_CHARS_MAX else text[:FIELD_CHARS_MAX] + "…"


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text and text.isprintable() and " " not in text else json.dumps(text, ensure_ascii=False)


def _line(text: str) -> str:
    """A message as one line: whoever chose its words must not be able to write lines of their own."""
    return text if text.isprintable() else json.dumps(text, ensure_ascii=False)[1:-1]
