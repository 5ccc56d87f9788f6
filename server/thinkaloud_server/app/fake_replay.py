"""Recorded answers on disk: a body, beside it perhaps what was told of it, chosen by the model that is asked for.

`NAME.meta.json` beside `NAME.body` (or `.sse`, `.ndjson`, …) may say `content_type`, `status`, `model`, `dialect` and
`chunk_sizes`; what it does not say is seen from the bytes. Only what was found at the start can be asked for.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thinkaloud_server.core.place import frame_end, frames_of
from thinkaloud_server.providers.encoders import ENCODINGS

META = ".meta.json"
SUFFIXES = (".body", ".sse", ".ndjson", ".jsonl", ".json", ".txt", ".bin")
BODY_BYTES_MAX = 64 << 20
FILES_MAX = 10_000
_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry")


class ReplayError(Exception):
    """What cannot be replayed, and why; `dialects` where it is only asked for in the wrong one."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded answer, not read yet."""

    name: str
    path: Path
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return str(self.meta.get("model") or "")

    @property
    def dialect(self) -> str:
        return str(self.meta.get("dialect") or "")

    def speaks(self, dialect: str) -> bool:
        """Whether it is of this dialect, also by another's name for it ("gemini-…"); unknown is any."""
        named = self.dialect
        if not named or named in ENCODINGS:
            return not named or named == dialect
        return named.partition("-")[0] == dialect.partition("-")[0]

    def read(self) -> Recorded:
        """Raises ReplayError."""
        try:
            with self.path.open("rb") as stream:
                body = stream.read(BODY_BYTES_MAX + 1)
        except OSError as error:
            raise ReplayError(f"{self.path}: {error.strerror}") from None
        if len(body) > BODY_BYTES_MAX:
            raise ReplayError(f"{self.path}: larger than {BODY_BYTES_MAX} bytes")
        status = self.meta.get("status")
        sizes = self.meta.get("chunk_sizes")
        headers = self.meta.get("headers")
        return Recorded(
            body=body,
            content_type=str(self.meta.get("content_type") or sniffed(body)),
            status=status if isinstance(status, int) and 200 <= status <= 599 else 200,
            chunk_sizes=tuple(size for size in sizes if isinstance(size, int) and size > 0) if sizes else (),
            headers={
                name: str(value)
                for name, value in (headers.items() if isinstance(headers, dict) else ())
                if name.lower() in _HEADERS
            },
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer as it was."""

    body: bytes
    content_type: str
    status: int
    chunk_sizes: tuple[int, ...]
    headers: Mapping[str, str]

    def pieces(self, *, by_frames: bool) -> Iterator[bytes]:
        """In the sizes in which it once came; else, and for a pace, frame by frame."""
        rest = self.body
        if self.chunk_sizes and not by_frames:
            for size in self.chunk_sizes:
                if rest:
                    yield rest[:size]
                rest = rest[size:]
        frames = frames_of(self.content_type)
        at = 0
        while end := frame_end(rest[at : at + (1 << 20)], frames):
            yield rest[at : at + end]
            at += end
        if rest[at:]:
            yield rest[at:]


class Replay:
    """The recordings of a file or a folder."""

    def __init__(self, place: Path) -> None:
        """Raises ReplayError when there is nothing to replay."""
        self._all = tuple(_found(place))
        self._only = place.is_file()
        if not self._all:
            raise ReplayError(f"{place}: there is no recorded answer here ({', '.join(SUFFIXES)})")

    @property
    def names(self) -> list[str]:
        """What can be asked for as a model."""
        return sorted({recording.model or recording.name for recording in self._all})

    def choose(self, dialect: str, model: str) -> Recording:
        """The recording for this model in this dialect. Raises ReplayError."""
        if self._only:
            return self._all[0]
        named = [each for each in self._all if model and model in (each.name, each.model, each.path.stem)]
        for each in named:
            if each.speaks(dialect):
                return each
        if named:
            raise ReplayError(f"{model!r} was recorded in {named[0].dialect}, and asked for in {dialect}")
        some = ", ".join(self.names[:10])
        raise ReplayError(f"there is no recording of {model!r}; there are {len(self._all)}, as {some}")


def _found(place: Path) -> Iterator[Recording]:
    if place.is_file():
        yield _recording(place, place.parent)
        return
    if not place.is_dir():
        raise ReplayError(f"{place}: there is no such file or folder")
    for count, path in enumerate(sorted(place.rglob("*"))):
        if count >= FILES_MAX:
            raise ReplayError(f"{place}: more than {FILES_MAX} files")
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(place).parts)
        if path.suffix in SUFFIXES and not path.name.endswith(META) and not hidden and path.is_file():
            yield _recording(path, place)


def _recording(path: Path, root: Path) -> Recording:
    name = path.relative_to(root).with_suffix("").as_posix()
    beside = path.with_suffix(META)
    if not beside.is_file():
        return Recording(name, path)
    try:
        meta = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ReplayError(f"{beside}: not JSON") from None
    return Recording(name, path, meta if isinstance(meta, dict) else {})


def sniffed(body: bytes) -> str:
    """The content type that these bytes look like."""
    if len(body) >= 12 and zlib.crc32(body[:8]) == int.from_bytes(body[8:12], "big"):
        return "application/vnd.amazon.eventstream"
    start = body.lstrip()
    if start[:1] not in (b"{", b"["):
        return "text/event-stream"
    first, _, more = start.partition(b"\n")
    try:
        json.loads(first)
    except ValueError:
        return "application/json"
    return "application/x-ndjson" if more.strip() else "application/json"
