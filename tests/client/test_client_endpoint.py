"""Addresses as people write them."""

from __future__ import annotations

import pytest

from thinkaloud.endpoint import endpoint


@pytest.mark.parametrize(
    ("address", "target", "tls"),
    [
        ("127.0.0.1:50051", "127.0.0.1:50051", False),
        ("localhost", "localhost:50051", False),
        (" host:1 ", "host:1", False),
        ("https://chat.example.com", "chat.example.com:443", True),
        ("https://chat.example.com/", "chat.example.com:443", True),
        ("https://chat.example.com:8443", "chat.example.com:8443", True),
        ("http://127.0.0.1:50051", "127.0.0.1:50051", False),
        ("http://host", "host:80", False),
        ("[::1]:50051", "[::1]:50051", False),
        ("[::1]", "[::1]:50051", False),
        ("::1", "[::1]:50051", False),
        ("dns:///host:1", "dns:///host:1", False),
        ("unix:/run/chat.sock", "unix:/run/chat.sock", False),
    ],
)
def test_an_address_becomes_a_target(address: str, target: str, tls: bool) -> None:
    made = endpoint(address, environment={})
    assert (made.target, made.tls) == (target, tls)


@pytest.mark.parametrize(
    ("address", "environment", "target"),
    [
        (None, {}, "127.0.0.1:50051"),
        (None, {"THINKALOUD_ADDRESS": "host:1"}, "host:1"),
        ("other:2", {"THINKALOUD_ADDRESS": "host:1"}, "other:2"),
        ("", {"THINKALOUD_ADDRESS": ""}, "127.0.0.1:50051"),
    ],
)
def test_an_address_that_is_left_out_comes_from_the_environment(
    address: str | None, environment: dict[str, str], target: str
) -> None:
    assert endpoint(address, environment=environment).target == target


@pytest.mark.parametrize(
    ("api_key", "environment", "metadata"),
    [
        (None, {}, ()),
        ("a", {"THINKALOUD_API_KEY": "b"}, (("authorization", "Bearer a"),)),
        (None, {"THINKALOUD_API_KEY": "b"}, (("authorization", "Bearer b"),)),
        ("", {"THINKALOUD_API_KEY": "b"}, ()),
    ],
)
def test_a_key_is_sent_as_a_bearer_token(
    api_key: str | None, environment: dict[str, str], metadata: tuple[tuple[str, str], ...]
) -> None:
    assert endpoint("host", api_key=api_key, environment=environment).metadata == metadata


def test_tls_can_be_said_outright() -> None:
    assert endpoint("host:1", tls=True, environment={}).tls
    assert not endpoint("https://host", tls=False, environment={}).tls


def test_a_key_never_shows() -> None:
    assert "secret" not in repr(endpoint("host", api_key="secret", environment={}))
