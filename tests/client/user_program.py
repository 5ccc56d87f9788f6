# ruff: noqa: T201
"""A program of a user, for the type checker: test_client_typing.py holds it to `mypy --strict`."""

from __future__ import annotations

import asyncio
from typing import assert_never, assert_type

from thinkaloud import (
    Action,
    ChatOptions,
    Client,
    Complete,
    Error,
    Event,
    Heartbeat,
    Message,
    MessageType,
    Page,
    Progress,
    RateLimitedError,
    Reasoning,
    ReasoningControl,
    Result,
    Start,
    Status,
    Stream,
    SyncClient,
    Token,
    Tool,
    ToolCall,
    Warning,
)
from thinkaloud.v1.conversation_service_pb2 import Conversation


def show(event: Event) -> str:
    """Every event has a case: assert_never finds the one that is missing."""
    match event:
        case Start(run_id=run_id):
            return run_id
        case Reasoning(token=token) | Token(token=token):
            return token
        case Progress() | Status() | Message() | Heartbeat() | Warning() | Action() | ToolCall():
            return type(event).__name__
        case Complete(response=response):
            return response
        case Error(code=code):
            return code
        case _:
            assert_never(event)


async def on_chunk(chunk: str, message_type: MessageType) -> None:
    """A coroutine function is a callback."""
    print(message_type, chunk)


async def program() -> None:
    """Everything that is asynchronous."""
    options: ChatOptions = {"model": "demo/reasoner", "reasoning": ReasoningControl(effort="high")}
    async with Client("127.0.0.1:50051") as client:
        async with client.stream("What is 17*23?", include_reasoning=True) as stream:
            assert_type(stream, Stream)
            async for event in stream:
                show(event)
        async for bare in client.stream("What is 17*23?", **options):
            show(bare)
        async for message_type, chunk in client.chunks("What is 17*23?"):
            await on_chunk(chunk, message_type)
        result = await client.chat(
            "What is 17*23?", on_chunk=on_chunk, temperature=0, reasoning="low", tools=[Tool("look")]
        )
        assert_type(result, Result)
        assert_type(result.response, str)
        assert_type(result.usage.output_tokens, int)
        await client.chat(messages=[{"role": "user", "content": "hi"}], on_chunk=lambda chunk, kind: print(chunk))
        assert_type(await client.conversations.list(), Page[Conversation])
        for conversation in await client.conversations.list():
            assert_type(conversation.title, str)
        try:
            print((await client.health()).status, [model.id for model in await client.models()])
        except RateLimitedError as error:
            assert_type(error.retry_after_s, float | None)


def sync_program() -> None:
    """The same without an event loop."""
    with SyncClient() as client:
        for event in client.stream("What is 17*23?", detach=-1):
            show(event)
        for message_type, chunk in client.chunks("What is 17*23?"):
            print(message_type, chunk)
        result = client.chat("What is 17*23?", on_chunk=lambda chunk, kind: None)
        assert_type(result.run_id, str)
        assert_type(client.get_run(result.run_id).state, str)


if __name__ == "__main__":
    asyncio.run(program())
