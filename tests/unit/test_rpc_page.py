"""Pages of lists that fit into one message."""

from __future__ import annotations

import pytest

from thinkaloud.v1.conversation_service_pb2 import Conversation, ListConversationsResponse
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.rpc.page import PageTokens, fitting


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


def test_a_token_leads_on_in_its_own_list() -> None:
    tokens = PageTokens(b"key")
    given = tokens.given("next.page", "acme", "runs", "conv_1", "failed")
    assert tokens.taken(given, "acme", "runs", "conv_1", "failed") == "next.page"
    assert tokens.given("", "acme", "runs") == tokens.taken("", "acme", "runs") == ""


@pytest.mark.parametrize(
    "of",
    [("other", "runs", "c"), ("acme", "history", "c"), ("acme", "runs", "d"), ("acme", "runs"), ("acme", "runsc", "")],
    ids=str,
)
def test_a_token_of_another_list_is_refused(of: tuple[str, ...]) -> None:
    tokens = PageTokens(b"key")
    with pytest.raises(ChatError) as caught:
        tokens.taken(tokens.given("next", "acme", "runs", "c"), *of)
    assert caught.value.reason is ErrorReason.INVALID_PAGE_TOKEN


@pytest.mark.parametrize("text", ["next", "next.", ".", "x.y.z", "next.é", "\n", "x" * 2000])
def test_a_forged_token_is_refused(text: str) -> None:
    tokens = PageTokens(b"key")
    for each in (text, PageTokens(b"another").given("next", "acme", "runs")):
        with pytest.raises(ChatError) as caught:
            tokens.taken(each, "acme", "runs")
        assert caught.value.reason is ErrorReason.INVALID_PAGE_TOKEN
