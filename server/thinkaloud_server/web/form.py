"""multipart/form-data, eaten as it comes: a form's fields and its file, whatever the cuts (RFC 7578).

The parser is python-multipart's. What it leaves open is bounded or refused here: how many parts, how large their heads
and fields, names given twice, forms that never end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from thinkaloud_server.web.error import HttpError, invalid

FORM = "multipart/form-data"
PARTS_MAX = 32
HEADERS_MAX = 8
HEAD_BYTES_MAX = 4 * 1024
FIELD_BYTES_MAX = 64 * 1024
# RFC 2046, 5.1.1.
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]\Z")
# Those that say that the bytes are what they look like.
_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")


@dataclass(frozen=True, slots=True)
class Named:
    """A field of the form, whole."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The file begins; its bytes follow. Both are "" where they are not said."""

    filename: str
    content_type: str


Item: TypeAlias = Named | Begun | bytes


@dataclass(slots=True)
class _Part:
    """What is being read. `name` is "" until its head is over."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    header: bytes = b""
    value: bytes = b""
    head_bytes: int = 0
    name: str = ""
    is_file: bool = False
    text: list[bytes] = field(default_factory=list)


class Form:
    """Turns the bytes of a form into its items. `file` names the part that is one."""

    def __init__(self, boundary: bytes, file: str) -> None:
        self._file = file
        self._parts = 0
        self._field_bytes = 0
        self._part = _Part()
        self._items: list[Item] = []
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._head_end,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._form_end,
            },
            max_header_count=HEADERS_MAX,
            max_header_size=HEAD_BYTES_MAX,
        )

    def feed(self, data: bytes) -> list[Item]:
        """What these bytes complete. Raises HttpError: MALFORMED_REQUEST, MESSAGE_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE."""
        try:
            self._parser.write(data)
        except MultipartParseError:
            # Its own words are about states and offsets in buffers.
            raise _malformed("is no form") from None
        items, self._items = self._items, []
        return items

    def end(self) -> None:
        """The body is over. Raises HttpError(MALFORMED_REQUEST) where the form is not."""
        if not self._ended:
            raise _malformed("ends before the form does: its last boundary is missing")

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise _malformed(f"has over {PARTS_MAX} parts")
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._part.header += self._of_head(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += self._of_head(data[start:end])

    def _of_head(self, data: bytes) -> bytes:
        self._part.head_bytes += len(data)
        if self._part.head_bytes > HEAD_BYTES_MAX:
            raise _malformed(f"has a part whose headers have over {HEAD_BYTES_MAX} bytes")
        return data

    def _header_end(self) -> None:
        part = self._part
        name = part.header.lower()
        if name in part.headers:
            raise _malformed("has a part with one header twice")
        part.headers[name] = part.value.strip()
        part.header = part.value = b""

    def _head_end(self) -> None:
        part = self._part
        kind, options = parse_options_header(part.headers.get(b"content-disposition"))
        if kind != b"form-data" or not options.get(b"name"):
            raise _malformed('has a part without "content-disposition: form-data" and a name')
        if part.headers.get(b"content-transfer-encoding", b"").lower() not in _ENCODINGS:
            raise HttpError("UNSUPPORTED_MEDIA_TYPE", "a part must come as it is, without a content-transfer-encoding")
        part.name = _text(options[b"name"])
        part.is_file = part.name == self._file
        if part.is_file:
            filename = _text(options.get(b"filename", b""))
            self._items.append(Begun(filename, _text(part.headers.get(b"content-type", b""))))
        elif b"filename" in options:
            raise invalid(part.name[:64], f"is no file here; the file's part is named {self._file}", "UNKNOWN_FIELD")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.is_file:
            self._items.append(data[start:end])
            return
        self._field_bytes += end - start
        if self._field_bytes > FIELD_BYTES_MAX:
            raise HttpError("MESSAGE_TOO_LARGE", f"the form's fields have over {FIELD_BYTES_MAX} bytes")
        self._part.text.append(data[start:end])

    def _end(self) -> None:
        if not self._part.is_file:
            self._items.append(Named(self._part.name, _text(b"".join(self._part.text))))

    def _form_end(self) -> None:
        self._ended = True


def boundary_of(content_type: str | None, encoding: str | None) -> bytes:
    """What separates the parts. Raises HttpError: UNSUPPORTED_MEDIA_TYPE, MALFORMED_REQUEST (no boundary, or none that
    may be one)."""
    if encoding is not None and encoding.strip().lower() != "identity":
        raise HttpError("UNSUPPORTED_MEDIA_TYPE", "the body must come without a content-encoding")
    kind, options = parse_options_header(content_type)
    if kind != FORM.encode():
        raise HttpError("UNSUPPORTED_MEDIA_TYPE", f"the body must be {FORM}")
    boundary = options.get(b"boundary", b"")
    if not _BOUNDARY.match(boundary):
        raise HttpError("MALFORMED_REQUEST", "the content-type has no boundary of 1 to 70 characters")
    return boundary


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _malformed("is not UTF-8 in its names or fields") from None


def _malformed(problem: str) -> HttpError:
    return HttpError("MALFORMED_REQUEST", f"the body {problem}")
