"""When a provider says that it may be asked again, in seconds from its answer. Common to all dialects.

Believed in this order: `retry-after-ms`, `retry-after` (seconds or a date), the body (google.rpc.RetryInfo, "try
again in 7.6s"), the rate limit's reset headers. Those come as a Go duration (OpenAI, Groq), RFC 3339 (Anthropic),
milliseconds since the epoch (OpenRouter) or seconds (Cerebras, Azure, Mistral). There is no clock here: points in
time are taken against the answer's own `date` header, and say nothing without one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from thinkaloud_server.providers.error_body import ErrorBody

_RETRY_AFTER_MAX_S = 86_400.0
_GO_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?\Z")
_IN_TEXT = re.compile(
    r"(?i)(?:try again|retry|available|reset\w*)[^.\n]{0,30}? (?:in|after) (?:about |approximately )?"
    r"((?:\d+h)?(?:\d+m(?!s))?\d+(?:\.\d+)?)\s?(ms|milliseconds?|s\b|secs?\b|seconds?|m\b|minutes?)"
)


def retry_after_s(headers: Mapping[str, str], body: ErrorBody, *, rate_limited: bool) -> float | None:
    """The provider's hint, or None. Reset headers count only for an answer that says "too many"."""
    hints = [
        _seconds(headers.get("retry-after-ms", ""), 0.001),
        _retry_after(headers),
        _duration(body.retry_delay),
        _from_text(body.message),
    ]
    known = [hint for hint in hints if hint is not None]
    # Azure sends "retry-after-ms: 0" beside "retry-after: 1".
    hint = next((hint for hint in known if hint > 0), known[0] if known else None)
    if hint is None and rate_limited:
        hint = _from_resets({**dict(body.headers), **headers}, _date(headers))
    return None if hint is None else min(max(hint, 0.0), _RETRY_AFTER_MAX_S)


def _seconds(text: str, unit: float = 1.0) -> float | None:
    try:
        value = float(text) * unit
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _duration(text: str) -> float | None:
    """A Go duration ("6m0s", "130ms") in seconds."""
    match = _GO_DURATION.match(text.strip())
    if match is None or not any(match.groups()):
        return None
    values = [_seconds(number or "0", unit) for number, unit in zip(match.groups(), _UNITS, strict=True)]
    return None if None in values else sum(value for value in values if value is not None)


_UNITS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)


def _date(headers: Mapping[str, str]) -> datetime | None:
    return _parse_date(headers.get("date", ""))


def _parse_date(text: str) -> datetime | None:
    try:
        value = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _until(then: datetime | None, now: datetime | None) -> float | None:
    if then is None or now is None:
        return None
    return max((then - now).total_seconds(), 0.0)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if (value := _seconds(text)) is not None:
        return value
    return _duration(text) if text[-1:] == "s" else _until(_parse_date(text), _date(headers))


def _from_text(message: str) -> float | None:
    match = _IN_TEXT.search(message[:4_000])
    if match is None:
        return None
    unit = match[2].lower()
    suffix = "ms" if unit.startswith("mil") or unit == "ms" else "m" if unit.startswith("m") else "s"
    return _duration(match[1] + suffix)


def _from_resets(headers: Mapping[str, str], now: datetime | None) -> float | None:
    """The longest wait among the limits that are used up; else the shortest, since one of them must be."""
    waits = list(_resets(headers, now))
    used_up = [wait for wait, remaining in waits if remaining == "0"]
    if used_up:
        return max(used_up)
    return min((wait for wait, _ in waits if wait > 0), default=None)


def _resets(headers: Mapping[str, str], now: datetime | None) -> Iterator[tuple[float, str]]:
    for name, value in headers.items():
        if "reset" in name and "limit" in name:
            wait = _reset(value.strip(), now)
            if wait is not None:
                yield wait, headers.get(name.replace("reset", "remaining"), "").strip()


def _reset(text: str, now: datetime | None) -> float | None:
    value = _seconds(text)
    if value is None:
        duration = _duration(text)
        return duration if duration is not None else _until(_parse_date(text), now)
    if value < 1e9:
        return value
    since_epoch = value / 1000 if value > 1e11 else value
    return _until(datetime.fromtimestamp(since_epoch, UTC), now) if since_epoch < 1e11 else None
