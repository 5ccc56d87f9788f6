"""The HTTP status of an answer that is none of errors: 200, or what one of its words asks for (http_status.proto)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf.message import Message

from thinkaloud.v1 import http_status_pb2

OK = 200


def status_of(answer: Message) -> int:
    """The status for this answer."""
    for field, words in words_of(answer.DESCRIPTOR).items():
        if status := words.get(getattr(answer, field)):
            return status
    return OK


@cache
def words_of(message: Any) -> Mapping[str, Mapping[str, int]]:
    """By field, the words of a message that have a status, each with it. The stubs have two classes for descriptors."""
    option: Any = http_status_pb2.http_status
    marked = {field.name: field.GetOptions().Extensions[option] for field in message.fields}
    return {name: {each.word: each.http for each in words} for name, words in marked.items() if words}
