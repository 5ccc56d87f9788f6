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


def test_a_pepper_is_printed_nowhere(tmp_path: Path) -> None:
    config = loaded(tmp_path, f'[identity]\nrequired = true\npepper = "{PEPPER}"')
    assert PEPPER not in repr(config) + to_toml(config)
    assert "required = true" in to_toml(config)
