"""Forms, eaten in any pieces: their items, and everything about them that is refused."""

from __future__ import annotations

import random

import pytest

from cuts import byte_by_byte
from fakes.forms import BOUNDARY, TYPE, closed, part
from thinkaloud_server.web import form
from thinkaloud_server.web.error import HttpError
from thinkaloud_server.web.form import Begun, Form, Named, boundary_of

# Looks like the end of a part again and again, and is not.
TRAPS = b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n-\r\r\n--" + BOUNDARY.encode() + b"x\r\n"
WHOLE = closed(
    part("idempotency_key", "k-1"),
    part("file", TRAPS + bytes(range(256)), "Content-Type: image/png", filename="a b.png"),
    part("after", "é"),
)
ITEMS = [Named("idempotency_key", "k-1"), Begun("a b.png", "image/png"), TRAPS + bytes(range(256)), Named("after", "é")]


def eaten(pieces: list[bytes]) -> list[form.Item]:
    """The items, with neighbouring bytes joined."""
    eater = Form(BOUNDARY.encode(), "file")
    items: list[form.Item] = []
    for piece in pieces:
        for item in eater.feed(piece):
            if isinstance(item, bytes) and items and isinstance(items[-1], bytes):
                items[-1] += item
            else:
                items.append(item)
    eater.end()
    return items


def refused(body: bytes) -> HttpError:
    with pytest.raises(HttpError) as error:
        eaten([body])
    return error.value


def test_a_form_is_its_fields_and_its_file_in_their_order() -> None:
    assert eaten([WHOLE]) == ITEMS


def test_the_cuts_do_not_matter() -> None:
    assert eaten(byte_by_byte(WHOLE)) == ITEMS
    dice = random.Random(7)
    for _ in range(50):
        places = sorted(dice.sample(range(1, len(WHOLE)), 5))
        pieces = [WHOLE[a:b] for a, b in zip([0, *places], [*places, len(WHOLE)], strict=True)]
        assert eaten(pieces) == ITEMS, places


@pytest.mark.parametrize(
    ("filename", "read"),
    [
        ("../../x", "../../x"),
        ("na\u00efve \u202egpj.exe", "na\u00efve \u202egpj.exe"),
        ('\\"quoted\\"', '"quoted"'),
        ("<img onerror>", "<img onerror>"),
        ("", ""),
        (None, ""),
    ],
    ids=["a path", "right to left", "quotes", "markup", "empty", "none"],
)
def test_a_file_is_named_as_it_was_and_made_harmless_elsewhere(filename: str | None, read: str) -> None:
    assert eaten([closed(part("file", b"x", filename=filename))]) == [Begun(read, ""), b"x"]


def test_an_empty_file_is_a_file() -> None:
    assert eaten([closed(part("file", b"", filename="e"))]) == [Begun("e", "")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MALFORMED_REQUEST"),
        (b"no form", "MALFORMED_REQUEST"),
        (b'{"text": "go"}', "MALFORMED_REQUEST"),
        (WHOLE.replace(BOUNDARY.encode(), b"other"), "MALFORMED_REQUEST"),
        (part("file", b"x", filename="a"), "MALFORMED_REQUEST"),
        (closed(part("file", b"x", filename="a"))[:-4], "MALFORMED_REQUEST"),
        (closed(*[part("a", b"")] * 100_000), "MALFORMED_REQUEST"),
        (closed(part("file", b"x", *(f"X-{n}: y" for n in range(100_000)))), "MALFORMED_REQUEST"),
        (closed(part("file", b"x", "X: " + "y" * 100_000)), "MALFORMED_REQUEST"),
        (closed(part("file", b"x", *(f"X-{n}: {'y' * 1000}" for n in range(5)))), "MALFORMED_REQUEST"),
        (closed(part("file", b"x", "Content-Disposition: form-data; name=b")), "MALFORMED_REQUEST"),
        (closed(part("file", b"x", "No colon")), "MALFORMED_REQUEST"),
        (closed(part("", b"x", filename="a")), "MALFORMED_REQUEST"),
        (f"--{BOUNDARY}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode(), "MALFORMED_REQUEST"),
        (closed(part("text", b"\xff")), "MALFORMED_REQUEST"),
        (closed(part("file", b"x", "Content-Transfer-Encoding: base64")), "UNSUPPORTED_MEDIA_TYPE"),
        (closed(part("text", b"x" * (form.FIELD_BYTES_MAX + 1))), "MESSAGE_TOO_LARGE"),
        (closed(part("other", b"x", filename="a")), "UNKNOWN_FIELD"),
    ],
    ids=[
        *("empty", "text", "JSON", "another boundary", "no closing boundary", "half of the closing boundary"),
        *("many parts", "many headers", "a long header", "a long head", "a header twice", "a header without colon"),
        *("no name", "no head", "not UTF-8", "base64", "a large field", "a file of another name"),
    ],
)
def test_what_is_no_form_or_too_much_of_one_is_refused(body: bytes, code: str) -> None:
    assert refused(body).code == code


def test_what_comes_after_the_end_is_nothing() -> None:
    assert eaten([WHOLE + b"\r\nepilogue" + b"-" * 100_000]) == ITEMS


@pytest.mark.parametrize(
    ("content_type", "encoding", "code"),
    [
        (TYPE, None, ""),
        (TYPE.replace("form-data", "Form-Data"), "identity", ""),
        (f'multipart/form-data; charset=x; boundary="{BOUNDARY}"', None, ""),
        (None, None, "UNSUPPORTED_MEDIA_TYPE"),
        ("application/json", None, "UNSUPPORTED_MEDIA_TYPE"),
        ("multipart/mixed; boundary=a", None, "UNSUPPORTED_MEDIA_TYPE"),
        (TYPE, "gzip", "UNSUPPORTED_MEDIA_TYPE"),
        ("multipart/form-data", None, "MALFORMED_REQUEST"),
        ("multipart/form-data; boundary=", None, "MALFORMED_REQUEST"),
        ("multipart/form-data; boundary=" + "x" * 71, None, "MALFORMED_REQUEST"),
        ("multipart/form-data; boundary=" + "x" * 1_000_000, None, "MALFORMED_REQUEST"),
        ('multipart/form-data; boundary="a\u00e9"', None, "MALFORMED_REQUEST"),
        ('multipart/form-data; boundary="a "', None, "MALFORMED_REQUEST"),
    ],
)
def test_a_body_is_said_to_be_a_form(content_type: str | None, encoding: str | None, code: str) -> None:
    if not code:
        assert boundary_of(content_type, encoding) == BOUNDARY.encode()
        return
    with pytest.raises(HttpError) as error:
        boundary_of(content_type, encoding)
    assert error.value.code == code
