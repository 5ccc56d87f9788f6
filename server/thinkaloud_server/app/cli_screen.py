"""A run on a terminal: dimmed reasoning that folds into one line, then the answer as markdown.

What is settled is printed once and scrolls away like any other output; only a few rows at the bottom are drawn
again while the model speaks. So an answer of any length costs the same per word, and nothing flickers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text

from thinkaloud import events
from thinkaloud_server.app.cli_markdown import Blocks, clean, tail

THINKING_ROWS = 6
REFRESHES_PER_S = 12
# Rows that are left free below an unfinished block, so that the terminal does not scroll while it is redrawn.
_SPARE_ROWS = 2


class Screen:
    """Shows the events of one run. Use as a context manager; leaving it keeps what was shown."""

    def __init__(self, console: Console, *, show_reasoning: bool) -> None:
        self._console = console
        self._show_reasoning = show_reasoning
        self._awaited = "the server"
        self._reasoning: list[str] = []
        self._answer = Blocks()
        self._began = time.monotonic()
        self._thinking_since: float | None = None
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(
            _Now(self._render),
            console=console,
            refresh_per_second=REFRESHES_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The bottom rows are erased first; what they showed is then printed for good.
        reasoning, self._reasoning = "".join(self._reasoning), []
        since, self._thinking_since = self._thinking_since, None
        answer, self._awaited = self._answer.end(), ""
        self._live.stop()
        self._fold(reasoning, since)
        self._print_markdown(answer)

    def show(self, event: events.Event) -> None:
        """Take the next event."""
        match event:
            case events.Start():
                self._awaited = event.model
            case events.Reasoning():
                self._settle_answer()
                if self._thinking_since is None:
                    self._thinking_since = time.monotonic()
                self._reasoning.append(clean(event.token))
                if self._show_reasoning:
                    self._settle_reasoning()
            case events.Complete(reasoning_only=True):
                # There is nothing else to show, so the thought stays.
                self._show_reasoning = True
            case events.Token():
                self._end_thinking()
                self._print_markdown(self._answer.feed(clean(event.token)))
            case _:
                pass

    def _end_thinking(self) -> None:
        if self._thinking_since is None:
            return
        reasoning, since = "".join(self._reasoning), self._thinking_since
        self._reasoning, self._thinking_since = [], None
        self._fold(reasoning, since)

    def _fold(self, reasoning: str, since: float | None) -> None:
        """Reasoning has ended: one line says so, after its text where that was asked for."""
        if since is None:
            return
        if self._show_reasoning and reasoning.strip():
            self._console.print(Text(reasoning.rstrip(), style="dim"))
        self._console.print(Text(thought_for(time.monotonic() - since) + "\n", style="dim italic"))

    def _settle_reasoning(self) -> None:
        """Whole lines of shown reasoning are printed for good."""
        done, newline, rest = "".join(self._reasoning).rpartition("\n")
        self._reasoning = [rest]
        if newline:
            self._console.print(Text(done, style="dim"))

    def _settle_answer(self) -> None:
        """The model thinks again after it spoke: what it said is a block of its own."""
        self._print_markdown(self._answer.end())

    def _print_markdown(self, text: str) -> None:
        if text.strip():
            self._console.print(Group(_markdown(text), Text("")))

    def _render(self) -> RenderableType:
        """The bottom rows. Called by the drawing thread, so it reads each attribute once."""
        since, answer = self._thinking_since, self._answer.pending
        rows = max(self._console.height - _SPARE_ROWS, 1)
        if answer.strip():
            return _LastRows(_markdown(tail(answer, 2 * rows)), rows)
        if since is not None:
            thought = Text("".join(self._reasoning).strip(), style="dim")
            head = self._waiting("thinking", since)
            return Group(head, _LastRows(thought, min(THINKING_ROWS, rows - 1))) if thought else head
        return self._waiting(f"waiting for {self._awaited}", self._began) if self._awaited else Text("")

    def _waiting(self, what: str, since: float) -> RenderableType:
        self._spinner.update(text=Text(f"{what} {time.monotonic() - since:.1f} s", style="dim"))
        return self._spinner


class _Now:
    """What a function says at the moment of drawing.

    Printing above the bottom rows draws them again, and they must not show what was just printed.
    """

    def __init__(self, render: Callable[[], RenderableType]) -> None:
        self._render = render

    def __rich__(self) -> RenderableType:
        return self._render()


class _LastRows:
    """The last rows of something that may be taller than the terminal."""

    def __init__(self, inner: RenderableType, rows: int) -> None:
        self._inner = inner
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._inner, options.update(height=None), pad=False)
        last = lines[-self._rows :]
        for index, line in enumerate(last):
            yield from line
            if index + 1 < len(last):
                yield Segment.line()


def thought_for(seconds: float) -> str:
    """The one line that reasoning folds into. What was replayed from the log took no time that means anything."""
    if seconds < 0.05:
        return "thought"
    if seconds < 60:
        return f"thought for {seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"thought for {minutes} min {rest} s"


def _markdown(text: str) -> Markdown:
    # Links are written out: a terminal's hidden links could say one place and lead to another.
    return Markdown(text, hyperlinks=False)
