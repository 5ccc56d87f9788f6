"""scripts/transcripts on sets made here: it passes what is right, and whatever is wrong makes it fail and say so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from observed import digest
from provider_vectors import VECTORS

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "scripts" / "judge" / "transcripts.py"


def judged(recorded: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(ROOT / name) for name in ("tests", "server", "clients/python"))
    environment = {**os.environ, "TRANSCRIPTS_DIR": str(recorded), "PYTHONPATH": path}
    return subprocess.run([sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, timeout=60)


def record(folder: Path, **changed: Any) -> None:
    """One stream of a provider that is in no row."""
    case = VECTORS / "openai-chat" / "reasoning-content"
    lines = [json.loads(line) for line in (case / "deltas.jsonl").read_text().splitlines()]
    reasoning = "".join(line["text"] for line in lines if line["delta"] == "ReasoningDelta")
    text = "".join(line["text"] for line in lines if line["delta"] == "TextDelta")
    usage = next((line["usage"] for line in reversed(lines) if line["delta"] == "UsageReport"), None)
    observed = {
        "reasoning_chars": len(reasoning),
        "reasoning_sha256": digest(reasoning),
        "text_chars": len(text),
        "text_sha256": digest(text),
        "tool_calls": [],
        "finish": ["stop"],
        "usage": usage and {"prompt_tokens": usage["input_tokens"], "completion_tokens": usage["output_tokens"]},
        "errors": [],
        "reasoning_fields": ["reasoning_content"],
        **changed,
    }
    meta = {
        "provider": "somebody",
        "dialect": "openai-chat",
        "model": "m",
        "url": "/v1/chat/completions",
        "content_type": "text/event-stream",
        "chunk_sizes": None,
        "observed": observed,
    }
    (folder / "somebody").mkdir()
    (folder / "somebody" / "one.meta.json").write_text(json.dumps(meta))
    (folder / "somebody" / "one.body").write_bytes(next(case.glob("response.*")).read_bytes())


def test_a_set_that_is_right_passes_in_plain_text(tmp_path: Path) -> None:
    record(tmp_path)
    done = judged(tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "\x1b" not in done.stdout
    assert done.stdout.endswith("all is well\n")
    assert [line.split() for line in done.stdout.splitlines() if "somebody" in line] == [["somebody", "1", "1", "0"]]
    assert next(line for line in done.stdout.splitlines() if "`reasoning_content`" in line).split()[1] == "1/1"


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"reasoning_sha256": digest("another")}, "reasoning"),
        ({"text_sha256": digest("another")}, "text"),
        ({"tool_calls": [["f", "{}"]]}, "tool calls"),
        ({"finish": ["length"]}, "finish"),
        ({"usage": {"prompt_tokens": 999, "completion_tokens": 1}}, "usage"),
        ({"errors": [{"message": "died"}]}, "end"),
    ],
)
def test_whatever_is_not_as_observed_is_named(tmp_path: Path, changed: dict[str, Any], word: str) -> None:
    record(tmp_path, **changed)
    done = judged(tmp_path)
    assert done.returncode == 1
    assert f"somebody/one: {word}: " in done.stdout
    assert "FAILED 1" in done.stdout


def test_a_dialect_that_nobody_speaks_an_error_without_sense_and_an_odd_listing_are_wrong(tmp_path: Path) -> None:
    record(tmp_path)
    path = tmp_path / "somebody" / "one.meta.json"
    path.write_text(path.read_text().replace('"openai-chat"', '"telex"'))
    (tmp_path / "_errors").mkdir()
    (tmp_path / "_errors" / "bad.meta.json").write_text('{"provider": "openai", "url": null}')
    (tmp_path / "_models").mkdir()
    (tmp_path / "_models" / "openai.models.json").write_text('{"longest_item": {}}')
    done = judged(tmp_path)
    assert done.returncode == 1
    for words in ("somebody/one: nothing here speaks telex", "_errors/bad: ", "_models/openai.models.json: "):
        assert words in done.stdout


def test_a_place_without_streams_is_an_error(tmp_path: Path) -> None:
    assert judged(tmp_path).returncode == 2
