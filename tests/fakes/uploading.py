"""An upload as gRPC clients send it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thinkaloud.v1 import upload_service_pb2 as pb

CHUNK = 64 * 1024


def head(filename: str = "", content_type: str = "", key: str = "") -> pb.UploadRequest:
    return pb.UploadRequest(file=pb.UploadHead(filename=filename, content_type=content_type, idempotency_key=key))


def chunk(data: bytes) -> pb.UploadRequest:
    return pb.UploadRequest(chunk=data)


END = pb.UploadRequest(end=pb.UploadEnd())


def requests(data: bytes, *words: str) -> Iterator[pb.UploadRequest]:
    """The whole of it; `words` are the head's: filename, content type, key."""
    yield head(*words)
    for start in range(0, len(data), CHUNK):
        yield chunk(data[start : start + CHUNK])
    yield END


async def written(call: Any, *messages: pb.UploadRequest) -> Any:
    """The call, with these messages written and its end not said."""
    for message in messages:
        await call.write(message)
    return call


async def fetched(stub: Any, upload_id: str) -> tuple[pb.Upload, bytes]:
    """What it is, and its bytes."""
    first, *rest = [each async for each in stub.GetUpload(pb.GetUploadRequest(upload_id=upload_id))]
    return first.upload, b"".join(each.chunk for each in rest)


def files_below(place: Path) -> list[str]:
    """The names of all files, also of those that are not whole."""
    return sorted(path.name for path in place.rglob("*") if path.is_file()) if place.exists() else []
