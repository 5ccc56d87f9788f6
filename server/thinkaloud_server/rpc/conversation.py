"""ConversationService: stored conversations and their messages."""

from __future__ import annotations

from collections.abc import Callable

from thinkaloud.v1 import conversation_service_pb2 as pb
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.run import Conversation
from thinkaloud_server.engine.ports import Clock
from thinkaloud_server.rpc import field, wire
from thinkaloud_server.rpc.call import Call, tenant_of
from thinkaloud_server.rpc.limits import Limits
from thinkaloud_server.rpc.page import PageTokens, fitting
from thinkaloud_server.rpc.ports import Engine

HISTORY_SIZE_DEFAULT = 200
HISTORY_SIZE_MAX = 1000


class ConversationServicer:
    """Straight to the store, except for deleting, which stops what lives."""

    def __init__(
        self, engine: Engine, limits: Limits, pages: PageTokens, *, clock: Clock, new_id: Callable[[str], str]
    ) -> None:
        self._engine = engine
        self._limits = limits
        self._pages = pages
        self._clock = clock
        self._new_id = new_id

    async def create_conversation(
        self, request: pb.CreateConversationRequest, call: Call
    ) -> pb.CreateConversationResponse:
        """Make an empty one."""
        now = self._clock.time()
        conversation = Conversation(
            conversation_id=self._new_id("conv"),
            tenant=tenant_of(call),
            title=field.title(request.title),
            created_at=now,
            updated_at=now,
            metadata=field.metadata(request.metadata),
        )
        await self._engine.store.create_conversation(tenant_of(call), conversation)
        return pb.CreateConversationResponse(conversation=wire.conversation_to_proto(conversation))

    async def get_conversation(self, request: pb.GetConversationRequest, call: Call) -> pb.GetConversationResponse:
        """One of them."""
        conversation_id = field.identifier("conversation_id", "conv", request.conversation_id)
        conversation = await self._engine.store.get_conversation(tenant_of(call), conversation_id)
        return pb.GetConversationResponse(conversation=wire.conversation_to_proto(_found(conversation)))

    async def list_conversations(
        self, request: pb.ListConversationsRequest, call: Call
    ) -> pb.ListConversationsResponse:
        """Last used first."""
        of = (tenant_of(call), "conversations")
        page_token = self._pages.taken(request.page_token, *of)

        async def fetch(page_size: int) -> pb.ListConversationsResponse:
            page = await self._engine.store.list_conversations(
                tenant_of(call), page_size=page_size, page_token=page_token
            )
            return pb.ListConversationsResponse(
                conversations=[wire.conversation_to_proto(each) for each in page.items],
                next_page_token=self._pages.given(page.next_page_token, *of),
            )

        size = field.page_size(request.page_size)
        return await fitting(fetch, size, self._limits.response_bytes)

    async def update_conversation(
        self, request: pb.UpdateConversationRequest, call: Call
    ) -> pb.UpdateConversationResponse:
        """Change what is given."""
        conversation = await self._engine.store.update_conversation(
            tenant_of(call),
            field.identifier("conversation_id", "conv", request.conversation_id),
            title=field.title(request.title) if request.HasField("title") else None,
            metadata=field.metadata(request.metadata) or None,
        )
        return pb.UpdateConversationResponse(conversation=wire.conversation_to_proto(_found(conversation)))

    async def delete_conversation(
        self, request: pb.DeleteConversationRequest, call: Call
    ) -> pb.DeleteConversationResponse:
        """With its messages, runs and events."""
        conversation_id = field.identifier("conversation_id", "conv", request.conversation_id)
        await self._engine.delete_conversation(tenant_of(call), conversation_id)
        return pb.DeleteConversationResponse()

    async def get_history(self, request: pb.GetHistoryRequest, call: Call) -> pb.GetHistoryResponse:
        """Its messages, oldest first; their reasoning only on request."""
        conversation_id = field.identifier("conversation_id", "conv", request.conversation_id)
        of = (tenant_of(call), "history", conversation_id)
        page_token = self._pages.taken(request.page_token, *of)
        audience = wire.Audience.of(request.include_reasoning)
        store = self._engine.store
        size = field.page_size(request.page_size, default=HISTORY_SIZE_DEFAULT, most=HISTORY_SIZE_MAX)
        _found(await store.get_conversation(tenant_of(call), conversation_id))

        async def fetch(page_size: int) -> pb.GetHistoryResponse:
            page = await store.history(tenant_of(call), conversation_id, page_size=page_size, page_token=page_token)
            return pb.GetHistoryResponse(
                conversation_id=conversation_id,
                messages=[wire.message_to_proto(each, audience) for each in page.items],
                next_page_token=self._pages.given(page.next_page_token, *of),
            )

        return await fitting(fetch, size, self._limits.response_bytes)


def _found(conversation: Conversation | None) -> Conversation:
    if conversation is None:
        raise ChatError(ErrorReason.NOT_FOUND, "there is no such conversation")
    return conversation
