"""Media types: what is understood in a body, and which of what can be sent a caller accepts."""

from __future__ import annotations

from collections.abc import Sequence

from thinkaloud_server.web.error import HttpError

JSON = "application/json"
VENDOR = "application/vnd.thinkaloud.v1+json"
EVENT_STREAM = "text/event-stream"
LINES = "application/x-ndjson"


def accepted(accept: Sequence[str], offers: Sequence[str]) -> str:
    """The offer that is accepted most, the first one among equals. Raises HttpError(NOT_ACCEPTABLE)."""
    ranges = [_range(each) for header in accept for each in header.split(",") if each.strip()]
    if not ranges:
        return offers[0]
    best, chosen = 0.0, ""
    for offer in offers:
        # The most particular range that matches decides (RFC 9110, 12.5.1).
        matching = [(media.count("*"), -weight) for media, weight in ranges if _matches(media, offer)]
        weight = -min(matching)[1] if matching else 0.0
        if weight > best:
            best, chosen = weight, offer
    if not chosen:
        raise HttpError("NOT_ACCEPTABLE", f"can be sent here: {', '.join(offers)}")
    return chosen


def check_body_type(content_type: str | None, encoding: str | None, *, empty: bool) -> None:
    """Refuse a body that is not said to be JSON. A form or plain text is what pages of other sites can send unasked,
    so nothing is guessed. Raises HttpError(UNSUPPORTED_MEDIA_TYPE)."""
    if encoding is not None and encoding.strip().lower() != "identity":
        raise HttpError("UNSUPPORTED_MEDIA_TYPE", "the body must come without a content-encoding")
    if content_type is None:
        if empty:
            return
        raise HttpError("UNSUPPORTED_MEDIA_TYPE", f"the body needs the header content-type: {JSON}")
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media not in (JSON, VENDOR):
        raise HttpError("UNSUPPORTED_MEDIA_TYPE", f"the body must be {JSON}")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            raise HttpError("UNSUPPORTED_MEDIA_TYPE", "the body must be UTF-8")


def _range(text: str) -> tuple[str, float]:
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = min(max(float(value), 0.0), 1.0)
            except ValueError:
                weight = 0.0
    return media, weight


def _matches(media: str, offer: str) -> bool:
    return media in ("*/*", offer) or (media.endswith("/*") and offer.startswith(media[:-1]))
