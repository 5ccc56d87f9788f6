"""Messages and their bytes, and how large either may be: the same limits on every channel."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from thinkaloud_server.core.errors import ChatError, ErrorReason

Asked = TypeVar("Asked", bound=Message)


def decode(kind: type[Asked], data: bytes, bytes_max: int) -> Asked:
    """The request in these bytes. Raises ChatError: MALFORMED_REQUEST, MESSAGE_TOO_LARGE."""
    check_request(len(data), bytes_max)
    try:
        return kind.FromString(data)
    except DecodeError as error:
        name = kind.DESCRIPTOR.full_name
        raise ChatError(ErrorReason.MALFORMED_REQUEST, f"the bytes are not a {name}") from error


def encode(message: Message, bytes_max: int) -> bytes:
    """The bytes of this answer. Raises ChatError: MESSAGE_TOO_LARGE."""
    data = message.SerializeToString()
    check_answer(len(data), bytes_max)
    return data


def check_request(size: int, bytes_max: int) -> None:
    """Raises ChatError: MESSAGE_TOO_LARGE."""
    if size > bytes_max:
        raise _too_large("request", size, bytes_max)


def check_answer(size: int, bytes_max: int) -> None:
    """Raises ChatError: MESSAGE_TOO_LARGE."""
    if size > bytes_max:
        raise _too_large("answer", size, bytes_max)


def _too_large(what: str, size: int, bytes_max: int) -> ChatError:
    return ChatError(
        ErrorReason.MESSAGE_TOO_LARGE,
        f"the {what} has {size} bytes; at most {bytes_max} are carried",
        details={"limit": bytes_max, "actual": size},
    )
