"""Addresses as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakes.certified import Certified
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
        ("grpcs://host", "host:50051", True),
        ("grpcs://host:443/", "host:443", True),
        ("grpc://host", "host:50051", False),
        ("https://[::1]", "[::1]:443", True),
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
    assert endpoint("https://host", api_key=api_key, environment=environment).metadata == metadata


def test_tls_can_be_said_outright() -> None:
    assert endpoint("host:1", tls=True, environment={}).tls
    assert not endpoint("https://host", tls=False, environment={}).tls


def test_a_key_never_shows() -> None:
    assert "secret" not in repr(endpoint("https://host", api_key="secret", environment={}))


@pytest.mark.parametrize("address", ["https://host/path", "https://", "grpcs://me@host", "http://host?a=b"])
def test_an_address_is_a_host_and_a_port_alone(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        endpoint(address, environment={})


@pytest.mark.parametrize(
    ("address", "alone"),
    [
        ("127.0.0.1:50051", True),
        ("127.9.9.9", True),
        ("[::1]:50051", True),
        ("localhost:1", True),
        ("http://localhost", True),
        ("dns:///localhost:1", True),
        ("unix:/run/chat.sock", True),
        ("https://chat.example", True),
        ("chat.example:50051", False),
        ("http://chat.example", False),
        ("localhost.example:1", False),
        ("10.0.0.1:50051", False),
        ("dns:///chat.example", False),
        ("[fe80::1]:1", False),
    ],
)
def test_a_key_goes_unencrypted_to_no_other_machine_unless_that_is_said(address: str, alone: bool) -> None:
    if alone:
        assert endpoint(address, api_key="secret", environment={}).metadata
        return
    refused: tuple[Any, ...] = (
        {"plaintext_key": False, "environment": {"THINKALOUD_PLAINTEXT_KEY": "true"}},
        {"environment": {}},
    )
    for allowed in refused:
        with pytest.raises(ValueError, match="would travel unencrypted") as caught:
            endpoint(address, api_key="secret", **allowed)
        assert "secret" not in str(caught.value)
    assert endpoint(address, api_key="secret", plaintext_key=True, environment={}).metadata
    assert endpoint(address, api_key="secret", environment={"THINKALOUD_PLAINTEXT_KEY": "1"}).metadata
    assert not endpoint(address, environment={}).metadata


def test_a_switch_that_is_neither_on_nor_off_is_an_error() -> None:
    with pytest.raises(ValueError, match="THINKALOUD_PLAINTEXT_KEY: expected true or false"):
        endpoint("host", api_key="a", environment={"THINKALOUD_PLAINTEXT_KEY": "maybe"})


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    return Certified(tmp_path)


def test_certificates_are_files_that_are_given_or_named_by_the_environment(certified: Certified) -> None:
    ca, own = certified.ca_file, certified.pair("me", "me@here.example")
    expected = (ca.read_bytes(), own.certificate.read_bytes(), own.key.read_bytes())
    given = endpoint("https://host", ca_file=ca, client_certificate=own.certificate, client_key=own.key, environment={})
    named = {
        "THINKALOUD_CA_FILE": str(ca),
        "THINKALOUD_CLIENT_CERTIFICATE": str(own.certificate),
        "THINKALOUD_CLIENT_KEY": str(own.key),
    }
    for made in (given, endpoint("https://host", environment=named)):
        assert (made.root_certificates, made.client_certificate, made.client_key) == expected
        assert "PRIVATE" not in repr(made)
    assert endpoint("host", environment=named).root_certificates is None, "without TLS they are not needed"


def test_certificates_that_cannot_be_used_are_said_at_once(certified: Certified) -> None:
    own, other = certified.pair("me", "me@here.example"), certified.pair("other", "other@here.example")
    here: dict[str, Any] = {"environment": {}}
    for problem, given in (
        ("ca_file: /nowhere/ca.pem: No such file", {"ca_file": "/nowhere/ca.pem"}),
        ("ca_file: .*: holds no certificate", {"ca_file": own.key}),
        ("belong together", {"client_certificate": own.certificate}),
        ("belong together", {"client_key": own.key}),
        ("key values mismatch", {"client_certificate": own.certificate, "client_key": other.key}),
    ):
        with pytest.raises(ValueError, match=problem):
            endpoint("https://host", **given, **here)
    with pytest.raises(ValueError, match="but no TLS: write https://"):
        endpoint("host", ca_file=certified.ca_file, **here)
