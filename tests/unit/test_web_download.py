"""A file as an answer: what it is called and what it is said to be."""

from __future__ import annotations

import pytest
from starlette.responses import Response

from thinkaloud_server.web.download import HARMLESS, disposition


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("", "attachment"),
        ("a b.png", "attachment; filename=\"a b.png\"; filename*=UTF-8''a%20b.png"),
        ("naïve.txt", "attachment; filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
        ('a"; x="b', "attachment; filename=\"a_; x=_b\"; filename*=UTF-8''a%22%3B%20x%3D%22b"),
        ("a\r\nset-cookie: b", "attachment; filename=\"a__set-cookie_ b\"; filename*=UTF-8''a%0D%0Aset-cookie%3A%20b"),
        ("%41\\", "attachment; filename=\"_41_\"; filename*=UTF-8''%2541%5C"),
        ("<img onerror>", "attachment; filename=\"_img onerror_\"; filename*=UTF-8''%3Cimg%20onerror%3E"),
    ],
    ids=["none", "plain", "accented", "a quote", "a line end", "percent and backslash", "markup"],
)
def test_a_name_cannot_leave_its_header(filename: str, header: str) -> None:
    assert disposition(filename) == header
    assert Response(headers={"content-disposition": header}).headers["content-disposition"] == header


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/pdf", "text/xml", "text/javascript"])
def test_what_a_browser_may_run_is_not_harmless(kind: str) -> None:
    assert kind not in HARMLESS
