"""The sync client: the twin of client.py, without `await`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from types import TracebackType
from typing import BinaryIO, Self, Unpack

from thinkaloud import calls, transfer
from thinkaloud.authorization import Credentials
from thinkaloud.calls import ModelList, Page
from thinkaloud.client import MessageType
from thinkaloud.connection import StreamRequest, SyncConnection
from thinkaloud.endpoint import Path, endpoint
from thinkaloud.errors import error_from_event
from thinkaloud.events import Error, Reasoning, Token
from thinkaloud.fold import Fold, Result
from thinkaloud.request import ChatOptions, chat_request, watch_request
from thinkaloud.resume import Cursor, Patience
from thinkaloud.sync_stream import SyncStream
from thinkaloud.upload import OnProgress, Sink, Source
from thinkaloud.v1 import identity_service_pb2, system_service_pb2
from thinkaloud.v1.conversation_service_pb2 import Conversation
from thinkaloud.v1.message_pb2 import Message
from thinkaloud.v1.model_service_pb2 import Model
from thinkaloud.v1.run_service_pb2 import Run
from thinkaloud.v1.upload_service_pb2 import Upload

OnChunk = Callable[[str, MessageType], None]


class SyncClient:
    """A thinkaloud server, from code without an event loop. Use it as a context manager, or `close()` it.

    `address` is `host:port` or a URL (`https://` and `grpcs://` mean TLS); without it THINKALOUD_ADDRESS, then
    127.0.0.1:50051. `ca_file` names who signs the server's certificate if that is none of gRPC's own authorities,
    `client_certificate` and `client_key` who we are where the server asks (mTLS); all are files in PEM form.
    `api_key` defaults to THINKALOUD_API_KEY; `credentials` (ClientCredentials) get tokens from an issuer in its place.
    Neither goes to another machine without TLS but with `plaintext_key`.
    `start_timeout_s` and `resume_timeout_s` say how long a stream tries to reach the server without progress, before
    and after `start`; `silence_timeout_s` how long it may say nothing, heartbeats included; `call_timeout_s` bounds
    each unary call. Raises ValueError for what cannot be; every method raises ThinkaloudError.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        api_key: str | None = None,
        credentials: Credentials | None = None,
        tls: bool | None = None,
        ca_file: Path | None = None,
        client_certificate: Path | None = None,
        client_key: Path | None = None,
        plaintext_key: bool | None = None,
        start_timeout_s: float = 10.0,
        resume_timeout_s: float = 60.0,
        silence_timeout_s: float = 45.0,
        call_timeout_s: float = 30.0,
    ) -> None:
        where = endpoint(
            address,
            api_key=api_key,
            credentials=credentials,
            tls=tls,
            ca_file=ca_file,
            client_certificate=client_certificate,
            client_key=client_key,
            plaintext_key=plaintext_key,
        )
        self._connection = SyncConnection(where, call_timeout_s)
        self._patience = Patience(start_s=start_timeout_s, resume_s=resume_timeout_s)
        self._silence_s = silence_timeout_s
        self.conversations = SyncConversations(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave every open stream as its caller would (at most a second each), then close the connection."""
        self._connection.close()

    def stream(self, text: str = "", *, heartbeats: bool = False, **options: Unpack[ChatOptions]) -> SyncStream:
        """Ask, and watch the typed events. Enter and iterate what it returns.

        The last event is Complete or Error: a run that failed after `start` is not raised here. Leaving early stops the
        run unless `detach` was given. Raises, on entering or at the first event, what went wrong before `start`;
        later, only that the connection is lost (ConnectionLostError) or `timeout_s` has passed.
        """
        request = chat_request(text, options, fresh_key=uuid.uuid4().hex)
        return self._stream(request, heartbeats, options.get("timeout_s"))

    def watch(
        self,
        run_id: str,
        after_sequence: int = 0,
        *,
        include_reasoning: bool = False,
        reasoning_only_fallback: bool | None = None,
        heartbeats: bool = False,
    ) -> SyncStream:
        """Watch a run that exists, live or ended, from any event on. Leaving never stops it.

        Raises NotFoundError, and InvalidRequestError when `after_sequence` is beyond the log or was trimmed from it.
        """
        request = watch_request(run_id, after_sequence, include_reasoning, reasoning_only_fallback)
        return self._stream(request, heartbeats, None)

    def chunks(self, text: str = "", **options: Unpack[ChatOptions]) -> Generator[tuple[MessageType, str], None, None]:
        """Ask, and get the text alone: pairs of "reasoning" or "assistant" and a piece. Raises when the run fails."""
        with self.stream(text, **options) as stream:
            for event in stream:
                match event:
                    case Reasoning():
                        yield "reasoning", event.token
                    case Token():
                        yield "assistant", event.token
                    case Error():
                        raise error_from_event(event)

    def chat(self, text: str = "", *, on_chunk: OnChunk | None = None, **options: Unpack[ChatOptions]) -> Result:
        """Ask, and wait for the whole answer; `on_chunk(chunk, message_type)` is called for each piece meanwhile.

        An exception of `on_chunk` stops the run and is raised here. Raises when the run fails; the error's `result`
        then holds what had been said.
        """
        fold = Fold()
        with self.stream(text, **options) as stream:
            for event in stream:
                fold.feed(event)
                match event:
                    case Reasoning() | Token() if on_chunk is not None:
                        kind: MessageType = "reasoning" if isinstance(event, Reasoning) else "assistant"
                        on_chunk(event.token, kind)
                    case Error():
                        raise error_from_event(event, fold.result())
        return fold.result()

    def get_run(self, run_id: str, *, include_reasoning: bool = False) -> Run:
        """The state of a run and, when it has ended, its result. Raises NotFoundError."""
        return self._connection.send(calls.get_run(run_id, include_reasoning))

    def runs(
        self, *, conversation_id: str = "", state: str = "", page_size: int = 0, page_token: str = ""
    ) -> Page[Run]:
        """Runs, newest first."""
        return self._connection.send(calls.list_runs(conversation_id, state, page_size, page_token))

    def stop(self, run_id: str, *, include_reasoning: bool = False) -> Run:
        """Stop a run and wait until it has ended; stopping an ended one changes nothing. Raises NotFoundError."""
        return self._connection.send(calls.stop_run(run_id, include_reasoning))

    def upload(
        self,
        file: Path | BinaryIO,
        *,
        filename: str | None = None,
        content_type: str | None = None,
        idempotency_key: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Upload:
        """Store a file: a path, or an open binary file from where it stands. It is sent as it is read.

        Name and type are the file's own unless they are given. A connection that breaks is tried again with the same
        key, which stores nothing twice; `on_progress` is told how many bytes have gone. Raises OSError where the file
        cannot be read.
        """
        source = Source(
            file, filename=filename, content_type=content_type, idempotency_key=idempotency_key, on_progress=on_progress
        )
        with closing(source):
            return transfer.sync_send(self._connection, source, self._patience.start_s)

    def download(self, upload_id: str, to: Path | BinaryIO, *, on_progress: OnProgress | None = None) -> Upload:
        """Write an upload to a path, where it appears once it is whole, or into an open binary file.

        A connection that breaks is made again, and the file goes on where it was. Raises NotFoundError, and OSError
        where it cannot be written.
        """
        with closing(Sink(to, on_progress)) as sink:
            return transfer.sync_fetch(self._connection, upload_id, sink, self._patience.start_s)

    def list_uploads(self, *, page_size: int = 0, page_token: str = "") -> Page[Upload]:
        """Uploads, newest first."""
        return self._connection.send(calls.list_uploads(page_size, page_token))

    def delete_upload(self, upload_id: str) -> None:
        """Delete an upload with its bytes. Raises NotFoundError."""
        self._connection.send(calls.delete_upload(upload_id))

    def models(self, *, provider: str = "", search: str = "", min_context: int = 0, reasoning: str = "") -> ModelList:
        """The models that the server reaches, and notes on providers that did not answer.

        `reasoning` is "none", "optional", "mandatory", or "any" for all that can reason.
        """
        return self._connection.send(calls.list_models(provider, search, min_context, reasoning))

    def current_model(self) -> Model:
        """The model that is used when a request names none."""
        return self._connection.send(calls.get_current_model())

    def switch_model(self, model_id: str) -> str:
        """Use another model from now on; answers with its id. Raises NotFoundError with near names in `details`."""
        return self._connection.send(calls.switch_model(model_id))

    def health(self) -> system_service_pb2.GetHealthResponse:
        """How the server is: `status` is healthy, degraded, at_capacity or unhealthy."""
        return self._connection.send(calls.get_health())

    def info(self) -> system_service_pb2.GetInfoResponse:
        """What the server is: version, providers, store."""
        return self._connection.send(calls.get_info())

    def status(self) -> system_service_pb2.GetStatusResponse:
        """What the server does just now."""
        return self._connection.send(calls.get_status())

    def capabilities(self) -> system_service_pb2.GetCapabilitiesResponse:
        """What the server can do, and its limits."""
        return self._connection.send(calls.get_capabilities())

    def identity(self) -> identity_service_pb2.Identity:
        """Who we are to the server: tenant, key, scopes."""
        return self._connection.send(calls.get_identity())

    def token_usage(self) -> system_service_pb2.GetTokenUsageResponse:
        """Tokens used so far."""
        return self._connection.send(calls.get_token_usage())

    def _stream(
        self,
        request: StreamRequest,
        heartbeats: bool,
        timeout_s: float | None,
    ) -> SyncStream:
        cursor = Cursor(request, patience=self._patience, heartbeats=heartbeats, timeout_s=timeout_s)
        return SyncStream(self._connection, cursor, silence_s=self._silence_s)


class SyncConversations:
    """Stored conversations: `client.conversations`."""

    def __init__(self, connection: SyncConnection) -> None:
        self._connection = connection

    def create(self, title: str = "", *, metadata: Mapping[str, str] | None = None) -> Conversation:
        """Make an empty conversation."""
        return self._connection.send(calls.create_conversation(title, metadata))

    def get(self, conversation_id: str) -> Conversation:
        """One conversation. Raises NotFoundError."""
        return self._connection.send(calls.get_conversation(conversation_id))

    def list(self, *, page_size: int = 0, page_token: str = "") -> Page[Conversation]:
        """Conversations, last used first."""
        return self._connection.send(calls.list_conversations(page_size, page_token))

    def update(
        self, conversation_id: str, *, title: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Conversation:
        """Change the title, or replace the metadata; what is left out stays. Raises NotFoundError."""
        return self._connection.send(calls.update_conversation(conversation_id, title, metadata))

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation with its messages and runs; a live run in it is stopped. Raises NotFoundError."""
        self._connection.send(calls.delete_conversation(conversation_id))

    def history(
        self, conversation_id: str, *, include_reasoning: bool = False, page_size: int = 0, page_token: str = ""
    ) -> Page[Message]:
        """The messages of a conversation, oldest first. Raises NotFoundError."""
        return self._connection.send(calls.get_history(conversation_id, include_reasoning, page_size, page_token))
