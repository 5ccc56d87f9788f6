"""Log lines are events with fields, one line each, and never hold a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from thinkaloud_server.app import logs

CANARY = "sk-canary-8f3b1c"
logger = logging.getLogger("thinkaloud_server.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_is_put_back() -> Iterator[None]:
    root = logging.getLogger()
    kept = root.handlers[:], root.level, logging.raiseExceptions
    levels = {name: logging.getLogger(name).level for name in logs.OURS}
    costly = {name: getattr(logging, name) for name in ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing")}
    yield
    for name, value in costly.items():
        setattr(logging, name, value)
    root.handlers[:], logging.raiseExceptions = kept[0], kept[2]
    root.setLevel(kept[1])
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(False)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_its_fields() -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    logger.info("run_completed", extra={"run_id": "run_1", "first_token_ms": 2.5, "usage": {"output": 3}})
    (line,) = lines(stream)
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "run_completed",
        "logger": "thinkaloud_server.test",
        "run_id": "run_1",
        "first_token_ms": 2.5,
        "usage": {"output": 3},
    }


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param("\ud800 half a pair", "\ud800 half a pair", id="half a surrogate pair"),
        pytest.param("ü \u2028", "ü \u2028", id="not ascii"),
        pytest.param(logging.INFO, 20, id="number"),
        pytest.param(None, None, id="nothing"),
        pytest.param(ValueError("why"), "why", id="any object, as its text"),
    ],
)
def test_any_value_is_written_as_json(value: object, written: object) -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    logger.info("said", extra={"value": value})
    assert json.loads(stream.getvalue())["value"] == written


def test_a_field_cannot_replace_the_time_or_the_event() -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    logger.info("real", extra={"event": "fake", "level": "fake"})
    assert lines(stream)[0]["event"] == "real"
    assert lines(stream)[0]["level"] == "info"


def test_an_exception_carries_its_type_and_traceback_on_the_same_line() -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    try:
        raise KeyError("what")
    except KeyError:
        logger.exception("commit_failed", extra={"runs": 2})
    (line,) = lines(stream)
    assert line["exception"] == "KeyError"
    assert "test_logs.py" in line["traceback"]
    assert line["runs"] == 2


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_registered_secret_shows_nowhere(form: logs.Format) -> None:
    stream = io.StringIO()
    redact = logs.configure("info", form, stream=stream)
    odd = 'quo"ted-secret'
    longer = f"{CANARY}-and-more"
    redact.add([CANARY, longer, odd])
    try:
        raise RuntimeError(longer)
    except RuntimeError:
        logger.exception("upstream_failed", extra={"url": f"http://h?key={CANARY}", "nested": {"deep": [odd]}})
    logger.warning("said %s", CANARY)
    assert "canary" not in stream.getvalue()
    assert "ted-secret" not in stream.getvalue()
    assert "***-and-more" not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_short_secrets_do_not_eat_ordinary_words() -> None:
    redact = logs.Redactor(["a", ""])
    assert redact("a word") == "a word"


def test_of_a_callers_key_only_its_public_id_is_left() -> None:
    redact = logs.Redactor()
    key = "tk_0123456789_" + "s3cret" * 7 + "x"
    session = "ts_" + "s3cret" * 5 + "." + "s3cret" * 7
    token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl-_"
    assert redact(f"Bearer {key}, and {session}; {token}; tk_0123456789 ts_x eyJx.y") == (
        "Bearer tk_0123456789_***, and ts_***; eyJ***; tk_0123456789 ts_x eyJx.y"
    )


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_form_shows_a_callers_credential(form: logs.Format) -> None:
    stream = io.StringIO()
    logs.configure("info", form, stream=stream)
    token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl-_"
    logging.getLogger("thinkaloud_server.x").info("asked", extra={"by": f"tk_0123456789_{'s3cret' * 7}", "with": token})
    assert "tk_0123456789_***" in stream.getvalue()
    assert "eyJ***" in stream.getvalue()
    assert "s3cret" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("credential", ["tk_0123456789_" + "s3cret" * 7, "ts_" + "s3cret" * 5 + "." + "s3cret" * 7])
def test_a_callers_credential_shows_in_no_line(form: logs.Format, credential: str) -> None:
    stream = io.StringIO()
    logs.configure("info", form, stream=stream)
    logger.info("called", extra={"path": f"/api?key={credential}"})
    logger.info(f"called with {credential}")
    logger.info("called", extra={"nested": {"deep": [credential]}})
    assert "s3cret" not in stream.getvalue()
    assert stream.getvalue().count("***") == 3


def test_other_libraries_stay_at_warning_whatever_the_level() -> None:
    stream = io.StringIO()
    logs.configure("debug", stream=stream)
    for name in ("httpcore", "httpx", "aiohttp.client", "asyncio", "hpack"):
        logging.getLogger(name).debug("authorization: %s", CANARY)
        logging.getLogger(name).info("POST %s", CANARY)
    logger.debug("ours")
    assert [line["event"] for line in lines(stream)] == ["ours"]


def test_the_level_is_the_configured_one() -> None:
    stream = io.StringIO()
    logs.configure("error", stream=stream)
    logger.warning("no")
    logger.error("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_nobody_can_write_a_line_of_their_own(form: logs.Format) -> None:
    stream = io.StringIO()
    logs.configure("info", form, stream=stream)
    logger.info("one\ntwo %s", "three\r\nfour", extra={"field": "five\nsix \x1b[31m", "plain": "a b"})
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_text_in_colour_and_a_pipe_gets_json() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    logs.configure("info", stream=terminal)
    logger.info("serving", extra={"grpc": "127.0.0.1:1", "note": "two words", "empty": ""})
    logs.configure("info", stream=pipe)
    logger.info("serving")
    assert "\x1b[" in terminal.getvalue()
    assert 'note=\x1b[0m"two words"' in terminal.getvalue()
    assert 'empty=\x1b[0m""' in terminal.getvalue()
    assert lines(pipe)[0]["event"] == "serving"


def test_text_shows_a_traceback_below_its_event() -> None:
    stream = io.StringIO()
    logs.configure("info", "text", stream=stream)
    try:
        raise ValueError("x")
    except ValueError:
        logger.exception("failed")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("failed exception=ValueError")
    assert rest[0].startswith("Traceback")


def test_a_field_has_a_bound() -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    logger.info("big", extra={"text": "x" * 100_000, "list": ["y" * 100_000], "odd": object()})
    assert len(stream.getvalue()) < 2 * logs.FIELD_CHARS_MAX + 500


def test_configuring_again_leaves_one_handler() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("info", stream=first)
    logs.configure("info", stream=second)
    logger.info("once")
    assert not first.getvalue()
    assert len(lines(second)) == 1


def test_a_closed_standard_error_is_no_trouble() -> None:
    stream = io.StringIO()
    logs.configure("info", stream=stream)
    stream.close()
    logger.info("nobody reads this")
