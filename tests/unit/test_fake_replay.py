"""Recordings on disk: which one is taken, what is known of it, and what its bytes look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.app.fake_replay import Replay, ReplayError, sniffed
from thinkaloud_server.providers.encoders.bedrock_converse import message

SSE = b"data: 1\n\ndata: 2\n\nda"


def record(folder: Path, name: str, body: bytes = SSE, **meta: Any) -> Path:
    path = folder / f"{name}.body"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    if meta:
        path.with_suffix(".meta.json").write_text(json.dumps(meta))
    return path


def test_a_file_is_the_answer_to_everything(tmp_path: Path) -> None:
    replay = Replay(record(tmp_path, "only", model="m", dialect="gemini"))
    assert replay.choose("openai-chat", "whatever").read().body == SSE
    assert replay.names == ["m"]


def test_of_a_folder_the_model_chooses_by_its_name_its_path_or_its_file_s_name(tmp_path: Path) -> None:
    record(tmp_path, "a/one", b"data: one\n\n", model="org/model-1")
    record(tmp_path, "b/two", b"data: two\n\n")
    record(tmp_path, "_errors/no", b"x")
    record(tmp_path, ".git/no", b"x")
    replay = Replay(tmp_path)
    assert replay.names == ["b/two", "org/model-1"]
    for name in ("org/model-1", "a/one", "one"):
        assert replay.choose("openai-chat", name).read().body == b"data: one\n\n"
    assert replay.choose("openai-chat", "two").read().body == b"data: two\n\n"
    for name in ("", "no", "../b/two", "three"):
        with pytest.raises(ReplayError, match="there is no recording"):
            replay.choose("openai-chat", name)


def test_a_model_that_was_recorded_in_several_dialects_is_answered_in_the_one_asked_for(tmp_path: Path) -> None:
    for dialect in ("openai-chat", "anthropic-messages", "gemini-generatecontent"):
        record(tmp_path, dialect, dialect.encode(), model="m", dialect=dialect)
    replay = Replay(tmp_path)
    assert replay.choose("anthropic-messages", "m").read().body == b"anthropic-messages"
    assert replay.choose("gemini", "m").read().body == b"gemini-generatecontent"
    with pytest.raises(ReplayError, match="was recorded in"):
        replay.choose("ollama", "m")


def test_what_was_told_of_it_comes_with_it(tmp_path: Path) -> None:
    headers = {"Retry-After": 7, "set-cookie": "secret", "content-encoding": "gzip"}
    path = record(tmp_path, "x", content_type="text/odd", status=429, chunk_sizes=[3, 10], headers=headers)
    recorded = Replay(path).choose("", "").read()
    assert (recorded.content_type, recorded.status, recorded.headers) == ("text/odd", 429, {"Retry-After": "7"})
    assert list(recorded.pieces(by_frames=False)) == [b"dat", b"a: 1\n\ndata", b": 2\n\n", b"da"]
    assert list(recorded.pieces(by_frames=True)) == [b"data: 1\n\n", b"data: 2\n\n", b"da"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (SSE, "text/event-stream"),
        (b": ping\n\n", "text/event-stream"),
        (b'{"a": 1}\n{"b": 2}\n', "application/x-ndjson"),
        (b'{"a": 1}', "application/json"),
        (b'{\n "a": 1\n}', "application/json"),
        (message(((":event-type", "x"),), b"{}"), "application/vnd.amazon.eventstream"),
    ],
)
def test_bytes_tell_what_they_are(body: bytes, content_type: str) -> None:
    assert sniffed(body) == content_type


def test_what_cannot_be_replayed_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="no such file"):
        Replay(tmp_path / "none")
    with pytest.raises(ReplayError, match="no recorded answer"):
        Replay(tmp_path)
    record(tmp_path, "x").with_suffix(".meta.json").write_text("{")
    with pytest.raises(ReplayError, match="not JSON"):
        Replay(tmp_path)
