"""The vendors' own SDKs and our decoders read the same bytes, and must see the same.

Recorded streams where there are any, else our own vectors; and always the answers of fakes/formats.py. The SDKs are in
a virtual environment of their own (requirements/differential.txt), where .ci/run runs this.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cuts import decode
from differential.replay import Replay, replaying
from differential.sdk import SDKS
from fakes.formats import FORMATS
from observed import FAILING, FINISHES, calls_of, one_after_another, same_calls, text_of
from provider_vectors import VECTORS, read_vectors
from recorded import streams_of
from thinkaloud_server.core.delta import Delta, EndOfStream, Failure, Finish, ReasoningDelta, RefusalDelta, TextDelta
from thinkaloud_server.core.request import ModelRequest
from thinkaloud_server.providers.dialect import Endpoint
from thinkaloud_server.providers.rows import GENERICS
from thinkaloud_server.providers.table import DIALECTS


@dataclass(frozen=True)
class Case:
    name: str
    dialect: str
    body: bytes
    content_type: str
    path: str = ""


def cases() -> Iterator[Case]:
    for dialect in SDKS:
        if dialect not in DIALECTS:
            continue
        it = FORMATS[dialect]
        body = it.answer(reasoning="17 times 23…", arguments='{"a": 1, "b": "é"}')
        yield Case(f"{dialect}/all-at-once", dialect, body, it.content_type)
        yield Case(f"{dialect}/text", dialect, it.answer(), it.content_type)
        recorded = streams_of(dialect)
        for stream in recorded:
            for number, each in enumerate(stream.answers()):
                url = str(stream.meta.get("url") or "").partition("#")[0].partition("?")[0]
                if url.endswith("/completions") and not url.endswith("/chat/completions"):
                    continue  # text completions are another format, which we do not speak
                yield Case(f"{stream.name}#{number}", dialect, each.body, stream.meta["content_type"], url)
        if not recorded and (VECTORS / dialect).is_dir():
            for vector in read_vectors(dialect):
                ours = ours_of(dialect, vector.response)
                if isinstance(ours[-1], EndOfStream):
                    yield Case(f"{dialect}/{vector.name}", dialect, vector.response, it.content_type)


def ours_of(dialect: str, body: bytes) -> list[Delta]:
    endpoint = Endpoint("it", "http://provider.example/v1", GENERICS[dialect])
    return one_after_another([decode(DIALECTS[dialect].decoder(endpoint, ModelRequest("m", ())), [body])])


def installed(module: str) -> bool:
    root = module.partition(".")[0]
    return importlib.util.find_spec(root) is not None and importlib.util.find_spec(module) is not None


@pytest.fixture(scope="module")
def server() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


@pytest.mark.filterwarnings("ignore")  # of libraries that are not ours
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_the_vendors_sdk_sees_what_we_see(case: Case, server: Replay) -> None:
    sdk = SDKS[case.dialect]
    if not installed(sdk.module):
        pytest.skip(f"{sdk.module} is not installed: .ci/run installs requirements/differential.txt beside the rest")
    server.body, server.content_type = case.body, case.content_type
    seen = sdk.see(server.url, case.path)
    ours = ours_of(case.dialect, case.body)
    assert "".join(seen.text) == text_of(ours, TextDelta, RefusalDelta)
    assert "".join(seen.reasoning) == text_of(ours, ReasoningDelta)
    assert same_calls([call[:2] for call in seen.calls.values()], calls_of(ours))
    finishes = [delta.reason for delta in ours if isinstance(delta, Finish)]
    if isinstance(ours[-1], Failure):
        # That an answer was cut off is told by no SDK.
        assert seen.failure or seen.finish in ("", *FAILING) or finishes
        return
    assert seen.failure == ""
    word = FINISHES[case.dialect].get(seen.finish)
    assert finishes[:1] == ([word] if word else []) or (word == "stop" and finishes == ["tool_calls"])


def test_every_dialect_with_an_sdk_is_compared() -> None:
    compared = {case.dialect for case in cases()}
    assert compared == set(SDKS) & set(DIALECTS)
    assert set(DIALECTS) - set(SDKS) <= {"bedrock-converse"}, (
        "its SDK is botocore, whose framing alone could be compared"
    )
