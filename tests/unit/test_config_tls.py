"""[tls]: which files belong together, and that flags and variables set them."""

from __future__ import annotations

from pathlib import Path

import pytest

from thinkaloud_server.app.config_load import ConfigError, cautions, load, to_toml
from thinkaloud_server.app.config_tls import TlsSection

FILES = {"certificate_file": "/a/chain.pem", "key_file": "/a/key.pem"}


def test_without_files_nothing_is_encrypted() -> None:
    section = load(None, {}, {}).tls
    assert (section.files, section.kind) == ({}, "")


@pytest.mark.parametrize(("more", "kind"), [({}, "TLS"), ({"client_ca_file": "/a/ca.pem"}, "mTLS")])
def test_files_are_known_by_their_keys(more: dict[str, str], kind: str) -> None:
    section = TlsSection.model_validate(FILES | more)
    assert section.files == {name: Path(path) for name, path in (FILES | more).items()}
    assert section.kind == kind


def test_they_are_set_by_variables_and_printed_as_the_file_has_them() -> None:
    named = {f"THINKALOUD_TLS__{name.upper()}": path for name, path in FILES.items()}
    assert '[tls]\ncertificate_file = "/a/chain.pem"\nkey_file = "/a/key.pem"\n' in to_toml(load(None, named, {}))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"certificate_file": "a"}, "give both or none"),
        ({"key_file": "a"}, "give both or none"),
        ({"client_ca_file": "a"}, "client_ca_file needs certificate_file"),
        ({"certificate": "a"}, "unknown key; did you mean certificate_file"),
    ],
)
def test_what_cannot_be_is_said(given: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load(None, {}, {"tls": given})


def test_a_public_address_is_cautioned_of_only_without_it() -> None:
    public = {"server": {"http_address": "0.0.0.0:8000", "insecure": True}}
    assert not any("not encrypted" in caution for caution in cautions(load(None, {}, {**public, "tls": FILES})))
    (caution,) = (each for each in cautions(load(None, {}, public)) if "not encrypted" in each)
    assert caution == "tls: what callers send to 0.0.0.0:8000 is not encrypted unless a proxy does it"


def test_the_home_directory_is_found() -> None:
    section = TlsSection(certificate_file=Path("~/c.pem"), key_file=Path("~/k.pem"))
    assert section.files["key_file"] == Path.home() / "k.pem"
