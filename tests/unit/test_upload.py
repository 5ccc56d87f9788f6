"""What of a caller's words about a file is believed, and what is shown."""

from __future__ import annotations

import pytest

from thinkaloud_server.core.upload import Upload, begins_as, is_picture, media_type, shown_name

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\r"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("chart.png", "chart.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\windows\\win.ini", "win.ini"),
        ("/", ""),
        ("..", ""),
        ("a/..", ""),
        ("", ""),
        ("a\r\nX: y", "aX: y"),
        ("a\0b\x7f", "ab"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\u2028b\u200b", "ab"),
        ("\ud800half", "half"),
        ("  naïve 猫.txt ", "naïve 猫.txt"),
        ("<img onerror>", "<img onerror>"),
        ("x" * 4096, "x" * 255),
        ("x" * 4096 + ".png", "x" * 251 + ".png"),
        (".profile", ".profile"),
    ],
)
def test_a_name_is_its_last_part_without_what_hides(given: str, shown: str) -> None:
    assert shown_name(given) == shown


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("image/png", "image/png"),
        ("Text/Plain; charset=utf-8", "text/plain"),
        ("", "application/octet-stream"),
        (" ; x", "application/octet-stream"),
        ("application/vnd.a+json", "application/vnd.a+json"),
        ("image", ""),
        ("image/", ""),
        ("image/png/x", ""),
        ("image /png", ""),
        ("text/html\r\nset-cookie: a", ""),
        ("a/" + "b" * 128, ""),
        ("*/*", ""),
        ("ımage/png", ""),
    ],
)
def test_a_type_is_two_words_or_none(given: str, kind: str) -> None:
    assert media_type(given) == kind


@pytest.mark.parametrize(
    ("kind", "beginning", "fits"),
    [
        ("image/png", PNG, True),
        ("image/png", PNG + b"<html>", True),
        ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", True),
        ("image/gif", b"GIF89a\1\0\1\0\0\0", True),
        ("image/webp", b"RIFF\x0a\0\0\0WEBP", True),
        ("image/png", b"<html><scrip", False),
        ("image/png", b"%PDF-1.7\n%\xff", False),
        ("image/png", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01", False),
        ("image/jpeg", b"<svg xmlns=h", False),
        ("image/webp", b"RIFF\x0a\0\0\0WAVE", False),
        ("image/gif", b"", False),
        ("image/svg+xml", b"<svg xmlns=h", True),
        ("text/plain", PNG, True),
    ],
)
def test_a_picture_begins_as_one(kind: str, beginning: bytes, fits: bool) -> None:
    assert begins_as(kind, beginning) is fits


def test_pictures_are_those_whose_bytes_are_known() -> None:
    assert is_picture("image/png")
    assert not is_picture("image/svg+xml")


def test_the_same_file_has_the_same_bytes_name_and_type() -> None:
    upload = Upload("upl_1", "a", "n", "t/t", 1, "h", 1.0)
    assert upload.is_same_file(Upload("upl_2", "a", "n", "t/t", 1, "h", 2.0, "key"))
    assert not upload.is_same_file(Upload("upl_1", "a", "n", "t/t", 1, "other", 1.0))
