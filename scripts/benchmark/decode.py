"""What decoding costs: bytes of one long answer in, deltas or a library's chunks out; no sockets, in one run.

Ours runs in this process; each library in one of its own, from the virtual environment that has it: the SDKs in
build/venv-differential (.ci/run makes it), LiteLLM in build/venv-litellm (litellm_proxy.py says how to make it).
All of them read the same bytes in the same pieces; the libraries through a transport in memory.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from fakes.formats import FORMATS, Format
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.rows import GENERICS
from thinkaloud_server.providers.table import DIALECTS

CHUNKS = 4000
# As a socket gives them in a burst.
PIECE_BYTES = 65_536
HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"

# Library, the dialect whose bytes it reads, and where it is installed.
LIBRARIES = (
    ("openai", "openai-chat", "venv-differential"),
    ("openai", "openai-responses", "venv-differential"),
    ("anthropic", "anthropic-messages", "venv-differential"),
    ("litellm", "openai-chat", "venv-litellm"),
)

HEAD = ("", "us a chunk", "JSON alone")

Row = tuple[str, str, str]


def answer_of(it: Format, chunks: int) -> bytes:
    """A long answer, one word a chunk: half of it thought, half said, in one block each where there are blocks."""
    words = [f" word{number % 97}".encode() for number in range(chunks)]
    half = chunks // 2
    return it.begin(b"") + stretched(it.thought, words[:half]) + stretched(it.said, words[half:]) + it.end(False)


def stretched(say: Callable[[bytes], bytes], words: list[bytes]) -> bytes:
    """What says one word may be several frames, of which one holds it: that one for every word, the others once."""
    frames = [frames_of(say(word)) for word in words]
    at = next(number for number, frame in enumerate(frames[0]) if words[0] in frame)
    return b"".join((*frames[0][:at], *(each[at] for each in frames), *frames[-1][at + 1 :]))


def frames_of(data: bytes) -> list[bytes]:
    if data[:1] != b"\0":
        return data.splitlines(keepends=True) if data[:1] == b"{" else re.findall(rb".+?\r?\n\r?\n", data, re.DOTALL)
    frames = []
    while data:
        size = int.from_bytes(data[:4], "big")
        frames.append(data[:size])
        data = data[size:]
    return frames


def pieces_of(body: bytes) -> list[bytes]:
    return [body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)]


def least_s(run: Callable[[], object], rounds: int) -> float:
    """The best of some rounds: what else the machine did is noise."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        run()
        best = min(best, time.process_time() - began)
    return best


def ours(dialect: str, pieces: list[bytes]) -> Callable[[], int]:
    endpoint = Endpoint("it", "http://provider.example/v1", GENERICS[dialect])

    def run() -> int:
        decoder = DIALECTS[dialect].decoder(endpoint, ModelRequest("m", ()))
        return sum(len(decoder.feed(piece)) for piece in pieces) + len(decoder.end())

    return run


def json_alone(body: bytes) -> Callable[[], None]:
    """The payloads of the answer, cut beforehand, through the JSON decoder and nothing else."""
    payloads = re.findall(rb"^(?:data: )?(\{.*\})\r?$", body, re.MULTILINE)

    def run() -> None:
        decode = msgspec.json.decode
        for payload in payloads:
            decode(payload)

    return run


def rows(rounds: int) -> Iterator[Row]:
    """Who, microseconds a chunk, and those of the JSON decoder alone."""
    for dialect in DIALECTS:
        body = answer_of(FORMATS[dialect], CHUNKS)
        pieces = pieces_of(body)
        cost = least_s(ours(dialect, pieces), rounds) / CHUNKS * 1e6
        binary = dialect == "bedrock-converse"
        raw = 0.0 if binary else least_s(json_alone(body), rounds) / CHUNKS * 1e6
        yield dialect, f"{cost:.2f}", "" if binary else f"{raw:.2f}"
        for library, reads, place in LIBRARIES:
            if reads == dialect:
                yield f"  {library}", *library_row(library, dialect, place, body, rounds)


def library_row(library: str, dialect: str, place: str, body: bytes, rounds: int) -> tuple[str, str]:
    python = BUILD / place / "bin" / "python"
    if not python.exists():
        return f"not installed in build/{place}", ""
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        command = [str(python), str(HERE / "decode_library.py"), library, dialect, file.name, str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        return "failed", ""
    seen = json.loads(done.stdout)
    if seen["chunks"] < CHUNKS:
        return f"saw {seen['chunks']} of {CHUNKS} chunks", ""
    return f"{seen['least_s'] / CHUNKS * 1e6:.2f}", ""
