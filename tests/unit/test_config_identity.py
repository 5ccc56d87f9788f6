"""[identity]: who is asked for a key, and the pepper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_load import ConfigError, cautions, load, pepper, to_toml

PEPPER = "canary-pepper-0123456789"
ANYWHERE = {"grpc_address": "0.0.0.0:50051", "http_address": "0.0.0.0:8000"}


def loaded(tmp_path: Path, text: str, environ: dict[str, str] | None = None, **flags: Any) -> Config:
    file = tmp_path / "it.toml"
    file.write_text(text)
    return load(file, environ or {}, flags)


def test_nobody_is_asked_by_default() -> None:
    assert not Config().identity.required


def test_a_variable_asks_for_keys(tmp_path: Path) -> None:
    assert loaded(tmp_path, "", {"THINKALOUD_IDENTITY__REQUIRED": "true"}).identity.required


def test_a_public_address_needs_keys_or_a_word(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ask for one with --auth"):
        loaded(tmp_path, "", server=ANYWHERE)
    asked = loaded(tmp_path, "[identity]\nrequired = true", server=ANYWHERE)
    assert not any("whoever reaches" in caution for caution in cautions(asked))
    assert loaded(tmp_path, "", server={**ANYWHERE, "insecure": True})


def test_a_public_admin_address_needs_the_word_also_with_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"admin_address .* or say --insecure") as caught:
        loaded(tmp_path, "[identity]\nrequired = true", server={"admin_address": "0.0.0.0:9464"})
    assert "--auth" not in str(caught.value)


def test_a_pepper_comes_from_its_variable_its_file_or_itself(tmp_path: Path) -> None:
    file = tmp_path / "pepper"
    file.write_text(f"{PEPPER}\n")
    for text in (f'pepper = "{PEPPER}"', 'pepper_env = "P"', f'pepper_file = "{file}"'):
        assert pepper(loaded(tmp_path, f"[identity]\n{text}"), {"P": PEPPER}).reveal() == PEPPER
    assert not pepper(Config(), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('pepper = "short"', "identity.pepper: must have 16 characters"),
        ('pepper_env = "SHORT"', "identity.pepper: must have 16 characters"),
        ('pepper_env = "NONE"', "identity.pepper_env: the variable NONE is not set"),
        ('pepper_file = "/nowhere/pepper"', "identity.pepper_file: /nowhere/pepper: No such file"),
        (f'pepper = "{PEPPER}"\npepper_env = "P"', "has pepper and pepper_env: keep one of them"),
        ("require = true", "identity.require: unknown key; did you mean required?"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, text: str, said: str) -> None:
    environ = {"SHORT": "canary-short"}
    with pytest.raises(ConfigError) as caught:
        pepper(loaded(tmp_path, f"[identity]\n{text}"), environ)
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


ISSUER = """[identity.issuers.corp]
issuer = "https://login.example/realm"
audience = "thinkaloud"
"""


def test_an_issuer_is_known_by_two_lines(tmp_path: Path) -> None:
    config = loaded(tmp_path, f"[identity]\nrequired = true\n{ISSUER}")
    issuer = config.identity.issuers["corp"]
    assert (issuer.algorithms, issuer.tenant_claim, issuer.scope_claim) == (("RS256", "ES256"), "sub", "scope")
    assert loaded(tmp_path, to_toml(config)).identity == config.identity


def test_issuers_that_nobody_is_asked_for_are_told(tmp_path: Path) -> None:
    assert any("nobody is asked for a token" in each for each in cautions(loaded(tmp_path, ISSUER)))


def test_a_variable_says_what_an_issuer_is(tmp_path: Path) -> None:
    variables = {"ALGORITHMS": "PS256, EdDSA", "LEEWAY_S": "0", "DEFAULT_SCOPES": "read"}
    environ = {f"THINKALOUD_IDENTITY__ISSUERS__CORP__{name}": value for name, value in variables.items()}
    issuer = loaded(tmp_path, ISSUER, environ).identity.issuers["corp"]
    assert (issuer.algorithms, issuer.leeway_s, issuer.default_scopes) == (("PS256", "EdDSA"), 0, ("read",))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('algorithms = ["HS256"]', "algorithms: expected some of RS256"),
        ('algorithms = ["none"]', "algorithms: expected some of RS256"),
        ("algorithms = []", "algorithms: expected some of RS256"),
        ("leeway_s = 61", "leeway_s: Input should be less than or equal to 60"),
        ('jwks_url = "http://login.example/keys"', "jwks_url: expected an https URL"),
        ('tenant = "a:b"', "tenant: expected letters"),
        ('tenant = "acme"\ntenant_claim = "org"', "has tenant and tenant_claim: keep one of them"),
        ('default_scopes = ["write"]', "default_scopes: expected some of read, chat, admin"),
        ('audiance = "x"', "audiance: unknown key"),
        ('[identity.issuers.B]\nissuer = "https://b.example"\naudience = "b"', "is named by at most 32 lower-case"),
        (ISSUER.replace(".corp", ".again"), "two issuers have the same"),
        ('[identity.issuers.b]\nissuer = ""\naudience = "b"', "issuer is needed"),
        ('[identity.issuers.b]\nissuer = "http://b.example"\naudience = "b"', "issuer: expected an https URL"),
        ('[identity.issuers.b]\nissuer = "https://b.example"', "audience: is needed"),
        ('[identity.issuers.b]\nissuer = "https://b.example"\naudience = ""', "audience: String should have"),
    ],
)
def test_an_issuer_that_cannot_be_is_said(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"{ISSUER}{more}\n")
    assert said in str(caught.value)


def test_a_pepper_is_printed_nowhere(tmp_path: Path) -> None:
    config = loaded(tmp_path, f'[identity]\nrequired = true\npepper = "{PEPPER}"')
    assert PEPPER not in repr(config) + to_toml(config)
    assert "required = true" in to_toml(config)
