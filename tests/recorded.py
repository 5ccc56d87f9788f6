"""The recorded set: real streams of every dialect, the second opinion beside each, and why we differ where we do.

The set is not part of this repository: TRANSCRIPTS_DIR, or ../shared/transcripts. Without it `streams_of` is empty,
and `needs_recorded` skips. STREAMS are those of `openai-chat`; ALL_STREAMS those of every dialect that we speak.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from observed import digest as digest
from observed import usage_of
from thinkaloud_server.core.delta import StreamDecoder
from thinkaloud_server.core.errors import ErrorReason
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import DIALECTS, vendor_for
from thinkaloud_server.providers.vendors import Vendor

RECORDED = Path(os.environ.get("TRANSCRIPTS_DIR") or Path(__file__).parents[2] / "shared" / "transcripts")

# The set's names of dialects, where they are not ours.
DIALECT_OF = {
    "gemini-generatecontent": "gemini",
    "ollama-ndjson": "ollama",
    "bedrock-eventstream": "bedrock-converse",
}

# Streams that did not end well, with what we make of them.
FAILED: dict[str, tuple[ErrorReason, str]] = {
    # Cut by its server, which said why in a line `error: {…}` that is no event (openai_chat/last_words.py).
    "gpustack/qwen3-reasoning-no-finish-no-openai": (ErrorReason.UPSTREAM_TRUNCATED, "failed to decode"),
    # An error object in the chunk after the one that says "length".
    "openrouter/minimax-m2-reasoning-mid-stream-error-truncated-reasoning-only-openai": (
        ErrorReason.UPSTREAM_ERROR,
        "Token limit reached",
    ),
}

# Streams that never say why they stopped, and end well all the same.
NO_FINISH = {
    "snowflake/claude-sonnet-4-6-reasoning-no-finish-openai": "this vendor never does; its end mark is there",
}

# Streams whose text holds the reasoning between tags. `observed` shows what the wire said; what a tag splitter makes of
# it is ours to decide: what stands in tags is reasoning, and the white space around them goes with them.
INLINE_TAGS = {
    "azure/deepseek-r1-inline-tags-openai": "think",
    "bedrock/openai-gpt-oss-20b-1-0-inline-tags-openai": "reasoning",
    "bedrock/openai-gpt-oss-20b-1-0-inline-tags-tool-call-openai": "reasoning",
    "groq/deepseek-r1-distill-llama-70b-inline-tags-openai-2": "think",
    "groq/qwen3-32b-inline-tags-openai": "think",
    "vllm/qwen3-0-6b-inline-tags-tool-call-openai": "think",
}

# `observed` counts every finish reason of a stream; we take the first, which is when the provider first said it.
# One stream contradicts itself: it calls a tool with "tool_calls", then sends "\n" with "stop".
FINISH_CONTRADICTS = {"openrouter/gemini-2-5-flash-lite-reasoning-tool-call-openai": ("tool_calls", "stop")}

# Where a stream of another dialect is not what was observed, before tags are split: which of reasoning, text, tool
# calls, finish, usage and end; and why.
DIFFERS: dict[str, tuple[frozenset[str], str]] = {}


_BEGINNING = re.compile(rb'^(?:event: response\.created\r?\n)?data: ?\{"type": ?"response\.created"', re.MULTILINE)


@dataclass(frozen=True)
class Recorded:
    name: str
    body: bytes
    meta: dict[str, Any]

    @property
    def dialect(self) -> str:
        """Our name for it."""
        theirs: str = self.meta["dialect"]
        return DIALECT_OF.get(theirs, theirs)

    @property
    def observed(self) -> dict[str, Any]:
        observed: dict[str, Any] = self.meta["observed"]
        return observed

    def vendor(self) -> Vendor:
        """As configured by the URL that it was recorded at; some recorders kept only a path."""
        url = self.meta.get("url") or ""
        return vendor_for(url if url.startswith("https://") else "", self.meta["provider"], self.dialect)

    @property
    def usage(self) -> tuple[int | None, int | None] | None:
        """Input and output tokens as the contract counts them; None where the vendor tells none."""
        return usage_of(self.dialect, self.observed["usage"])

    def answers(self) -> list[Recorded]:
        """Its answers: nearly always one, but some recorders put those of a whole tool loop into one file."""
        begins = [found.start() for found in _BEGINNING.finditer(self.body)]
        if self.dialect != "openai-responses" or len(begins) < 2:
            return [self]
        meta = {**self.meta, "chunk_sizes": None}
        stops = [*begins[1:], len(self.body)]
        return [Recorded(self.name, self.body[a:b], meta) for a, b in zip([0, *begins[1:]], stops, strict=True)]

    def decoder(self, vendor: Vendor) -> StreamDecoder:
        endpoint = Endpoint("it", "http://provider.example/v1", vendor)
        return DIALECTS[self.dialect].decoder(endpoint, ModelRequest(self.meta["model"], ()))


@cache
def _recorded() -> tuple[Recorded, ...]:
    if not RECORDED.is_dir():
        return ()
    found = []
    for path in sorted(RECORDED.glob("[!_]*/*.meta.json")):
        name = f"{path.parent.name}/{path.name.removesuffix('.meta.json')}"
        body = path.with_name(path.name.replace(".meta.json", ".body")).read_bytes()
        found.append(Recorded(name, body, json.loads(path.read_text())))
    return tuple(found)


def all_streams() -> list[Recorded]:
    """Every recorded stream, also of dialects that we do not speak."""
    return list(_recorded())


def streams_of(dialect: str) -> list[Recorded]:
    """The recorded streams of this dialect, by our name for it."""
    return [stream for stream in _recorded() if stream.dialect == dialect]


STREAMS = streams_of("openai-chat")
ALL_STREAMS = [stream for stream in _recorded() if stream.dialect in DIALECTS]
needs_recorded = pytest.mark.skipif(not STREAMS, reason=f"the recorded set is not at {RECORDED}")
each_of_all = pytest.mark.parametrize("stream", ALL_STREAMS, ids=lambda stream: stream.name)
each_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
