"""Pages of lists that fit into one message."""

from __future__ import annotations

import pytest

from thinkaloud.v1.conversation_service_pb2 import Conversation, ListConversationsResponse
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc.page import fitting


def page(size: int, title_chars: int) -> ListConversationsResponse:
    return ListConversationsResponse(conversations=[Conversation(title="x" * title_chars)] * size)


@pytest.mark.parametrize(
    ("asked", "title_chars", "fits"),
    [(10, 10, 10), (200, 100, 9), (1, 900, 1), (64, 450, 2)],
    ids=["small", "large", "one", "very-large"],
)
async def test_a_page_is_as_long_as_fits(asked: int, title_chars: int, fits: int) -> None:
    sizes: list[int] = []

    async def fetch(size: int) -> ListConversationsResponse:
        sizes.append(size)
        return page(size, title_chars)

    found = await fitting(fetch, asked, 1000)
    assert found.ByteSize() <= 1000
    assert len(found.conversations) == sizes[-1] <= fits
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) <= 8


async def test_one_entry_that_does_not_fit_is_refused() -> None:
    async def fetch(size: int) -> ListConversationsResponse:
        return page(size, 2000)

    with pytest.raises(ChatError) as caught:
        await fitting(fetch, 4, 1000)
    assert caught.value.reason is ErrorReason.MESSAGE_TOO_LARGE
    assert caught.value.details["limit"] == 1000


async def test_an_empty_page_always_fits() -> None:
    async def fetch(size: int) -> ListConversationsResponse:
        return ListConversationsResponse()

    assert not (await fitting(fetch, 4, 0)).conversations
