"""Decodes one answer with a vendor's SDK or LiteLLM, through a transport in memory, and prints the least time it took.

    decode_library.py LIBRARY DIALECT FILE ROUNDS

It runs in the virtual environment that has the library, and imports nothing of ours.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PIECE_BYTES = 65_536
USER = [{"role": "user", "content": "go"}]


def client_of(sdk: Any, body: bytes) -> Any:
    """The SDK's client over a transport that answers with the body, in pieces. SDKs bring httpx or its successor."""
    base: Any = importlib.import_module(f"{sdk.__name__}._base_client")
    http: Any = getattr(base, "httpx2", None) or base.httpx

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(body), PIECE_BYTES):
            yield body[at : at + PIECE_BYTES]

    def answer(request: Any) -> Any:
        return http.Response(200, headers={"content-type": "text/event-stream"}, content=pieces())

    kind = getattr(sdk, "OpenAI", None) or sdk.Anthropic
    transport = http.MockTransport(answer)
    return kind(api_key="k", base_url="http://provider.example/v1", http_client=http.Client(transport=transport))


def reader(library: str, dialect: str, body: bytes) -> Callable[[], Any]:
    """A call that asks once and iterates over the chunks of the answer."""
    if library == "litellm":
        openai, litellm = importlib.import_module("openai"), importlib.import_module("litellm")
        client = client_of(openai, body)
        return lambda: litellm.completion(model="openai/m", messages=USER, stream=True, client=client, api_key="k")
    client = client_of(importlib.import_module(library), body)
    if dialect == "openai-responses":
        return lambda: client.responses.create(model="m", input="go", stream=True)
    if dialect == "anthropic-messages":
        return lambda: client.messages.create(model="m", max_tokens=9, messages=USER, stream=True)
    return lambda: client.chat.completions.create(model="m", messages=USER, stream=True)


def main() -> None:
    library, dialect, file, rounds = sys.argv[1:]
    ask = reader(library, dialect, Path(file).read_bytes())
    times = []
    count = 0
    for _ in range(int(rounds)):
        began = time.process_time()
        count = sum(1 for _ in ask())
        times.append(time.process_time() - began)
    sys.stdout.write(json.dumps({"least_s": min(times), "chunks": count}) + "\n")


main()
