"""What a request asks of a demo model, and what the demo models think of it."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from thinkaloud_server.core.message import ImagePart, ToolResult
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.demo import arithmetic, capitals, dates, guide
from thinkaloud_server.providers.demo.thought import Thought, reasoning_text

# A script need not read a novel: what stands beyond is not looked at, and the patterns stay quick.
QUESTION_CHARS_MAX = 2000

_FIRST_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_OPENINGS = ("", "Let me see.", "One step at a time.", "I work this out.")


@dataclass(frozen=True, slots=True)
class Question:
    """The last user message of a request, read once. `turn` varies wording by prompt and seed, repeatably."""

    text: str
    images: int
    results: tuple[ToolResult, ...]
    turn: int

    @property
    def first_number(self) -> float | None:
        """The first number in the text, for models whose scene takes one."""
        found = _FIRST_NUMBER.search(self.text[:QUESTION_CHARS_MAX])
        return float(found[0][:12]) if found else None


def read(request: ModelRequest) -> Question:
    """The question of a request; `results` are those of tools that answered after it."""
    last = next((message for message in reversed(request.messages) if message.role == "user"), None)
    text = last.text.strip() if last else ""
    images = sum(isinstance(part, ImagePart) for part in last.parts) if last else 0
    results: tuple[ToolResult, ...] = ()
    if request.messages and request.messages[-1].role == "tool":
        results = tuple(part for part in request.messages[-1].parts if isinstance(part, ToolResult))
    seed = request.sampling.seed
    turn = zlib.crc32(f"{text[:QUESTION_CHARS_MAX]}\0{seed}".encode("utf-8", "surrogatepass"))
    return Question(text, images, results, turn)


def think(question: Question) -> Thought:
    """The thought that answers the question: from the first of the solvers that can."""
    text = question.text[:QUESTION_CHARS_MAX]
    thought = next((found for solver in (dates, capitals, arithmetic, guide) if (found := solver.solve(text))), None)
    thought = thought or guide.no_idea()
    if question.images:
        sight = f"I cannot see pictures; I leave {question.images} of them aside. "
        return Thought(thought.steps, sight + thought.answer, thought.checks)
    return thought


def reasoning(question: Question, thought: Thought, request: ModelRequest) -> str:
    """The reasoning at the request's effort, in the wording that the seed chooses."""
    text = reasoning_text(thought, question.text, request.reasoning)
    opening = _OPENINGS[question.turn % len(_OPENINGS)]
    return f"{opening} {text}" if text and opening else text
