"""What an error body says, whatever its shape: the innermost message, codes, named fields. Common to all dialects.

Shapes seen: `{"error": {...}}`, `{"error": "text"}`, `{"error": {"error": {...}}}`, a list of those, `{"message"}`,
`{"detail": "text"}`, `{"detail": [{"loc", "msg"}]}`, OpenRouter's upstream error as JSON text in `metadata.raw`,
HTML, plain text, nothing. Also here: making a message fit for a caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

MESSAGE_CHARACTERS_MAX = 500
_DEPTH_MAX = 6
_BODY_BYTES_MAX = 1 << 20
# What is searched for the words of the rules; a message that is longer is somebody's prompt or page.
_SEARCHED_CHARACTERS_MAX = 4_000
# Keys under which a message, or an object with one, hides; in the order in which they are believed.
_MESSAGE_KEYS = ("error", "message", "Message", "detail", "msg", "error_message", "error_msg", "status_msg", "errors")
# Amazon writes "com.amazon.coral.service#Name" into __type.
_CODE_KEYS = ("code", "type", "__type", "status", "error_type", "error_code", "provider_code", "reason", "status_code")
_FIELD_KEYS = ("param", "field")
_WRAPPERS = (
    "metadata",
    "raw",
    "base_resp",
    "details",
    "innererror",
    "error",
    "detail",
    "errors",
    "body",
    "fieldViolations",
    "Output",
)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What was found. `codes` and `fields` are lower case; `status` is a status number in the body, or 0."""

    message: str = ""
    codes: frozenset[str] = frozenset()
    fields: tuple[str, ...] = ()
    status: int = 0
    retry_delay: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    html: bool = False


def read_error(body: bytes) -> ErrorBody:
    """What the bytes of an error answer say. Never raises."""
    body = body[:_BODY_BYTES_MAX].strip()
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body.decode("utf-8", "replace")[:_SEARCHED_CHARACTERS_MAX]
        if text[:1] == "<":
            return ErrorBody(message=_title(text), html=True)
        return ErrorBody(message=_one_line(text))
    return read_error_value(value)


def read_error_value(value: object) -> ErrorBody:
    """The same for a decoded value, as the `error` of a chunk."""
    found = list(_objects(value, 0))
    codes = {
        str(item[key]).rpartition("#")[2].lower() for item in found for key in _CODE_KEYS if _is_code(item.get(key))
    }
    return ErrorBody(
        message=_one_line(_innermost(value, 0)[:_SEARCHED_CHARACTERS_MAX]),
        codes=frozenset(codes),
        fields=tuple(name for item in found for name in _field_names(item)),
        status=_status(found),
        retry_delay=next((str(item["retryDelay"]) for item in found if item.get("retryDelay")), ""),
        headers=tuple(_headers(found)),
    )


def presentable(message: str, secrets: Sequence[str] = (), hosts: Sequence[str] = ()) -> str:
    """The message as a caller may see it: one line, bounded, with no key and no host of ours in it."""
    text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in _one_line(message))
    for secret in secrets:
        if len(secret) >= 3:
            text = text.replace(secret, "***")
    for host in hosts:
        # A shorter one is a word that any message may hold.
        if len(host) >= 4:
            text = text.replace(host, "the provider")
    text = _KEY_LIKE.sub("***", text)
    return text if len(text) <= MESSAGE_CHARACTERS_MAX else text[: MESSAGE_CHARACTERS_MAX - 1] + "…"


# Prefixes of the vendors' keys, bearer tokens, keys that the provider itself has half masked, and long runs of
# letters and digits together, as keys without a prefix are.
_KEY_LIKE = re.compile(
    r"""(?ix)
    \b(?:sk|gsk)[-_](?:[\w*-]|\.(?=\w)){6,}
    | \b(?:pk|rk|xai|hf|r8|nvapi|pplx|csk|fw|tgp)[-_][\w*-]{16,}
    | \bAIza[\w-]{10,}
    | \beyJ[\w-]{8,}\.[\w.-]+
    | (?<=bearer\s)[\w.~+/=*-]{6,}
    | (?<![\w-])[\w-]*\*{3,}[\w*-]*
    | \b(?=\w*\d)(?=\w*[a-z])\w{32,}\b
    """
)


def _title(html: str) -> str:
    match = re.search(r"(?is)<(title|h1)[^>]*>(.{1,200}?)</\1>", html)
    return f"an HTML page: {_one_line(match[2])}" if match else "an HTML page"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _objects(value: object, depth: int) -> Iterator[dict[str, Any]]:
    """The objects of an error, outermost first, through every known wrapper."""
    if depth > _DEPTH_MAX:
        return
    if isinstance(value, str):
        value = _json_text(value)
    if isinstance(value, list):
        for item in value[:20]:
            yield from _objects(item, depth + 1)
    elif isinstance(value, dict):
        yield value
        for key in _WRAPPERS:
            if key in value:
                yield from _objects(value[key], depth + 1)


def _json_text(text: str) -> object:
    """OpenRouter puts the upstream's body into a string."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _innermost(value: object, depth: int) -> str:
    if depth > _DEPTH_MAX:
        return ""
    if isinstance(value, str):
        inner = _json_text(value)
        return (_innermost(inner, depth + 1) if inner is not None else "") or value
    if isinstance(value, list):
        return next(filter(None, (_innermost(item, depth + 1) for item in value[:20])), "")
    if not isinstance(value, dict):
        return ""
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and (raw := _innermost(metadata.get("raw"), depth + 1)):
        return raw
    for key in _MESSAGE_KEYS:
        if message := _innermost(value.get(key), depth + 1):
            return f"{_path(location)}: {message}" if isinstance(location := value.get("loc"), list) else message
    return _innermost(value.get("base_resp"), depth + 1)


def _is_code(value: object) -> bool:
    return (isinstance(value, str) and 0 < len(value) <= 80) or (isinstance(value, int) and value is not True)


def _field_names(item: dict[str, Any]) -> Iterator[str]:
    for key in _FIELD_KEYS:
        if isinstance(name := item.get(key), str):
            yield name.lower()
    if isinstance(location := item.get("loc"), list):
        yield _path(location).lower()


def _path(location: list[object]) -> str:
    return ".".join(str(step) for step in location)


def _status(found: Sequence[dict[str, Any]]) -> int:
    for item in found:
        for key in ("code", "status", "status_code", "raw_status_code"):
            value = item.get(key)
            if isinstance(value, str) and value.isdecimal() and len(value) == 3:
                value = int(value)
            if isinstance(value, int) and 400 <= value <= 599:
                return value
    return 0


def _headers(found: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for item in found:
        metadata = item.get("metadata")
        headers = metadata.get("headers") if isinstance(metadata, dict) else None
        for name, value in headers.items() if isinstance(headers, dict) else ():
            yield str(name).lower(), str(value)
