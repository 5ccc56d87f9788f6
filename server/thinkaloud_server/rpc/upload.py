"""UploadService: files in, files out, in pieces both ways."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import NamedTuple

from thinkaloud.v1 import upload_service_pb2 as pb
from thinkaloud_server.core import upload as files
from thinkaloud_server.core.errors import ChatError, ErrorReason, invalid
from thinkaloud_server.core.upload import Upload
from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.rpc import field, wire
from thinkaloud_server.rpc.call import Call, tenant_of
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.page import fitting
from thinkaloud_server.rpc.ports import Incoming, Uploads


class UploadServicer:
    """What is asked of an upload's words and bytes; keeping them is the store's."""

    def __init__(self, uploads: Uploads, limits: Limits, *, clock: Clock, new_id: Callable[[str], str]) -> None:
        self._uploads = uploads
        self._limits = limits
        self._clock = clock
        self._new_id = new_id

    async def upload(self, requests: AsyncIterator[pb.UploadRequest], call: Call) -> pb.UploadResponse:
        """Written as it comes; kept when its end came, and not otherwise."""
        head = await _head(requests)
        async with self._uploads.incoming(tenant_of(call), self._new_id("upl")) as file:
            await self._take(requests, head.content_type, file)
            upload = await file.keep(
                filename=head.filename,
                content_type=head.content_type,
                created_at=self._clock.time(),
                idempotency_key=head.idempotency_key,
            )
        return pb.UploadResponse(upload=self._to_proto(upload))

    async def get_upload(self, request: pb.GetUploadRequest, call: Call) -> AsyncGenerator[pb.GetUploadResponse, None]:
        """What it is, then its bytes."""
        upload_id = field.identifier("upload_id", "upl", request.upload_id)
        async with self._uploads.content(tenant_of(call), upload_id) as (upload, pieces):
            yield pb.GetUploadResponse(upload=self._to_proto(upload))
            async for piece in pieces:
                yield pb.GetUploadResponse(chunk=piece)

    async def list_uploads(self, request: pb.ListUploadsRequest, call: Call) -> pb.ListUploadsResponse:
        """Newest first."""
        page_token = field.page_token(request.page_token)

        async def fetch(page_size: int) -> pb.ListUploadsResponse:
            page = await self._uploads.list_page(tenant_of(call), page_size=page_size, page_token=page_token)
            return pb.ListUploadsResponse(uploads=map(self._to_proto, page.items), next_page_token=page.next_page_token)

        size = field.page_size(request.page_size)
        return await fitting(fetch, size, self._limits.response_bytes)

    async def delete_upload(self, request: pb.DeleteUploadRequest, call: Call) -> pb.DeleteUploadResponse:
        """With its bytes."""
        await self._uploads.delete(tenant_of(call), field.identifier("upload_id", "upl", request.upload_id))
        return pb.DeleteUploadResponse()

    async def _take(self, requests: AsyncIterator[pb.UploadRequest], content_type: str, file: Incoming) -> None:
        """Every byte up to the end, as long as they are what they are said to be and not too many."""
        size, beginning = 0, b""
        checked = False
        async for request in requests:
            if request.HasField("end"):
                if not checked:
                    _check_kind(content_type, beginning)
                return
            if not request.HasField("chunk"):
                raise invalid("file", "must be the first message and no other")
            size += len(request.chunk)
            if size > self._limits.upload_bytes:
                raise _too_large(self._limits.upload_bytes)
            if not checked:
                beginning += request.chunk[: files.MAGIC_BYTES]
                if checked := len(beginning) >= files.MAGIC_BYTES:
                    _check_kind(content_type, beginning)
            await file.write(request.chunk)
        raise ChatError(ErrorReason.MALFORMED_REQUEST, "the upload was cut: it has no end, and nothing of it is kept")

    def _to_proto(self, upload: Upload) -> pb.Upload:
        return pb.Upload(
            upload_id=upload.upload_id,
            path=f"uploads/{upload.upload_id}",
            filename=upload.filename,
            content_type=upload.content_type,
            size_bytes=upload.size_bytes,
            sha256=upload.sha256,
            created_at=wire.timestamp(upload.created_at),
            expires_at=wire.timestamp(upload.created_at + self._uploads.kept_s),
        )


class _Head(NamedTuple):
    filename: str
    content_type: str
    idempotency_key: str


async def _head(requests: AsyncIterator[pb.UploadRequest]) -> _Head:
    """What is said of the file, as it is kept."""
    first = await anext(requests, None)
    if first is None or not first.HasField("file"):
        raise invalid("file", "must be the first message")
    content_type = files.media_type(first.file.content_type)
    if not content_type:
        raise invalid("file.content_type", "must be a media type, as image/png")
    return _Head(files.shown_name(first.file.filename), content_type, field.idempotency_key(first.file.idempotency_key))


def _check_kind(content_type: str, beginning: bytes) -> None:
    if not beginning and files.is_picture(content_type):
        raise ChatError(ErrorReason.INVALID_IMAGE, "the picture is empty")
    if not files.begins_as(content_type, beginning):
        raise ChatError(ErrorReason.UNSUPPORTED_MEDIA_TYPE, f"the file is said to be {content_type}, and is not")


def _too_large(limit: int) -> ChatError:
    problem = f"the file is over the limit of {limit} bytes"
    return ChatError(ErrorReason.UPLOAD_TOO_LARGE, problem, details={"limit": limit})
