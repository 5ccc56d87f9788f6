"""What Ollama says of its models: /api/tags, and /api/show for each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recorded import RECORDED
from thinkaloud_server.core.request import ModelInfo
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.ollama import OLLAMA
from thinkaloud_server.providers.table import vendor_named

HERE = Endpoint("ollama", "http://127.0.0.1:11434", vendor_named("ollama"))
CLOUD = Endpoint("cloud", "https://ollama.com", vendor_named("ollama-cloud"), api_key="k3y")
MODEL = ModelInfo("qwen3:4b", "ollama")


def models(*items: object) -> list[ModelInfo]:
    return list(OLLAMA.models(HERE, json.dumps({"models": items}).encode()))


def shown(**body: Any) -> ModelInfo | None:
    return OLLAMA.detailed(HERE, MODEL, json.dumps({"details": {}, **body}).encode())


def known(**body: Any) -> ModelInfo:
    model = shown(**body)
    assert model is not None
    return model


def test_the_requests() -> None:
    listing = OLLAMA.listing(CLOUD)
    assert (listing.method, listing.url, listing.body) == ("GET", "https://ollama.com/api/tags", b"")
    assert dict(listing.headers) == {"accept": "application/json", "authorization": "Bearer k3y"}
    detail = OLLAMA.detail(HERE, MODEL)
    assert detail is not None
    assert (detail.method, detail.url) == ("POST", "http://127.0.0.1:11434/api/show")
    assert json.loads(detail.body) == {"model": "qwen3:4b"}
    assert dict(detail.headers)["content-type"] == "application/json"


def test_each_model_once_in_order() -> None:
    items = [{"name": "b:latest", "model": "b:latest"}, {"name": "a"}, {"model": "b:latest"}, {"name": ""}, 3]
    assert [model.name for model in models(*items)] == ["b:latest", "a"]


def test_embedding_models_are_left_out() -> None:
    items = [
        {"name": "nomic-embed-text:latest", "details": {"family": "nomic-bert"}},
        {"name": "all-minilm", "details": {"family": "bert"}},
        {"name": "qwen3-embedding:4b", "details": {"family": "qwen3"}},
        {"name": "mine", "capabilities": ["embedding"]},
        {"name": "embedder-that-chats", "capabilities": ["completion"]},
        {"name": "llama3.2"},
    ]
    assert [model.name for model in models(*items)] == ["embedder-that-chats", "llama3.2"]
    assert shown(capabilities=["embedding"]) is None


def test_a_listing_that_knows_capabilities_says_them() -> None:
    (model,) = models({"name": "m", "capabilities": ["completion", "tools"]})
    assert (model.reasoning, model.tools, model.vision) == ("none", True, False)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"models":{}}', b'{"data":[]}', b"<html>"])
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        OLLAMA.models(HERE, body)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"error":"model not found"}', b"null"])
def test_what_describes_nothing_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        OLLAMA.detailed(HERE, MODEL, body)


def test_capabilities_and_context() -> None:
    model = known(
        capabilities=["completion", "tools", "thinking", "vision"],
        model_info={
            "general.architecture": "qwen3",
            "qwen3.attention.head_count": 32,
            "vision.context_length": 77,
            "qwen3.context_length": 262144,
        },
    )
    assert model == ModelInfo(
        "qwen3:4b", "ollama", context_length=262144, reasoning="optional", vision=True, tools=True
    )


@pytest.mark.parametrize(
    ("info", "length"),
    [
        ({"llama.context_length": 8192}, 8192),
        ({"general.architecture": "x", "llama.context_length": 8192}, 8192),
        ({"llama.context_length": "8192"}, 0),
        ({"llama.context_length": 2**40}, 0),
        ({"llama.context_length": True}, 0),
        (None, 0),
        ([], 0),
    ],
)
def test_the_context_is_its_architectures(info: object, length: int) -> None:
    assert known(model_info=info).context_length == length


@pytest.mark.parametrize(
    ("values", "reasoning", "efforts", "forms"),
    [
        (["low", "medium", "high"], "mandatory", ("low", "medium", "high"), ("levels",)),
        ([False, "low", "high", "max"], "optional", ("low", "high", "max"), ("levels",)),
        ([True, False], "optional", (), ("switch",)),
        ([True], "mandatory", (), ("switch",)),
        ([False], "none", (), ("switch",)),
        ([], "optional", (), ()),
        ("high", "optional", (), ()),
    ],
)
def test_how_a_model_is_told_to_think(
    values: object, reasoning: str, efforts: tuple[str, ...], forms: tuple[str, ...]
) -> None:
    model = known(capabilities=["completion", "thinking"], thinking={"values": values, "default": True})
    assert (model.reasoning, model.efforts, model.forms) == (reasoning, efforts, forms)
    assert not model.default_effort


@pytest.mark.parametrize(("default", "effort"), [("medium", "medium"), ("extreme", ""), (True, ""), (None, "")])
def test_what_a_request_without_a_control_gets(default: object, effort: str) -> None:
    model = known(capabilities=["completion"], thinking={"values": ["low", "medium", "high"], "default": default})
    assert model.default_effort == effort


def test_a_server_that_knows_no_capabilities_says_nothing_about_them() -> None:
    assert known() == MODEL
    assert known(capabilities=[]) == MODEL


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded set is not here")
def test_the_recorded_listing() -> None:
    listing = json.loads((RECORDED / "_models" / "ollama.models.json").read_text())
    assert [model.name for model in models(listing["longest_item"])] == ["llama3.2:latest"]
