"""What docs/testing.md tells users to write is what is read: faults, the script, the configuration, the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from thinkaloud_server.app.config_load import load
from thinkaloud_server.core.fault import KINDS, parse
from thinkaloud_server.providers.encoders import ENCODINGS
from thinkaloud_server.providers.encoders.script import read_script

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
FAULTS = re.findall(r"^\| `([a-z_]+(?:;[^`]*)?)` \|", PAGE[PAGE.index("## Faults") :], re.M)


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("text", FAULTS)
def test_every_fault_of_the_page_is_one(text: str) -> None:
    assert parse(text)


def test_every_kind_and_every_dialect_is_on_the_page() -> None:
    assert {parse(text).kind for text in FAULTS} == set(KINDS)
    assert all(f"| `{dialect}` |" in PAGE for dialect in ENCODINGS)


def test_its_script_is_one() -> None:
    assert len(read_script(block("json"), toml=False)) > 10


def test_its_configuration_is_one(tmp_path: Path) -> None:
    file = tmp_path / "it.toml"
    file.write_text(block("toml"))
    chaos = load(file, {}, {}).chaos
    assert chaos.enabled
    assert set(chaos.providers) == {"openrouter", "*"}
