"""Checks of single fields that several requests share. Each raises a ChatError that names the field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from thinkaloud_server.core.errors import ChatError, ErrorReason, invalid
from thinkaloud_server.core.identifier import Prefix, check_id

METADATA_ENTRIES_MAX = 16
METADATA_KEY_CHARS_MAX = 64
METADATA_VALUE_CHARS_MAX = 512
TITLE_CHARS_MAX = 200
MODEL_CHARS_MAX = 256
IDEMPOTENCY_KEY_CHARS_MAX = 255
PAGE_TOKEN_CHARS_MAX = 1024
SOCKET_PATH_CHARS_MAX = 512
PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200

_PRINTABLE = re.compile(r"[\x20-\x7e]+\Z")

Word = TypeVar("Word", bound=str)


def clean(field: str, text: str) -> str:
    """Text without NUL, which no database and few providers take."""
    if "\0" in text:
        raise invalid(field, "must not contain NUL (U+0000)")
    return text


def identifier(field: str, prefix: Prefix, text: str) -> str:
    """An id of this type. Raises ChatError(INVALID_ID)."""
    try:
        return check_id(prefix, text)
    except ChatError as error:
        raise ChatError(error.reason, f"{field}: {error.message}", violations=((field, error.message),)) from error


def model_id(field: str, text: str) -> str:
    """A model as users type it; whether there is one is the engine's to say."""
    clean(field, text)
    if len(text) > MODEL_CHARS_MAX:
        raise invalid(field, f'must be "provider/name" of at most {MODEL_CHARS_MAX} characters, got {len(text)}')
    return text


def bounded(text: str, field: str, chars_max: int) -> str:
    """Text of at most this many characters. Raises ChatError(TEXT_TOO_LONG)."""
    if len(text) > chars_max:
        problem = f"must be at most {chars_max} characters, got {len(text)}"
        raise ChatError(
            ErrorReason.TEXT_TOO_LONG,
            f"{field}: {problem}",
            violations=((field, problem),),
            details={"limit": chars_max, "actual": len(text)},
        )
    return clean(field, text)


def one_of(field: str, word: str, words: tuple[Word, ...]) -> Word:
    """One of these words."""
    for known in words:
        if word == known:
            return known
    said = ", ".join(f'"{known}"' for known in words)
    raise invalid(field, f"must be one of {said}, got {word[:40]!r}")


def integer(field: str, number: int, least: int, most: int | None = None) -> int:
    """A number in this range."""
    if number < least or (most is not None and number > most):
        meant = f"{least} to {most}" if most is not None else f"{least} or more"
        raise invalid(field, f"must be {meant}, got {number}")
    return number


def real(field: str, number: float, least: float, most: float) -> float:
    """A finite number in this range."""
    if not math.isfinite(number) or not least <= number <= most:
        raise invalid(field, f"must be {least:g} to {most:g}, got {number:g}")
    return number


def page_size(number: int, *, default: int = PAGE_SIZE_DEFAULT, most: int = PAGE_SIZE_MAX) -> int:
    """The entries of a page; 0 is the default. What is left out is what every list has, unless it says otherwise."""
    return integer("page_size", number, 1, most) if number else default


def socket_path(name: str, text: str) -> str:
    """The path of a WebSocket, as it stands in its address."""
    if not text.startswith("/") or len(text) > SOCKET_PATH_CHARS_MAX or not _PRINTABLE.match(text) or "?" in text:
        problem = (
            f"must be the path of a WebSocket, as /api/v1/chat/stream, of at most {SOCKET_PATH_CHARS_MAX} characters"
        )
        raise invalid(name, problem)
    return text


def page_token(text: str) -> str:
    """A token that may be one; whether it is, the store says. Raises ChatError(INVALID_PAGE_TOKEN)."""
    if len(text) > PAGE_TOKEN_CHARS_MAX or (text and not _PRINTABLE.match(text)):
        raise invalid_page_token()
    return text


def invalid_page_token() -> ChatError:
    problem = "must be the next_page_token of the page before"
    return ChatError(ErrorReason.INVALID_PAGE_TOKEN, f"page_token: {problem}", violations=(("page_token", problem),))


def after_sequence(number: int) -> int:
    """The last sequence that a watcher has. Raises ChatError(SEQUENCE_INVALID)."""
    if number < 0:
        problem = f"must be 0 or more, got {number}"
        raise ChatError(
            ErrorReason.SEQUENCE_INVALID,
            f"after_sequence: {problem}",
            violations=(("after_sequence", problem),),
        )
    return number


def idempotency_key(text: str) -> str:
    """A key, or "" for none. Raises ChatError(IDEMPOTENCY_KEY_INVALID)."""
    if text and (len(text) > IDEMPOTENCY_KEY_CHARS_MAX or not _PRINTABLE.match(text)):
        problem = f"must be 1 to {IDEMPOTENCY_KEY_CHARS_MAX} printable ASCII characters"
        raise ChatError(
            ErrorReason.IDEMPOTENCY_KEY_INVALID,
            f"idempotency_key: {problem}",
            violations=(("idempotency_key", problem),),
        )
    return text


def title(text: str) -> str:
    """The title of a conversation."""
    if len(text) > TITLE_CHARS_MAX:
        raise invalid("title", f"must be at most {TITLE_CHARS_MAX} characters, got {len(text)}")
    return clean("title", text)


def metadata(marks: Mapping[str, str]) -> dict[str, str]:
    """The caller's own marks."""
    if len(marks) > METADATA_ENTRIES_MAX:
        raise invalid("metadata", f"must have at most {METADATA_ENTRIES_MAX} entries, got {len(marks)}")
    for key, value in marks.items():
        if not 1 <= len(key) <= METADATA_KEY_CHARS_MAX:
            raise invalid("metadata", f"keys must have 1 to {METADATA_KEY_CHARS_MAX} characters")
        if len(value) > METADATA_VALUE_CHARS_MAX:
            raise invalid(f"metadata[{key}]", f"must be at most {METADATA_VALUE_CHARS_MAX} characters")
        clean("metadata", key)
        clean(f"metadata[{key}]", value)
    return dict(marks)


def json_schema(field: str, text: str) -> str:
    """JSON text of an object, itself: it is forwarded verbatim."""
    try:
        schema = json.loads(text, parse_constant=_no_constant)
        json.dumps(schema, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise invalid(field, "must not contain a lone surrogate") from error
    except RecursionError as error:
        raise invalid(field, "is nested too deeply") from error
    except ValueError as error:
        raise invalid(field, "must be a JSON Schema as JSON text") from error
    if not isinstance(schema, dict):
        raise invalid(field, "must be a JSON object")
    return clean(field, text)


def json_text(value: Mapping[str, Any]) -> str:
    """Compact JSON text of a google.protobuf.Struct's dictionary; its whole numbers are written as such.

    Keys are sorted: a Struct has no order, and the same facts must be the same prompt for a provider's cache.
    """
    if not value:
        return ""
    return json.dumps(_whole(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


Json = dict[str, Any] | list[Any] | str | float | bool | None


def _whole(value: Any) -> Json:
    # A Struct knows only doubles: without this, {"year": 2024} would reach the model as 2024.0.
    match value:
        case float() if value.is_integer() and abs(value) < 2**53:
            return int(value)
        case Mapping():
            return {key: _whole(each) for key, each in value.items()}
        case list():
            return [_whole(each) for each in value]
        case str() | float() | bool() | None:
            return value
        case _:
            raise TypeError(f"not a value of a Struct: {type(value).__name__}")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
