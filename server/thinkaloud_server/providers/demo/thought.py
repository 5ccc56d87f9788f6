"""What the demo reasoner comes to: steps that lead somewhere, and the answer they lead to."""

from __future__ import annotations

from dataclasses import dataclass

from thinkaloud_server.core.request import ReasoningControl


@dataclass(frozen=True, slots=True)
class Thought:
    """`steps` find the answer; `checks` find it again another way, for those who ask for more effort."""

    steps: tuple[str, ...]
    answer: str
    checks: tuple[str, ...] = ()


def reasoning_text(thought: Thought, question: str, control: ReasoningControl | None) -> str:
    """The reasoning at the effort asked for: "" for none, one step for minimal, with all checks for max."""
    opening = f'The question is "{_short(question)}".'
    match control.effort if control else None:
        case "none":
            lines: tuple[str, ...] = ()
        case "minimal":
            lines = thought.steps[-1:]
        case "low":
            lines = thought.steps
        case "high":
            lines = (opening, *thought.steps, *thought.checks[:1])
        case "max":
            lines = (opening, *thought.steps, *thought.checks, "Both ways agree, so I am sure.")
        case _:  # medium, or nothing said
            lines = (opening, *thought.steps)
    return "\n".join(lines)


def _short(question: str) -> str:
    line = " ".join(question.split())
    return line if len(line) <= 80 else line[:79].rstrip() + "…"
