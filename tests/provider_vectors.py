"""Reading the vectors of providers: one folder a case, of `request.json`, `response.*` (its bytes) and `deltas.jsonl`.

`request.json` holds what is asked of the model (`asked`, in short) and the body that must be sent for it (`sent`);
`deltas.jsonl` what the decoder must say of the response, neighbouring text joined.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from thinkaloud_server.core.delta import Delta
from thinkaloud_server.core.message import Message, TextPart
from thinkaloud_server.core.request import ModelRequest, ReasoningControl, Sampling, Tool
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.table import vendor_named

VECTORS = Path(__file__).parent / "vectors" / "providers"
WEATHER = Tool("weather", "The weather in a city", '{"type":"object","properties":{"city":{"type":"string"}}}')


@dataclass(frozen=True)
class Vector:
    name: str
    endpoint: Endpoint
    request: ModelRequest
    sent: Mapping[str, Any]
    response: bytes
    deltas: tuple[str, ...]


def read_vectors(dialect: str) -> list[Vector]:
    """Every case of the dialect."""
    return [_read(folder) for folder in sorted((VECTORS / dialect).iterdir()) if folder.is_dir()]


def _read(folder: Path) -> Vector:
    spec = json.loads((folder / "request.json").read_text())
    endpoint, request = request_of(spec["asked"], folder.parent.name)
    # Not splitlines: U+2028 in a text is no end of a line.
    deltas = tuple((folder / "deltas.jsonl").read_text().rstrip("\n").split("\n"))
    return Vector(folder.name, endpoint, request, spec["sent"], next(folder.glob("response.*")).read_bytes(), deltas)


def request_of(asked: Mapping[str, Any], dialect: str) -> tuple[Endpoint, ModelRequest]:
    """The endpoint of this dialect and the request that `asked` is short for."""
    endpoint = Endpoint(
        "it", "http://provider.example/v1", vendor_named(asked["vendor"], dialect), api_key="canary-k3y"
    )
    reasoning = ReasoningControl(**asked["reasoning"]) if "reasoning" in asked else None
    request = ModelRequest(
        asked["model"],
        (Message("user", (TextPart("Hello"),)),),
        reasoning=reasoning,
        tools=(WEATHER,) if asked.get("tools") else (),
        tool_choice=asked.get("tool_choice", ""),
        sampling=Sampling(max_output_tokens=asked.get("max_output_tokens"), seed=asked.get("seed")),
    )
    return endpoint, request


def as_json(delta: Delta) -> str:
    """A delta as a line of `deltas.jsonl`: its type and what is not its default."""
    values = {name: value for name, value in asdict(delta).items() if value not in ("", 0, None, False, ())}
    if "usage" in values and values["usage"]["cost_usd"] is None:
        del values["usage"]["cost_usd"]
    return json.dumps({"delta": type(delta).__name__, **values}, ensure_ascii=False)
