"""Media types: what is accepted most, and what a body must be said to be."""

from __future__ import annotations

import pytest

from thinkaloud_server.web import media
from thinkaloud_server.web.error import HttpError

OFFERS = (media.EVENT_STREAM, media.LINES)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ([], media.EVENT_STREAM),
        ([""], media.EVENT_STREAM),
        (["*/*"], media.EVENT_STREAM),
        (["application/x-ndjson"], media.LINES),
        (["Application/X-NDJSON; q=0.5"], media.LINES),
        (["application/*"], media.LINES),
        (["text/event-stream;q=0.1, application/x-ndjson;q=0.2"], media.LINES),
        (["text/html", "application/x-ndjson"], media.LINES),
        (["*/*;q=0.9, text/event-stream;q=0"], media.LINES),
        (["application/json"], None),
        (["*/*;q=0"], None),
        (["text/event-stream;q=x"], None),
        (["text"], None),
    ],
)
def test_the_most_accepted_offer_is_chosen(accept: list[str], kind: str | None) -> None:
    if kind is not None:
        assert media.accepted(accept, OFFERS) == kind
        return
    with pytest.raises(HttpError) as refused:
        media.accepted(accept, OFFERS)
    assert refused.value.http == 406


@pytest.mark.parametrize(
    ("content_type", "encoding", "empty", "good"),
    [
        ("application/json", None, False, True),
        ("APPLICATION/JSON ; charset=UTF-8", None, False, True),
        ('application/json; charset="utf8"', "identity", False, True),
        ("application/vnd.thinkaloud.v1+json", None, False, True),
        ("application/vnd.thinkaloud.v2+json", None, False, False),
        ("application/json; charset=utf-16", None, False, False),
        ("application/json", "gzip", False, False),
        ("text/plain", None, True, False),
        (None, None, True, True),
        (None, None, False, False),
    ],
)
def test_a_body_must_be_said_to_be_json(
    content_type: str | None, encoding: str | None, empty: bool, good: bool
) -> None:
    if good:
        media.check_body_type(content_type, encoding, empty=empty)
        return
    with pytest.raises(HttpError) as refused:
        media.check_body_type(content_type, encoding, empty=empty)
    assert refused.value.http == 415
