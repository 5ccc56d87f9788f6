"""Who calls: the credential in a call's metadata, and the one place where a method's scope is asked for.

Whoever may not call is answered alike whatever the method is. What a credential is worth is an `Authenticator`'s to
say; without one nobody is asked, and every caller is `ANYBODY`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any, Protocol, cast

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from thinkaloud.v1 import access_pb2
from thinkaloud_server.core.errors import ChatError, ErrorReason
from thinkaloud_server.core.identity import NOBODY, SCOPES, Identity, Scope
from thinkaloud_server.rpc.call import Call
from thinkaloud_server.rpc.interceptors import Interceptor

# protoc leaves the types of extensions out.
_SCOPE: Any = access_pb2.scope
_HOLDS_SOCKET: Any = access_pb2.holds_socket
# Longer ones are refused before anything is computed of them.
CREDENTIAL_BYTES_MAX = 16 * 1024


class Authenticator(Protocol):
    """Knows what credentials are worth."""

    async def identify(self, credential: str) -> Identity:
        """The caller who sent `authorization: Bearer <credential>`.

        Raises ChatError: AUTH_INVALID, AUTH_EXPIRED, AUTH_NOT_YET_VALID, AUTH_REVOKED.
        """

    async def socket_token(self, identity: Identity, path: str) -> tuple[str, float]:
        """A token that opens a WebSocket at this path once, and until when (seconds since the epoch)."""

    async def redeem(self, token: str, path: str) -> tuple[str, Identity]:
        """The `authorization` for the calls of the socket that this token opens, and who calls.

        Raises ChatError: WS_TOKEN_INVALID, WS_TOKEN_USED, AUTH_REVOKED.
        """

    def watch(self, identity: Identity, ended: Callable[[ChatError], object]) -> AbstractContextManager[None]:
        """While this is entered, `ended` is called, once, when the caller's credential is revoked or expires."""


def methods_by_path(services: Iterable[ServiceDescriptor]) -> Iterator[tuple[str, MethodDescriptor]]:
    """Every method of these services, with its path as calls name it."""
    for service in services:
        for method in service.methods:
            yield f"/{service.full_name}/{method.name}", method


def scopes_of(services: Iterable[ServiceDescriptor]) -> Mapping[str, Scope]:
    """The scope of each method, by its path; "admin" for one that names none."""
    scopes: dict[str, Scope] = {}
    for path, method in methods_by_path(services):
        named = method.GetOptions().Extensions[_SCOPE] or "admin"
        assert named == "open" or named in SCOPES, f"{method.full_name} has no scope {named!r}"
        scopes[path] = cast("Scope", named)
    return scopes


def streams_of(services: Iterable[ServiceDescriptor]) -> frozenset[str]:
    """The paths of the methods that answer with a stream."""
    return frozenset(path for path, method in methods_by_path(services) if method.server_streaming)


def sockets_of(services: Iterable[ServiceDescriptor]) -> frozenset[str]:
    """The paths of the methods that stand for a WebSocket, which are counted by themselves."""
    return frozenset(
        path for path, method in methods_by_path(services) if method.GetOptions().Extensions[_HOLDS_SOCKET]
    )


def identify(
    authenticator: Authenticator, scopes: Mapping[str, Scope], streams: Container[str] = frozenset()
) -> Interceptor:
    """Every call of a method of `scopes` has an identity that may call it. What is not there has nothing to protect.

    A stream ends with the credential that it was opened with.
    """

    @asynccontextmanager
    async def intercept(call: Call) -> AsyncIterator[None]:
        scope = scopes.get(call.method, "open")
        if scope == "open":
            call.identity = NOBODY
            yield
            return
        call.identity = await authenticator.identify(credential_of(call))
        call.identity.check_scope(scope)
        if call.method in streams:
            with authenticator.watch(call.identity, call.cut):
                yield
        else:
            yield

    return intercept


async def is_known(authenticator: Authenticator | None, call: Call) -> bool:
    """Whether an open method may tell this caller more than it tells anybody."""
    if authenticator is None:
        return True
    try:
        await authenticator.identify(credential_of(call))
    except ChatError as error:
        call.guessed = error.reason is ErrorReason.AUTH_INVALID
        return False
    return True


def credential_of(call: Call) -> str:
    """What follows "Bearer " in the call's one `authorization`. Raises ChatError(AUTH_REQUIRED, AUTH_INVALID)."""
    given = [value for key, value in call.metadata if key == "authorization"]
    if not given:
        raise ChatError(ErrorReason.AUTH_REQUIRED, "a credential is needed: authorization: Bearer <API key or token>")
    if len(given) > 1:
        raise ChatError(ErrorReason.AUTH_INVALID, "authorization was sent more than once: send one")
    scheme, _, credential = str(given[0]).partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise ChatError(ErrorReason.AUTH_INVALID, "authorization must be: Bearer <API key or token>")
    if len(credential) > CREDENTIAL_BYTES_MAX or not (credential.isascii() and credential.isprintable()):
        raise ChatError(ErrorReason.AUTH_INVALID, "the credential is not valid")
    return credential
