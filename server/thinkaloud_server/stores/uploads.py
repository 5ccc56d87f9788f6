"""Uploads: rows that say what there is, and a directory with a file for each.

Theory of operation. A file is written under a name that ends in `.part`, renamed when it is whole, and only then has
its row; a row goes before its file. So whatever process dies when, a row has its file and a file without a row is
nothing: `open` removes those. Names are ids, never a caller's words. With `durable` a file is on the disk before its
row is, as rows are then; without it, a loss of power may leave a row whose file is short, which is then not found.

Files are written and read by threads of their own, because disks block. A caller that leaves does not wait for one: a
lock for each file puts what still runs and the removal in order.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.run import Page
from thinkaloud_server.core.upload import Quota, Upload
from thinkaloud_server.stores.errors import unavailable, upload_not_found
from thinkaloud_server.stores.upload_file import Read, Written, remove, sweep
from thinkaloud_server.stores.upload_rows import UploadRows

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger(__name__)

# More at a time would fill the disk with what no quota counts yet; and one tenant leaves room for others.
OPEN_MAX = 64
_TENANTS_SHARE = 2
_THREADS = 4
_WRITE_BYTES = 256 * 1024
_TRIMMED_AT_ONCE = 100


class Uploads:
    """What the faces keep files in. `open` before anything else, `close` when no call is left."""

    def __init__(
        self,
        rows: UploadRows,
        place: Path | None,
        *,
        quota: Quota,
        kept_s: float,
        durable: bool = False,
        open_max: int = OPEN_MAX,
    ) -> None:
        """`place` is this server's alone; None is a temporary directory, which goes with the process."""
        self.kept_s = kept_s
        self._rows = rows
        self._place = place
        self._temporary = place is None
        self._quota = quota
        self._durable = durable
        self._open_max = open_max
        self._open: Counter[str] = Counter()
        self._closed = False
        self._making = threading.Lock()
        self._keeping: set[asyncio.Task[Upload]] = set()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="uploads")

    async def open(self) -> int:
        """Remove what an earlier process left half done; how many files that were."""
        if self._place is None or not self._place.is_dir():
            return 0
        return await self._run(sweep, self._place, await self._rows.ids())

    async def close(self) -> None:
        """Finish what was whole, and give up the threads."""
        await asyncio.gather(*self._keeping, return_exceptions=True)
        self._closed = True
        await asyncio.to_thread(self._pool.shutdown)
        if self._temporary and self._place is not None:
            await asyncio.to_thread(shutil.rmtree, self._place, ignore_errors=True)

    @asynccontextmanager
    async def incoming(self, tenant: str, upload_id: str) -> AsyncIterator[Incoming]:
        """A file to be written and then kept; nothing is left of one that was not.

        Raises ChatError: QUOTA_EXCEEDED, TOO_MANY_STREAMS, OVERLOADED.
        """
        share = max(self._open_max // _TENANTS_SHARE, 1)
        if self._open[tenant] >= share:
            raise ChatError(
                ErrorReason.TOO_MANY_STREAMS, f"{share} of your uploads are under way: try again", retry_after_s=1.0
            )
        if self._open.total() >= self._open_max:
            problem = f"{self._open_max} uploads are under way: try again"
            raise ChatError(ErrorReason.OVERLOADED, problem, retry_after_s=1.0)
        self._open[tenant] += 1
        file: Written | None = None
        try:
            await self._rows.check_room(tenant, self._quota)
            file = Written(await self._run(self._directory) / upload_id)
            yield Incoming(self, tenant, upload_id, file)
        finally:
            self._open[tenant] -= 1
            self._open += Counter()  # forgets who has none
            if file is not None and not file.kept:
                self._submit(file.drop)

    @asynccontextmanager
    async def content(self, tenant: str, upload_id: str) -> AsyncIterator[tuple[Upload, AsyncIterator[bytes]]]:
        """The upload, and its bytes in pieces. Raises ChatError(NOT_FOUND)."""
        upload = await self._rows.get(tenant, upload_id)
        if upload is None or self._place is None:
            raise upload_not_found()
        file = Read(self._place / upload_id)
        try:
            if not await self._run(file.open, upload.size_bytes):
                _log.error("upload_damaged", extra={"upload_id": upload_id})
                raise upload_not_found()
            yield upload, self._pieces(file)
        finally:
            self._submit(file.close)

    async def list_page(self, tenant: str, *, page_size: int, page_token: str) -> Page[Upload]:
        """Newest first. Raises ChatError(INVALID_PAGE_TOKEN)."""
        return await self._rows.list_page(tenant, page_size=page_size, page_token=page_token)

    async def delete(self, tenant: str, upload_id: str) -> None:
        """Raises ChatError(NOT_FOUND)."""
        if not await self._rows.delete(tenant, upload_id):
            raise upload_not_found()
        if self._place is not None:
            await self._run(remove, self._place / upload_id)

    async def trim(self, now: float) -> int:
        """Drop what was kept for its time; how many. In small steps."""
        dropped = 0
        while True:
            old = await self._rows.trim(now - self.kept_s, _TRIMMED_AT_ONCE)
            for upload_id in old:
                if self._place is not None:
                    await self._run(remove, self._place / upload_id)
            dropped += len(old)
            if len(old) < _TRIMMED_AT_ONCE:
                return dropped

    async def write(self, file: Written, data: bytearray) -> None:
        """For Incoming."""
        await self._run(file.write, data)

    async def keep(self, file: Written, upload: Upload) -> Upload:
        """For Incoming. From here on it is done whether its caller is there or not: the file is whole, and a row must
        not be left without it."""
        file.kept = True
        keeping = asyncio.ensure_future(self._keep(file, upload))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        return await asyncio.shield(keeping)

    async def _keep(self, file: Written, upload: Upload) -> Upload:
        kept = False
        try:
            await self._run(file.finish, self._durable)
            stored = await self._rows.add(upload.tenant, upload, self._quota)
            kept = stored.upload_id == upload.upload_id
        finally:
            if not kept:
                await self._run(file.drop)
        return stored

    async def _pieces(self, file: Read) -> AsyncIterator[bytes]:
        while piece := await self._run(file.read):
            yield piece

    async def _run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self._closed:
            raise unavailable("the store is closed")
        with _mapped():
            return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: function(*args, **kwargs))

    def _submit(self, function: Callable[[], None]) -> None:
        """Done soon, and waited for by nobody: who leaves leaves at once."""
        if self._closed:
            function()
        else:
            self._pool.submit(function)

    def _directory(self) -> Path:
        """Where files go; it is made when the first one comes. Blocks."""
        with self._making:
            if self._place is None:
                self._place = Path(tempfile.mkdtemp(prefix="thinkaloud-uploads-"))
            for each in (self._place.parent, self._place):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._place


class Incoming:
    """A file that comes in."""

    def __init__(self, uploads: Uploads, tenant: str, upload_id: str, file: Written) -> None:
        self._uploads = uploads
        self._tenant = tenant
        self._upload_id = upload_id
        self._file = file
        self._waiting = bytearray()

    async def write(self, data: bytes) -> None:
        """Add this; small pieces gather until they are worth a write. Raises ChatError(STORAGE_UNAVAILABLE)."""
        self._waiting += data
        if len(self._waiting) >= _WRITE_BYTES:
            await self._flush()

    async def keep(self, *, filename: str, content_type: str, created_at: float, idempotency_key: str = "") -> Upload:
        """All of it came: the stored upload, or the one that the same key made of the same file.

        Raises ChatError: IDEMPOTENCY_KEY_REUSED, QUOTA_EXCEEDED, STORAGE_UNAVAILABLE.
        """
        await self._flush()
        upload = Upload(
            upload_id=self._upload_id,
            tenant=self._tenant,
            filename=filename,
            content_type=content_type,
            size_bytes=self._file.size,
            sha256=self._file.digest,
            created_at=created_at,
            idempotency_key=idempotency_key,
        )
        return await self._uploads.keep(self._file, upload)

    async def _flush(self) -> None:
        gathered, self._waiting = self._waiting, bytearray()
        await self._uploads.write(self._file, gathered)


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _log.error("uploads_failed", exc_info=error)
        raise unavailable("the file cannot be stored or read at the moment") from error
