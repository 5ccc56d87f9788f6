"""Uploads: what is kept of a file beside its bytes, and what of its caller's words is believed.

A name is shown to people and names nothing; a type is a word that is checked, and for pictures held against the bytes.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

FILENAME_CHARS_MAX = 255
ANY_TYPE = "application/octet-stream"
# So many bytes decide what kind of picture it is.
MAGIC_BYTES = 12

# RFC 6838, 4.2.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\Z")
_SUFFIX = re.compile(r"\.\w{1,16}\Z")
# Controls, what turns or hides other characters, halves of surrogate pairs, line and paragraph ends.
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_PICTURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}


@dataclass(frozen=True, slots=True)
class Upload:
    """One row of `uploads`. Its bytes are in a file of the same name as its id."""

    upload_id: str
    tenant: str
    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    created_at: float
    idempotency_key: str = ""

    def is_same_file(self, other: Upload) -> bool:
        """True when a repeated request may be answered with this one."""
        return (self.sha256, self.size_bytes, self.filename, self.content_type) == (
            *(other.sha256, other.size_bytes),
            *(other.filename, other.content_type),
        )


@dataclass(frozen=True, slots=True)
class Quota:
    """What one tenant may keep at a time."""

    files: int = 1000
    bytes: int = 1024 * 1024 * 1024


def shown_name(text: str) -> str:
    """The name as it may be shown: no directories, nothing that hides, at most 255 characters with its suffix."""
    last = re.split(r"[/\\]", text)[-1]
    clean = "".join(each for each in last if unicodedata.category(each) not in _HIDDEN).strip()
    if clean.strip(".") == "":
        return ""
    if len(clean) > FILENAME_CHARS_MAX:
        suffix = match[0] if (match := _SUFFIX.search(clean)) else ""
        clean = clean[: FILENAME_CHARS_MAX - len(suffix)] + suffix
    return clean


def media_type(text: str) -> str:
    """The type in lower case and without parameters; "" for what is none. Nothing said is bytes of any kind."""
    kind = text.partition(";")[0].strip().lower() or ANY_TYPE
    return kind if _MEDIA_TYPE.match(kind) else ""


def is_picture(content_type: str) -> bool:
    """True for the types of pictures whose bytes are known here."""
    return content_type in _PICTURES


def begins_as(content_type: str, beginning: bytes) -> bool:
    """False for bytes that are said to be a picture and do not begin like one."""
    magic = _PICTURES.get(content_type)
    return magic is None or magic.match(beginning) is not None
