"""The unary calls as values: what is sent where, and what of the answer the caller gets. Both clients send them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message as ProtoMessage

from thinkaloud.v1 import conversation_service_pb2 as conversation_pb2
from thinkaloud.v1 import identity_service_pb2 as identity_pb2
from thinkaloud.v1 import message_pb2, run_service_pb2, system_service_pb2
from thinkaloud.v1 import model_service_pb2 as model_pb2
from thinkaloud.v1 import upload_service_pb2 as upload_pb2

Answer = TypeVar("Answer", bound=ProtoMessage)
Value = TypeVar("Value")

CHAT = "/thinkaloud.v1.ChatService/Chat"
WATCH_RUN = "/thinkaloud.v1.RunService/WatchRun"
UPLOAD = "/thinkaloud.v1.UploadService/Upload"
GET_UPLOAD = "/thinkaloud.v1.UploadService/GetUpload"
_RUN = "/thinkaloud.v1.RunService/"
_CONVERSATION = "/thinkaloud.v1.ConversationService/"
_MODEL = "/thinkaloud.v1.ModelService/"
_SYSTEM = "/thinkaloud.v1.SystemService/"
_IDENTITY = "/thinkaloud.v1.IdentityService/"
_UPLOADS = "/thinkaloud.v1.UploadService/"


@dataclass(frozen=True, slots=True)
class Unary(Generic[Value]):
    """One call: `read` takes the value out of the message that `parse` made of the answer."""

    path: str
    request: ProtoMessage
    answer: type[ProtoMessage]
    read: Callable[[Any], Value]


@dataclass(frozen=True, slots=True)
class Page(Generic[Value]):
    """One page of a list. Hand `next_page_token` to the next call; it is empty on the last page."""

    items: tuple[Value, ...]
    next_page_token: str = ""

    def __iter__(self) -> Iterator[Value]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models that the server reaches, and `notes` on providers that could not be listed."""

    models: tuple[model_pb2.Model, ...]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[model_pb2.Model]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)


def _unary(path: str, request: ProtoMessage, answer: type[Answer], read: Callable[[Answer], Value]) -> Unary[Value]:
    return Unary(path, request, answer, read)


def read_run(request: run_service_pb2.GetRunRequest) -> Unary[run_service_pb2.Run]:
    return _unary(_RUN + "GetRun", request, run_service_pb2.GetRunResponse, lambda answer: answer.run)


def get_run(run_id: str, include_reasoning: bool) -> Unary[run_service_pb2.Run]:
    return read_run(run_service_pb2.GetRunRequest(run_id=run_id, include_reasoning=include_reasoning))


def list_runs(conversation_id: str, state: str, page_size: int, page_token: str) -> Unary[Page[run_service_pb2.Run]]:
    return _unary(
        _RUN + "ListRuns",
        run_service_pb2.ListRunsRequest(
            conversation_id=conversation_id, state=state, page_size=page_size, page_token=page_token
        ),
        run_service_pb2.ListRunsResponse,
        lambda answer: Page(tuple(answer.runs), answer.next_page_token),
    )


def stop_run(run_id: str, include_reasoning: bool = False) -> Unary[run_service_pb2.Run]:
    return _unary(
        _RUN + "StopRun",
        run_service_pb2.StopRunRequest(run_id=run_id, include_reasoning=include_reasoning),
        run_service_pb2.StopRunResponse,
        lambda answer: answer.run,
    )


def create_conversation(title: str, metadata: Mapping[str, str] | None) -> Unary[conversation_pb2.Conversation]:
    return _unary(
        _CONVERSATION + "CreateConversation",
        conversation_pb2.CreateConversationRequest(title=title, metadata=metadata),
        conversation_pb2.CreateConversationResponse,
        lambda answer: answer.conversation,
    )


def get_conversation(conversation_id: str) -> Unary[conversation_pb2.Conversation]:
    return _unary(
        _CONVERSATION + "GetConversation",
        conversation_pb2.GetConversationRequest(conversation_id=conversation_id),
        conversation_pb2.GetConversationResponse,
        lambda answer: answer.conversation,
    )


def list_conversations(page_size: int, page_token: str) -> Unary[Page[conversation_pb2.Conversation]]:
    return _unary(
        _CONVERSATION + "ListConversations",
        conversation_pb2.ListConversationsRequest(page_size=page_size, page_token=page_token),
        conversation_pb2.ListConversationsResponse,
        lambda answer: Page(tuple(answer.conversations), answer.next_page_token),
    )


def update_conversation(
    conversation_id: str, title: str | None, metadata: Mapping[str, str] | None
) -> Unary[conversation_pb2.Conversation]:
    return _unary(
        _CONVERSATION + "UpdateConversation",
        conversation_pb2.UpdateConversationRequest(conversation_id=conversation_id, title=title, metadata=metadata),
        conversation_pb2.UpdateConversationResponse,
        lambda answer: answer.conversation,
    )


def delete_conversation(conversation_id: str) -> Unary[None]:
    return _unary(
        _CONVERSATION + "DeleteConversation",
        conversation_pb2.DeleteConversationRequest(conversation_id=conversation_id),
        conversation_pb2.DeleteConversationResponse,
        lambda _: None,
    )


def get_history(
    conversation_id: str, include_reasoning: bool, page_size: int, page_token: str
) -> Unary[Page[message_pb2.Message]]:
    return _unary(
        _CONVERSATION + "GetHistory",
        conversation_pb2.GetHistoryRequest(
            conversation_id=conversation_id,
            include_reasoning=include_reasoning,
            page_size=page_size,
            page_token=page_token,
        ),
        conversation_pb2.GetHistoryResponse,
        lambda answer: Page(tuple(answer.messages), answer.next_page_token),
    )


def list_models(provider: str, search: str, min_context: int, reasoning: str) -> Unary[ModelList]:
    return _unary(
        _MODEL + "ListModels",
        model_pb2.ListModelsRequest(provider=provider, search=search, min_context=min_context, reasoning=reasoning),
        model_pb2.ListModelsResponse,
        lambda answer: ModelList(tuple(answer.models), tuple(answer.notes)),
    )


def get_current_model() -> Unary[model_pb2.Model]:
    return _unary(
        _MODEL + "GetCurrentModel",
        model_pb2.GetCurrentModelRequest(),
        model_pb2.GetCurrentModelResponse,
        lambda answer: answer.model,
    )


def switch_model(model_id: str) -> Unary[str]:
    return _unary(
        _MODEL + "SwitchModel",
        model_pb2.SwitchModelRequest(model_id=model_id),
        model_pb2.SwitchModelResponse,
        lambda answer: answer.current_model,
    )


def list_uploads(page_size: int, page_token: str) -> Unary[Page[upload_pb2.Upload]]:
    return _unary(
        _UPLOADS + "ListUploads",
        upload_pb2.ListUploadsRequest(page_size=page_size, page_token=page_token),
        upload_pb2.ListUploadsResponse,
        lambda answer: Page(tuple(answer.uploads), answer.next_page_token),
    )


def delete_upload(upload_id: str) -> Unary[None]:
    request, answer = upload_pb2.DeleteUploadRequest(upload_id=upload_id), upload_pb2.DeleteUploadResponse
    return _unary(_UPLOADS + "DeleteUpload", request, answer, lambda _: None)


def get_identity() -> Unary[identity_pb2.Identity]:
    request, answer = identity_pb2.GetIdentityRequest(), identity_pb2.GetIdentityResponse
    return Unary(f"{_IDENTITY}GetIdentity", request, answer, lambda response: response.identity)


def get_health() -> Unary[system_service_pb2.GetHealthResponse]:
    return _whole("GetHealth", system_service_pb2.GetHealthRequest(), system_service_pb2.GetHealthResponse)


def get_info() -> Unary[system_service_pb2.GetInfoResponse]:
    return _whole("GetInfo", system_service_pb2.GetInfoRequest(), system_service_pb2.GetInfoResponse)


def get_status() -> Unary[system_service_pb2.GetStatusResponse]:
    return _whole("GetStatus", system_service_pb2.GetStatusRequest(), system_service_pb2.GetStatusResponse)


def get_capabilities() -> Unary[system_service_pb2.GetCapabilitiesResponse]:
    return _whole(
        "GetCapabilities",
        system_service_pb2.GetCapabilitiesRequest(),
        system_service_pb2.GetCapabilitiesResponse,
    )


def get_token_usage() -> Unary[system_service_pb2.GetTokenUsageResponse]:
    return _whole("GetTokenUsage", system_service_pb2.GetTokenUsageRequest(), system_service_pb2.GetTokenUsageResponse)


def _whole(method: str, request: ProtoMessage, answer: type[Answer]) -> Unary[Answer]:
    return _unary(_SYSTEM + method, request, answer, lambda whole: whole)
