"""`thinkaloud chat`: one question, a conversation at a prompt, or a run that is watched again.

Ctrl-C cancels the task that reads the stream, and leaving a stream stops its run: the client library's promise.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, Protocol

from thinkaloud import events
from thinkaloud.client import Client
from thinkaloud.errors import ThinkaloudError, error_from_event
from thinkaloud.request import ChatMessage, ChatOptions
from thinkaloud.stream import Stream
from thinkaloud_server.app.cli_output import (
    FAILED,
    OK,
    USAGE,
    CommandError,
    console,
    dollars,
    event_json,
    explain,
    on_terminal,
    one_line,
    say,
    write,
    write_json,
)
from thinkaloud_server.app.cli_tls import client_of

# Somebody waits at a prompt: a server that is not there should be said to be missing soon.
START_TIMEOUT_S = 3.0
TEXT_BYTES_MAX = 4 * 1024 * 1024

PROMPT_HELP = """\
/new          begin another conversation
/model [ID]   say or change the model of this conversation
/quit         leave (or Ctrl-D)
Ctrl-C stops an answer."""


class Sink(Protocol):
    """Where the events of a run are shown."""

    def show(self, event: events.Event) -> None: ...


def run(arguments: argparse.Namespace) -> int:
    """The command. Returns its exit code."""
    with asyncio.Runner() as runner:
        client = client_of(arguments, start_timeout_s=START_TIMEOUT_S)
        try:
            return _dispatch(arguments, client, runner)
        finally:
            runner.run(client.close())


def _dispatch(arguments: argparse.Namespace, client: Client, runner: asyncio.Runner) -> int:
    if arguments.resume:
        if arguments.text:
            raise CommandError("--resume watches a run again and takes no text", USAGE)
        return runner.run(_resume(arguments, client))
    text = _text(arguments)
    if text is None:
        return _converse(arguments, client, runner)
    if not text.strip():
        raise CommandError("there is no text to send", USAGE)
    if arguments.detach:
        return runner.run(_detach(arguments, client, text))
    return runner.run(_ask(arguments, client, text, _options(arguments)))


def _text(arguments: argparse.Namespace) -> str | None:
    """What to ask, or None when a person is to be asked for it."""
    words = " ".join(arguments.text)
    if words and words != "-":
        return words
    if not words and sys.stdin.isatty() and on_terminal() and not (arguments.json or arguments.detach):
        return None
    if sys.stdin.isatty() and words != "-":
        raise CommandError("there is no text to send; give it as an argument, or - to read standard input", USAGE)
    data = sys.stdin.buffer.read(TEXT_BYTES_MAX + 1)
    if len(data) > TEXT_BYTES_MAX:
        raise CommandError(f"standard input holds more than {TEXT_BYTES_MAX} bytes", USAGE)
    try:
        return data.decode().rstrip("\n")
    except UnicodeDecodeError:
        raise CommandError("standard input is not UTF-8 text", USAGE) from None


def _options(arguments: argparse.Namespace) -> ChatOptions:
    options: ChatOptions = {"include_reasoning": _wants_reasoning(arguments)}
    if arguments.model:
        options["model"] = arguments.model
    if arguments.effort:
        options["reasoning"] = arguments.effort
    if arguments.conversation:
        options["conversation_id"] = arguments.conversation
    return options


def _wants_reasoning(arguments: argparse.Namespace) -> bool:
    """Reasoning is asked for when it can be seen: on a terminal, as events, or on request."""
    if arguments.no_reasoning:
        return False
    return bool(arguments.show_reasoning or arguments.json or on_terminal())


async def _ask(arguments: argparse.Namespace, client: Client, text: str, options: ChatOptions) -> int:
    """One turn. The options then name its conversation, also when it is left early."""

    def begun(start: events.Start) -> None:
        if start.conversation_id:
            options["conversation_id"] = start.conversation_id

    if arguments.system:
        told: ChatOptions = {**options, "messages": _instructed(arguments.system, text)}
        return await _watch(arguments, lambda: client.stream(**told))
    return await _watch(arguments, lambda: client.stream(text, **options), begun)


def _instructed(instructions: str, text: str) -> list[ChatMessage]:
    return [{"role": "system", "content": instructions}, {"role": "user", "content": text}]


async def _resume(arguments: argparse.Namespace, client: Client) -> int:
    """Watch a run again, live or ended. Ctrl-C stops it, as it does in the terminal that began it."""
    reasoning = _wants_reasoning(arguments)
    try:
        return await _watch(
            arguments, lambda: client.watch(arguments.resume, arguments.after, include_reasoning=reasoning)
        )
    except asyncio.CancelledError:
        await asyncio.shield(_stop(client, arguments.resume))
        raise


async def _stop(client: Client, run_id: str) -> None:
    try:
        await asyncio.wait_for(client.stop(run_id), 2.0)
    except (ThinkaloudError, TimeoutError) as error:
        say(f"the run could not be stopped: {error}", style="warning")


async def _detach(arguments: argparse.Namespace, client: Client, text: str) -> int:
    """Begin a run that goes on without us, and print its id."""
    options = _options(arguments)
    options["detach"] = -1
    async with client.stream(text, **options) as stream:
        write_json({"run_id": stream.run_id}) if arguments.json else write(stream.run_id)
    return OK


def _ignore(_: events.Start) -> None:
    pass


async def _watch(
    arguments: argparse.Namespace,
    open_stream: Callable[[], Stream],
    begun: Callable[[events.Start], None] = _ignore,
) -> int:
    """Show a stream to its end. Returns the exit code."""
    last: events.Terminal | None = None
    stream = open_stream()
    with _sink(arguments, stream) as sink:
        async with stream:
            async for event in stream:
                sink.show(event)
                match event:
                    case events.Start():
                        begun(event)
                    case events.Warning():
                        say(f"note: {one_line(event.message or event.code)}", style="warning")
                    case events.Complete() | events.Error():
                        last = event
    match last:
        case events.Error():
            return explain(error_from_event(last))
        case events.Complete():
            _remark(arguments, last)
            return OK
        case _:
            say("error: the stream ended before the run did", style="error")
            return FAILED


def _sink(arguments: argparse.Namespace, stream: Stream) -> AbstractContextManager[Sink]:
    if arguments.json:
        return nullcontext(JsonLines(stream))
    if on_terminal():
        from thinkaloud_server.app.cli_screen import Screen

        return Screen(console(), show_reasoning=arguments.show_reasoning)
    return Plain(show_reasoning=arguments.show_reasoning)


class JsonLines:
    """One event a line, as the JSON faces write it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def show(self, event: events.Event) -> None:
        write_json(event_json(event, self._stream.run_id))


class Plain:
    """The answer and nothing else on standard output; reasoning, if it was asked for, on standard error."""

    def __init__(self, *, show_reasoning: bool) -> None:
        self._show_reasoning = show_reasoning
        self._last = {sys.stdout: "\n", sys.stderr: "\n"}

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_line(sys.stdout)
        self._end_line(sys.stderr)

    def show(self, event: events.Event) -> None:
        match event:
            case events.Token():
                self._end_line(sys.stderr)
                self._put(sys.stdout, event.token)
            case events.Reasoning() if self._show_reasoning:
                self._put(sys.stderr, event.token)
            case _:
                pass

    def _put(self, stream: Any, text: str) -> None:
        if text:
            stream.write(text)
            stream.flush()
            self._last[stream] = text[-1]

    def _end_line(self, stream: Any) -> None:
        if self._last[stream] != "\n":
            self._put(stream, "\n")


def _remark(arguments: argparse.Namespace, complete: events.Complete) -> None:
    """What a person should know about how the run ended."""
    remarks = {
        "length": "note: the answer reached its limit of tokens and is cut",
        "content_filter": "note: the provider's content filter ended the answer",
        "stopped": "note: the run was stopped",
        "abandoned": "note: the run ended because nobody watched it any more",
        "tool_calls": "note: the model asked for a tool of yours",
    }
    if complete.finish_reason in remarks and not arguments.json:
        say(remarks[complete.finish_reason], style="warning")
    elif complete.reasoning_only and not arguments.json:
        seen = arguments.show_reasoning or (on_terminal() and not arguments.no_reasoning)
        hint = "" if seen else "; --show-reasoning shows what it thought"
        say(f"note: the model reasoned and gave no answer{hint}", style="warning")
    if on_terminal() and not arguments.json:
        cost = "" if complete.usage.cost_usd is None else f" · {dollars(complete.usage.cost_usd)}"
        say(f"{complete.model} · {complete.usage.output_tokens} tokens{cost} · {_seconds(complete)}", style="dim")


def _seconds(complete: events.Complete) -> str:
    return f"{complete.timing.total_ms / 1000:.1f} s"


def _converse(arguments: argparse.Namespace, client: Client, runner: asyncio.Runner) -> int:
    """Questions at a prompt, all in one conversation."""
    with suppress(ImportError):
        import readline  # noqa: F401 - input() then knows arrow keys and a history
    if arguments.system:
        raise CommandError("--system takes a TEXT: a conversation at a prompt cannot keep instructions yet", USAGE)
    say("Ask something; /help for commands, Ctrl-D to leave.", style="dim")
    options = _options(arguments)
    while True:
        try:
            text = input("› ").strip()
        except EOFError:
            say("")
            return OK
        if text.startswith("/"):
            if text in ("/quit", "/exit"):
                return OK
            _command(text, options)
        elif text:
            _turn(arguments, client, runner, text, options)


def _turn(
    arguments: argparse.Namespace, client: Client, runner: asyncio.Runner, text: str, options: ChatOptions
) -> None:
    """One question and its answer; what goes wrong is said, and the prompt comes back."""
    try:
        runner.run(_ask(arguments, client, text, options))
    except KeyboardInterrupt:
        say("stopped", style="warning")
    except ThinkaloudError as error:
        explain(error)


def _command(text: str, options: ChatOptions) -> None:
    name, _, argument = text.partition(" ")
    match name:
        case "/new":
            options.pop("conversation_id", None)
            say("a new conversation", style="dim")
        case "/model" if argument.strip():
            options["model"] = argument.strip()
        case "/model":
            say(options.get("model") or "the server's current model; `thinkaloud models` lists what there is")
        case _:
            say(PROMPT_HELP)
