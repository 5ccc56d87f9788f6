"""Forms as clients write them, part by part, so that one thing can be wrong with them."""

from __future__ import annotations

BOUNDARY = "----thinkaloud7d1a"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(name: str, body: bytes | str, *headers: str, filename: str | None = None) -> bytes:
    """One part with its boundary before it."""
    disposition = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    head = "\r\n".join([f"Content-Disposition: {disposition}", *headers])
    data = body.encode() if isinstance(body, str) else body
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"


def closed(*parts: bytes) -> bytes:
    """The whole form."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
