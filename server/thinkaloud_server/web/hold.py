"""The service's word that a WebSocket may be open: one call of the contract's own method, as long as the socket is.

Who calls is said in three ways: by a header of the handshake, which browsers cannot send; by a token in its address,
which opens one socket once; or by the first message. Which of them is good is the service's to say, and its call ends
when what it said no longer holds.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from thinkaloud_server.web import words
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.call import Caller
from thinkaloud_server.web.error import HttpError, from_rpc

# A response of the method: what its fields are called is said in words.py.
Held: TypeAlias = Any

_AGAIN_S = 0.2
_AGAIN_S_MAX = 5.0


class Hold:
    """One call that is open. `metadata` is what the calls of its socket are made with."""

    def __init__(self, gate: Gate, asked: Asked, credential: str) -> None:
        self._gate = gate
        self._asked = asked
        self._stack = AsyncExitStack()
        self._messages: Any = None
        self.metadata = asked.metadata(credential)
        self.held: Held = None

    async def open(self, token: str = "") -> None:
        """Call, and wait for the word. Raises HttpError."""
        gate = self._gate
        request = GetMessageClass(gate.method.input_type)(**{words.PATH: self._asked.path, words.TOKEN: token})
        try:
            async with asyncio.timeout(gate.patience_s), AsyncExitStack() as opening:
                messages = await opening.enter_async_context(gate.caller.stream(gate.method, request, self.metadata))
                self.held = await anext(messages)
                self._stack, self._messages = opening.pop_all(), messages
        except TimeoutError:
            raise HttpError("OVERLOADED", f"nobody said within {gate.patience_s:g} s who calls") from None
        except StopAsyncIteration:
            raise HttpError("OVERLOADED", "nobody said who calls") from None
        if authorization := getattr(self.held, words.AUTHORIZATION):
            self.metadata = self._asked.metadata(authorization)

    async def over(self) -> HttpError:
        """Wait until the service takes its word back, and say why. A call that was lost is made again, elsewhere."""
        error, again_s = await self._ended(), _AGAIN_S
        while error.lost or error.http == 503:
            await asyncio.sleep(again_s)
            await self.close()
            try:
                await self.open()
            except HttpError as failed:
                error, again_s = failed, min(2 * again_s, _AGAIN_S_MAX)
            else:
                error, again_s = await self._ended(), _AGAIN_S
        return error

    async def close(self) -> None:
        """The socket is closed, or another hold has taken over."""
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()

    async def _ended(self) -> HttpError:
        try:
            async for _ in self._messages:
                pass
        except grpc.aio.AioRpcError as error:
            return from_rpc(error)
        return HttpError("OVERLOADED", "the server let the socket go", lost=True)


class Gate:
    """Where sockets are let in: the method that is called for each of them."""

    def __init__(self, caller: Caller, method: MethodDescriptor, patience_s: float) -> None:
        self.caller = caller
        self.method = method
        self.patience_s = patience_s

    async def open(self, asked: Asked, *, token: str = "", credential: str = "") -> Hold:
        """A hold for whom the token, this credential or else the handshake's own header names. Raises HttpError."""
        hold = Hold(self, asked, f"Bearer {credential}" if credential else "")
        await hold.open(token)
        return hold
