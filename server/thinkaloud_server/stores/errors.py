"""What stores say no with, in one place so that every store says it alike."""

from __future__ import annotations

from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.upload import Quota


def unavailable(message: str) -> ChatError:
    """The store cannot answer; the caller may come again."""
    return ChatError(ErrorReason.STORAGE_UNAVAILABLE, message, retry_after_s=1.0)


def already_exists() -> ChatError:
    """Ids are random: this one was given twice."""
    return ChatError(ErrorReason.ALREADY_EXISTS, "something with this id exists already")


def key_reused() -> ChatError:
    """The idempotency key belongs to another request."""
    return ChatError(
        ErrorReason.IDEMPOTENCY_KEY_REUSED,
        "this idempotency key was used for another request: send the same request, or a new key",
    )


def conversation_not_found() -> ChatError:
    """There is no such conversation, or not for this tenant."""
    return ChatError(ErrorReason.NOT_FOUND, "there is no conversation with this id")


def over_quota(files: int, size_bytes: int, quota: Quota) -> ChatError:
    """There is no room for another upload of this tenant."""
    return ChatError(
        ErrorReason.QUOTA_EXCEEDED,
        f"{files} uploads of {size_bytes} bytes are kept, and at most {quota.files} of {quota.bytes} may be:"
        " delete some, or wait until they expire",
        details={"files": files, "files_max": quota.files, "bytes": size_bytes, "bytes_max": quota.bytes},
    )


def upload_not_found() -> ChatError:
    """There is no such upload, or not for this tenant."""
    return ChatError(ErrorReason.NOT_FOUND, "there is no upload with this id")
