"""The commands that look and tidy: models, runs, conversations and so on. Each is one call and a way to print it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping

from thinkaloud.client import Client
from thinkaloud.v1.message_pb2 import Message
from thinkaloud.v1.run_service_pb2 import Run
from thinkaloud_server.app import cli_uploads
from thinkaloud_server.app.cli_models import list_models
from thinkaloud_server.app.cli_output import (
    FAILED,
    OK,
    dollars,
    message_json,
    one_line,
    say_more,
    when,
    write,
    write_json,
    write_table,
    write_text,
)
from thinkaloud_server.app.cli_tls import client_of

Command = Callable[[argparse.Namespace, Client], Awaitable[int]]


def run(arguments: argparse.Namespace) -> int:
    """The command that was parsed. Returns its exit code."""
    return asyncio.run(_with_client(arguments, COMMANDS[arguments.call]))


async def _with_client(arguments: argparse.Namespace, command: Command) -> int:
    async with client_of(arguments) as client:
        return await command(arguments, client)


async def switch_model(arguments: argparse.Namespace, client: Client) -> int:
    current = await client.switch_model(arguments.model_id)
    if arguments.json:
        write_json({"current_model": current})
    else:
        write(current)
    return OK


async def list_runs(arguments: argparse.Namespace, client: Client) -> int:
    page = await client.runs(conversation_id=arguments.conversation, state=arguments.state, page_size=arguments.limit)
    if arguments.json:
        for each in page:
            write_json(message_json(each))
    else:
        rows = [(each.run_id, when(each.created_at), _ended(each), each.model) for each in page]
        write_table(("run", "begun", "state", "model"), rows)
    say_more(page.next_page_token)
    return OK


async def show_run(arguments: argparse.Namespace, client: Client) -> int:
    _write_run(await client.get_run(arguments.run_id, include_reasoning=arguments.show_reasoning), arguments)
    return OK


async def stop_run(arguments: argparse.Namespace, client: Client) -> int:
    _write_run(await client.stop(arguments.run_id), arguments)
    return OK


async def list_conversations(arguments: argparse.Namespace, client: Client) -> int:
    page = await client.conversations.list(page_size=arguments.limit)
    if arguments.json:
        for each in page:
            write_json(message_json(each))
    else:
        rows = [(each.conversation_id, when(each.updated_at), str(each.message_count), each.title) for each in page]
        write_table(("conversation", "last used", "messages", "title"), rows)
    say_more(page.next_page_token)
    return OK


async def show_conversation(arguments: argparse.Namespace, client: Client) -> int:
    """All its messages, page by page."""
    token = ""
    while True:
        page = await client.conversations.history(
            arguments.conversation_id, include_reasoning=arguments.show_reasoning, page_token=token
        )
        for message in page:
            _write_message(message, arguments)
        token = page.next_page_token
        if not token:
            return OK


async def delete_conversation(arguments: argparse.Namespace, client: Client) -> int:
    await client.conversations.delete(arguments.conversation_id)
    return OK


async def show_health(arguments: argparse.Namespace, client: Client) -> int:
    """Healthy is 0, anything else 1: a probe for scripts."""
    health = await client.health()
    if arguments.json:
        write_json(message_json(health))
    else:
        runs = health.agent_capacity
        facts = {
            "status": health.status,
            "up": f"{health.uptime:.0f} s",
            "runs": f"{runs.active} of {runs.max}",
            "memory": f"{health.resource_usage.memory_bytes / 2**20:.0f} MiB",
            "first token": f"{health.performance_metrics.first_token_ms:.0f} ms",
            "commit": f"{health.performance_metrics.commit_ms:.1f} ms",
            **{name: health.components[name] for name in sorted(health.components)},
        }
        _write_facts(facts)
    return OK if health.status == "healthy" else FAILED


async def show_identity(arguments: argparse.Namespace, client: Client) -> int:
    identity = await client.identity()
    if arguments.json:
        write_json(message_json(identity))
    else:
        facts = {
            "tenant": identity.tenant,
            "key": identity.key_id,
            "scopes": ", ".join(identity.scopes),
            "models": ", ".join(identity.models),
            "expires": when(identity.expires_at),
        }
        _write_facts(facts)
    return OK


COMMANDS: Mapping[str, Command] = {
    "models list": list_models,
    "models switch": switch_model,
    "runs list": list_runs,
    "runs show": show_run,
    "runs stop": stop_run,
    "conversations list": list_conversations,
    "conversations show": show_conversation,
    "conversations delete": delete_conversation,
    "health": show_health,
    "whoami": show_identity,
    **cli_uploads.COMMANDS,
}


def _write_run(run: Run, arguments: argparse.Namespace) -> None:
    if arguments.json:
        write_json(message_json(run))
        return
    facts = {
        "run": run.run_id,
        "state": _ended(run),
        "model": run.model,
        "conversation": run.conversation_id,
        "events": str(run.last_sequence),
        "begun": when(run.created_at),
        "ended": when(run.ended_at) if run.HasField("ended_at") else "",
    }
    if run.HasField("error"):
        facts["error"] = f"{run.error.code}: {run.error.message} (request {run.error.request_id})"
    if run.HasField("complete"):
        usage = run.complete.usage
        facts["tokens"] = f"{usage.input_tokens} in, {usage.output_tokens} out ({usage.reasoning_tokens} reasoning)"
        if usage.HasField("cost_usd"):
            facts["cost"] = dollars(usage.cost_usd)
    _write_facts(facts)
    if run.HasField("complete"):
        for text in (run.complete.reasoning, run.complete.response):
            if text:
                write("")
                write_text(text)


def _write_message(message: Message, arguments: argparse.Namespace) -> None:
    if arguments.json:
        write_json(message_json(message))
        return
    who = f"{message.role} ({message.model})" if message.model else message.role
    write(f"{who}{' [partial]' if message.partial else ''}:")
    if message.reasoning:
        write_text(message.reasoning, margin="  | ", style="dim")
    write_text(message.text, margin="  ")
    write("")


def _write_facts(facts: Mapping[str, str]) -> None:
    width = max(map(len, facts))
    for name, fact in facts.items():
        if fact:
            write(f"{name:<{width}}  {one_line(fact)}")


def _ended(run: Run) -> str:
    return f"{run.state} ({run.finish_reason})" if run.finish_reason not in ("", "stop") else run.state
