"""The call that a WebSocket is held by: what it is made with, and what becomes of one that is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from thinkaloud.v1 import identity_service_pb2 as pb
from thinkaloud_server.web.asked import Asked
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.hold import Gate

METHOD = pb.DESCRIPTOR.services_by_name["IdentityService"].methods_by_name["HoldSocket"]
Step = pb.HoldSocketResponse | HttpError | grpc.aio.AioRpcError | asyncio.Event


class FakeCaller:
    """Answers one call after the other with these steps."""

    def __init__(self, *calls: Sequence[Step]) -> None:
        self.calls = list(calls)
        self.made: list[tuple[Any, list[tuple[str, str]]]] = []
        self.open = 0

    @asynccontextmanager
    async def stream(self, method: Any, message: Any, metadata: Any) -> AsyncIterator[Any]:
        self.made.append((message, [each for each in metadata if each[0] == "authorization"]))
        self.open += 1
        try:
            yield self._messages(self.calls.pop(0))
        finally:
            self.open -= 1

    async def _messages(self, steps: Sequence[Step]) -> AsyncIterator[pb.HoldSocketResponse]:
        for step in steps:
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, Exception):
                raise step
            else:
                yield step


def asked(**headers: str) -> Asked:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Asked.of({"raw_path": b"/chat", "query_string": b"", "headers": raw})


def gate(*calls: Sequence[Step], patience_s: float = 5.0) -> tuple[Gate, FakeCaller]:
    caller = FakeCaller(*calls)
    return Gate(caller, METHOD, patience_s), caller  # type: ignore[arg-type]  # a fake has what is called


def lost() -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "gone")


def over() -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAUTHENTICATED, grpc.aio.Metadata(), grpc.aio.Metadata(), "no more")


WORD = pb.HoldSocketResponse(identity=pb.Identity(tenant="t"))


async def test_it_is_called_with_the_path_the_token_and_the_header() -> None:
    at, caller = gate([WORD])
    hold = await at.open(asked(authorization="Bearer a"), token="tok")
    assert caller.made == [(pb.HoldSocketRequest(path="/chat", token="tok"), [("authorization", "Bearer a")])]
    assert ("authorization", "Bearer a") in hold.metadata
    await hold.close()
    assert caller.open == 0


async def test_the_calls_of_its_socket_are_made_with_what_it_was_told() -> None:
    at, _ = gate([pb.HoldSocketResponse(authorization="Bearer s")])
    hold = await at.open(asked(), token="tok")
    assert [each for each in hold.metadata if each[0] == "authorization"] == [("authorization", "Bearer s")]
    await hold.close()


async def test_a_credential_of_a_message_stands_for_the_header() -> None:
    at, caller = gate([WORD])
    hold = await at.open(asked(authorization="Bearer a"), credential="b")
    assert caller.made[0][1] == [("authorization", "Bearer b")]
    await hold.close()


@pytest.mark.parametrize(
    ("steps", "code"),
    [([HttpError("AUTH_INVALID", "no")], "AUTH_INVALID"), ([], "OVERLOADED"), ([asyncio.Event()], "OVERLOADED")],
    ids=["refused", "silent end", "silence"],
)
async def test_without_the_word_there_is_no_hold(steps: Sequence[Step], code: str) -> None:
    at, caller = gate(steps, patience_s=0.05)
    with pytest.raises(HttpError) as refused:
        await at.open(asked())
    assert refused.value.code == code
    assert caller.open == 0


async def test_it_is_over_when_the_service_says_so() -> None:
    at, caller = gate([WORD, over()])
    hold = await at.open(asked())
    assert (await hold.over()).close == 4401
    await hold.close()
    assert caller.open == 0


async def test_a_call_that_is_lost_is_made_again_without_its_token() -> None:
    word = pb.HoldSocketResponse(authorization="Bearer s")
    at, caller = gate([word, lost()], [HttpError("OVERLOADED", "not yet", lost=True)], [word, over()])
    hold = await at.open(asked(), token="tok")
    assert (await hold.over()).close == 4401
    session = [("authorization", "Bearer s")]
    assert [(made.token, given) for made, given in caller.made] == [("tok", []), ("", session), ("", session)]
    await hold.close()
    assert caller.open == 0
