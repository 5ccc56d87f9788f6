"""[chaos]: what it may hold, that it cannot be public by accident, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from thinkaloud_server.app.config import Config
from thinkaloud_server.app.config_chaos import ChaosSection, announced
from thinkaloud_server.app.config_load import ConfigError, cautions, load, to_toml
from thinkaloud_server.core.fault import parse
from thinkaloud_server.engine.chaos import Chance

FILE = """
[chaos]
enabled = true
by_header = true
seed = 7

[chaos.providers.local]
"reset;after_frames=3" = 0.1
latency = 0.2

[chaos.providers."*"]
"status;status=429;retry_after_s=2" = 0.05

[providers.local]
base_url = "http://127.0.0.1:9100/v1"
"""


def loaded(tmp_path: Path, text: str, **environ: str) -> Config:
    file = tmp_path / "it.toml"
    file.write_text(text)
    return load(file, environ, {})


def test_it_is_off_by_default_and_tells_nothing(tmp_path: Path) -> None:
    config = loaded(tmp_path, "")
    assert not config.chaos.enabled
    assert announced(config.chaos) == ""
    assert not [caution for caution in cautions(config) if "chaos" in caution]


def test_faults_are_read_for_each_provider_else_for_every_one(tmp_path: Path) -> None:
    chaos = loaded(tmp_path, FILE).chaos
    assert chaos.chances("local") == (Chance(parse("reset;after_frames=3"), 0.1), Chance(parse("latency"), 0.2))
    assert chaos.chances("other") == (Chance(parse("status;status=429;retry_after_s=2"), 0.05),)
    assert ChaosSection().chances("local") == ()


def test_what_is_checked_says_loudly_that_it_is_on(tmp_path: Path) -> None:
    config = loaded(tmp_path, FILE)
    (caution,) = [caution for caution in cautions(config) if caution.startswith("chaos: ")]
    for word in ("on purpose", "local: 10% reset;after_frames=3, 20% latency", "*: 5%", "x-thinkaloud-fault"):
        assert word in caution
    assert loaded(tmp_path, to_toml(config)).chaos == config.chaos, "what is printed is the file"


def test_it_can_be_turned_on_by_variables(tmp_path: Path) -> None:
    variables = {"THINKALOUD_CHAOS__ENABLED": "true", "THINKALOUD_CHAOS__BY_HEADER": "true"}
    assert loaded(tmp_path, "", **variables).chaos.by_header


@pytest.mark.parametrize(
    ("chaos", "why"),
    [
        ("enabled = true", "enabled does nothing by itself"),
        ("enbled = true", "did you mean enabled"),
        ('providers.x = {"explode" = 0.1}', "unknown fault 'explode'"),
        ('providers.x = {"reset;after_bytes=x" = 0.1}', "after_bytes must be a whole number"),
        ('providers.x = {"reset;attempts=1" = 0.1}', "attempts goes with a request's header"),
        ('providers.x = {"reset" = 1.5}', "must be 0 to 1"),
        ('providers.x = {"reset" = 0.6, "stall" = 0.6}', "add up to more than 1"),
        ('providers.demo = {"reset" = 0.6}', "does not reach the built-in demo models"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, chaos: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"[chaos]\n{chaos}\n")
    assert why in str(caught.value)
    assert "chaos" in str(caught.value)


PUBLIC = '[server]\ngrpc_address = "0.0.0.0:50051"\ninsecure = true\n'


@pytest.mark.parametrize("said", ["", "public = false\n"])
def test_on_a_public_address_insecure_alone_is_not_enough(tmp_path: Path, said: str) -> None:
    with pytest.raises(ConfigError, match=r"chaos\.public = true"):
        loaded(tmp_path, f"{PUBLIC}[chaos]\nenabled = true\nby_header = true\n{said}")


@pytest.mark.parametrize("chaos", ["enabled = true\nby_header = true\npublic = true\n", "enabled = false\n"])
def test_on_a_public_address_it_must_be_said_as_well(tmp_path: Path, chaos: str) -> None:
    assert loaded(tmp_path, f"{PUBLIC}[chaos]\n{chaos}").server.grpc_address == "0.0.0.0:50051"
