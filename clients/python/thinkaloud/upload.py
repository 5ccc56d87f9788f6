"""Files on their way: what is read of one and sent, where one that comes is written, and when to try again. No gRPC.

Files are read and written a piece at a time, when the connection has room for it or has brought one. What a broken
connection interrupts is done again: a sent file with the same idempotency key, which is the same upload; a fetched one
goes on where it was, for an upload never changes.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import BinaryIO

from thinkaloud.endpoint import Path
from thinkaloud.errors import ThinkaloudError, UnavailableError
from thinkaloud.resume import DELAY_FIRST_S, DELAY_MAX_S
from thinkaloud.v1.upload_service_pb2 import GetUploadResponse, Upload, UploadEnd, UploadHead, UploadRequest

PIECE_BYTES = 128 * 1024

OnProgress = Callable[[int], object]


class Source:
    """A file to send: a path, which is opened here and closed by `close`, or an open one, from where it stands."""

    def __init__(
        self,
        file: Path | BinaryIO,
        *,
        filename: str | None,
        content_type: str | None,
        idempotency_key: str | None,
        on_progress: OnProgress | None,
    ) -> None:
        self._own = isinstance(file, str | os.PathLike)
        self._file: BinaryIO = open(file, "rb") if isinstance(file, str | os.PathLike) else file  # noqa: SIM115
        name = filename if filename is not None else os.path.basename(str(getattr(self._file, "name", "")))
        self._head = UploadHead(
            filename=name,
            content_type=content_type if content_type is not None else mimetypes.guess_type(name)[0] or "",
            idempotency_key=idempotency_key or uuid.uuid4().hex,
        )
        self._on_progress = on_progress
        self._begin = self._file.tell() if self._file.seekable() else None
        self._untouched = True

    def requests(self) -> Iterator[UploadRequest]:
        """The whole of it, from the beginning: each piece is read when it is asked for."""
        self._untouched = False
        sent = 0
        yield UploadRequest(file=self._head)
        while piece := self._file.read(PIECE_BYTES):
            yield UploadRequest(chunk=piece)
            sent += len(piece)
            if self._on_progress is not None:
                self._on_progress(sent)
        yield UploadRequest(end=UploadEnd())

    def rewind(self) -> bool:
        """Whether it can be sent again: a pipe that was read from cannot."""
        if self._untouched:
            return True
        if self._begin is None:
            return False
        self._file.seek(self._begin)
        return True

    def close(self) -> None:
        if self._own:
            self._file.close()


class Sink:
    """Where a fetched file goes: an open file, or a path, where it appears when the whole of it is there."""

    def __init__(self, to: Path | BinaryIO, on_progress: OnProgress | None) -> None:
        self._path = os.fspath(to) if isinstance(to, str | os.PathLike) else None
        if self._path is not None and os.path.isdir(self._path):
            raise IsADirectoryError(f"{self._path} is a directory: name the file")
        self._part = f"{self._path}.{uuid.uuid4().hex[:8]}.part"
        self._file: BinaryIO = open(self._part, "xb") if isinstance(to, str | os.PathLike) else to  # noqa: SIM115
        self._on_progress = on_progress
        self._hash = hashlib.sha256()
        self._upload: Upload | None = None
        self._written = self._seen = 0

    def rewind(self) -> bool:
        """It comes once more: what is written already will be passed over."""
        self._seen = 0
        return True

    def feed(self, message: GetUploadResponse) -> None:
        """The next message of the answer."""
        if message.HasField("upload"):
            self._upload = message.upload
            return
        fresh = message.chunk[max(self._written - self._seen, 0) :]
        self._seen += len(message.chunk)
        self._file.write(fresh)
        self._hash.update(fresh)
        self._written += len(fresh)
        if self._on_progress is not None:
            self._on_progress(self._written)

    def finish(self) -> Upload:
        """All of it came. Raises ThinkaloudError when it is not what was stored."""
        upload = self._upload
        if upload is None or self._hash.hexdigest() != upload.sha256:
            raise ThinkaloudError("the file that came is not the one that was stored", code="DATA_LOSS")
        if self._path is not None:
            self._file.close()
            os.replace(self._part, self._path)
        return upload

    def close(self) -> None:
        """What is not whole does not stay."""
        if self._path is not None:
            self._file.close()
            with suppress(FileNotFoundError):
                os.unlink(self._part)


class Attempts:
    """How often to try: as long as the failure may pass, and for so long after the first one."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._failed = 0
        self._until_s: float | None = None

    def failed(self, error: ThinkaloudError, *, now_s: float, jitter: float, rewind: Callable[[], bool]) -> float:
        """Seconds to wait before the next attempt. Raises the error when there is none."""
        if self._until_s is None:
            self._until_s = now_s + self._patience_s
        delay_s = (error.retry_after_s or 0.0) + jitter * min(DELAY_MAX_S, DELAY_FIRST_S * 2.0 ** min(self._failed, 16))
        self._failed += 1
        if not isinstance(error, UnavailableError) or now_s + delay_s > self._until_s or not rewind():
            raise error
        return delay_s
