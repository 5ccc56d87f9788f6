"""The table of who gets which reasoning: our column computed, the others' as measured once over the same streams.

The others' words are of formats.md 4.3 (Aug 2026): openai-python 3.51, litellm 1.106.2, any-llm 1.40.2, pydantic-ai
2.68, langchain-core 1.7. "n/t": not tested; "-": it does not speak the format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from cuts import decode, joined
from judged import Judged
from observed import digest, text_of
from provider_vectors import Vector, as_json, read_vectors
from thinkaloud_server.core.delta import EndOfStream, Failure, Finish, ReasoningDelta
from thinkaloud_server.core.think import ThinkSplitter
from thinkaloud_server.providers.dialect import Dialect
from thinkaloud_server.providers.table import DIALECTS
from vectors.think_tags import ORPHANS

HEAD = ("", "us", "written", "openai-python", "litellm", "any-llm", "pydantic-ai", "langchain")
Found = Callable[[Judged], bool]
Right = Callable[[Judged], bool]


@dataclass(frozen=True)
class Row:
    """A class of streams: which are in it, what is right, which of our own vectors are, and how the others fare."""

    name: str
    within: Found
    others: tuple[str, str, str, str, str]
    right: Right
    written: str = ""


def fields(dialect: str, *names: str, but: Iterable[str] = ()) -> Found:
    """Streams of this dialect whose reasoning came in one of these fields and in none of those."""

    def found(it: Judged) -> bool:
        seen: set[str] = set(it.stream.observed["reasoning_fields"])
        mine: bool = it.stream.dialect == dialect
        return mine and not seen.isdisjoint(names) and seen.isdisjoint(but)

    return found


def both_names(it: Judged) -> bool:
    return it.stream.dialect == "openai-chat" and all(
        re.search(rb'"%b": ?"[^"]' % name, it.stream.body) for name in (b"reasoning", b"reasoning_content")
    )


def exact(it: Judged) -> bool:
    """Every character of the reasoning, and no other."""
    reasoning: str = it.stream.observed["reasoning_sha256"]
    return bool(it.deltas) and digest(text_of(it.deltas, ReasoningDelta)) == reasoning


def told(it: Judged) -> bool:
    """An error that the provider reported, or an end that never came, is one."""
    return bool(it.deltas) and isinstance(it.deltas[-1], Failure)


def cut_off_is_told(it: Judged) -> bool:
    """However much of it comes before its finish: an answer that is cut off never ends well."""
    vendor = it.stream.vendor()
    for tenth in range(1, 10):
        body = it.stream.body[: len(it.stream.body) * tenth // 10]
        deltas = decode(it.stream.decoder(vendor), [body])
        if isinstance(deltas[-1], EndOfStream) and not any(isinstance(delta, Finish) for delta in deltas):
            return False
    return True


_CHAT, _RESPONSES = "openai-chat", "openai-responses"
_DETAILS = ("reasoning.text", "reasoning.summary")

ROWS = (
    Row(
        "`reasoning_content`",
        fields(_CHAT, "reasoning_content"),
        ("untyped", "all", "all", "all", "none"),
        exact,
        f"{_CHAT}/reasoning-content",
    ),
    Row(
        "`reasoning`",
        fields(_CHAT, "reasoning", but=("reasoning_content",)),
        ("untyped", "all", "all", "all", "none"),
        exact,
        f"{_CHAT}/reasoning",
    ),
    Row("both names at once", both_names, ("doubled", "ok", "ok", "ok", "-"), exact, f"{_CHAT}/both-reasoning-names"),
    Row(
        "`reasoning_details` only",
        fields(_CHAT, *_DETAILS, but=("reasoning", "reasoning_content")),
        ("0/1", "0/1", "0/1", "0/1", "0/1"),
        exact,
        f"{_CHAT}/reasoning-details-only",
    ),
    Row(
        "list content (Mistral)",
        fields(_CHAT, "content[].thinking"),
        ("0/4", "4/4", "4/4", "4/4", "TypeError"),
        exact,
        f"{_CHAT}/mistral-content-list",
    ),
    Row(
        "Anthropic thinking",
        fields("anthropic-messages", "thinking", "redacted_thinking"),
        ("-", "30/30", "29/30", "29/29", "29/29"),
        exact,
    ),
    Row("Gemini thoughts", fields("gemini", "thought"), ("-", "27/27", "27/27", "27/27", "n/t"), exact),
    Row(
        "Responses summaries",
        fields(_RESPONSES, "response.reasoning_summary_text.delta"),
        ("18/18", "11/24", "none", "18/18", "16/18"),
        exact,
    ),
    Row(
        "Responses raw reasoning",
        fields(_RESPONSES, "response.reasoning_text.delta"),
        ("5/5", "0/5", "-", "0/5", "0/5"),
        exact,
    ),
    Row(
        "Cohere thinking and plans",
        fields("cohere-v2", "content.thinking", "tool_plan"),
        ("-", "0/8", "n/t", "-", "n/t"),
        exact,
    ),
    Row("Ollama native", fields("ollama", "message.thinking"), ("-", "deadlock", "4/4", "-", "n/t"), exact),
    Row("Bedrock Converse", fields("bedrock-converse", "reasoningContent"), ("-", "n/t", "n/t", "n/t", "n/t"), exact),
    Row(
        "error in mid-stream is told",
        lambda it: bool(it.stream.observed["errors"]),
        ("ok", "ValueError", "ok", "ok", "ok"),
        told,
        f"{_CHAT}/error-",
    ),
    Row("truncation is told", lambda it: bool(it.deltas), ("none", "none", "none", "none", "none"), cut_off_is_told),
)


def rows(judged: Sequence[Judged]) -> Iterator[tuple[str, ...]]:
    """The table's lines under HEAD."""
    for row in ROWS:
        mine = [it for it in judged if row.within(it)]
        yield (row.name, share([row.right(it) for it in mine]), written(row.written), *row.others)
    yield ("orphan think tags", "", share(list(orphans())), "none", "none", "none", "none", "none")


def share(right: Sequence[bool]) -> str:
    return f"{sum(right)}/{len(right)}" if right else ""


def written(prefix: str) -> str:
    """How many of our own vectors whose name begins so are decoded as they say."""
    dialect, _, case = prefix.partition("/")
    if dialect not in DIALECTS:
        return ""
    vectors = [vector for vector in read_vectors(dialect) if vector.name.startswith(case)]
    return share([as_written(vector, DIALECTS[dialect]) for vector in vectors])


def as_written(vector: Vector, dialect: Dialect) -> bool:
    deltas = decode(dialect.decoder(vector.endpoint, vector.request), [vector.response])
    return [as_json(delta) for delta in joined(deltas)] == list(vector.deltas)


def orphans() -> Iterator[bool]:
    """Our own vectors of closing tags without a block, character by character."""
    for _, mode, text, left, orphan in ORPHANS:
        splitter = ThinkSplitter(mode)
        pieces = [piece for character in text for piece in splitter.feed(character)] + splitter.end()
        yield ("".join(piece.text for piece in pieces), splitter.orphan_close) == (left, orphan)
