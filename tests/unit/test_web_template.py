"""Path templates of google.api.http: what they match, what they take out, and in which order they are asked."""

from __future__ import annotations

import pytest

from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.template import Template


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("/v1/runs", "/v1/runs", {}),
        ("/v1/runs", "/v1/runs/", None),
        ("/v1/runs", "/v1/run", None),
        ("/v1/a.b", "/v1/axb", None),
        ("/v1/runs/{run_id}", "/v1/runs/r1", {"run_id": "r1"}),
        ("/v1/runs/{run_id}", "/v1/runs/", {"run_id": ""}),
        ("/v1/runs/{run_id}", "/v1/runs/r1/events", None),
        ("/v1/runs/{run_id}", "/v1/runs/a%2Fb%20c", {"run_id": "a/b c"}),
        ("/v1/runs/{run_id}/events", "/v1/runs/r1/events", {"run_id": "r1"}),
        ("/v1/{a.b}/{c}", "/v1/x/y", {"a.b": "x", "c": "y"}),
        ("/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books/2", {"name": "shelves/1/books/2"}),
        ("/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books", None),
        ("/v1/{name=shelves/*}", "/v1/shelves/a%2Fb%20c", {"name": "shelves/a%2Fb c"}),
        ("/v1/{name=files/**}", "/v1/files/a/b/c", {"name": "files/a/b/c"}),
        ("/v1/{name=**}", "/v1/a/b", {"name": "a/b"}),
        ("/v1/*/x", "/v1/anything/x", {}),
        ("/v1/**", "/v1/a/b", {}),
        ("/v1/{name=shelves/*}:archive", "/v1/shelves/1:archive", {"name": "shelves/1"}),
        ("/v1/{name=shelves/*}:archive", "/v1/shelves/1", None),
        ("/v1/things:batchGet", "/v1/things:batchGet", {}),
        ("/v1/{id}", "/v1/a:b", {"id": "a:b"}),
    ],
)
def test_a_path_matches_or_does_not(template: str, path: str, values: dict[str, str] | None) -> None:
    assert Template.of(template).match(path) == values


@pytest.mark.parametrize("template", ["v1", "/v1/", "", "/v1/{", "/v1/{a}/{a}", "/v1/**/x", "/v1/***", "/v1/{a=**}/b"])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"template|must|twice"):
        Template.of(template)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(HttpError) as refused:
        Template.of("/v1/{id}").match("/v1/%ff")
    assert refused.value.code == "MALFORMED_REQUEST"


def test_the_more_particular_template_comes_first() -> None:
    texts = ["/v1/{name=**}", "/v1/{id}", "/v1/{id}:stop", "/v1/models", "/v1/{id}/events"]
    ranked = sorted(texts, key=lambda text: Template.of(text).rank)
    assert ranked.index("/v1/models") < ranked.index("/v1/{id}:stop") < ranked.index("/v1/{id}")
    assert ranked[-1] == "/v1/{name=**}"


def test_the_variables_are_in_the_order_of_the_path() -> None:
    assert Template.of("/v1/{b}/{a=x/*}").variables == ("b", "a")
