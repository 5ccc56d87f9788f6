"""`thinkaloud keys`, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from thinkaloud_server.app import cli_keys
from thinkaloud_server.app.cli import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("THINKALOUD_CONFIG", raising=False)


class Keys:
    def __init__(self, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._data_dir = data_dir
        self._capsys = capsys
        self.said = ""

    def __call__(self, *words: str, status: int = 0) -> str:
        assert main(["keys", words[0], "--data-dir", str(self._data_dir), *words[1:]]) == status
        out, self.said = self._capsys.readouterr()
        return out

    def json(self, *words: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self(*words, "--json").splitlines()]


@pytest.fixture
def keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Keys:
    return Keys(tmp_path / "data", capsys)


def test_in_a_pipe_the_key_alone_is_printed(keys: Keys) -> None:
    out = keys("create", "--name", "laptop")
    assert len(out.split()) == 1
    assert out.startswith("tk_")
    assert "a tenant of its own" in keys.said
    assert "serve with --auth" in keys.said
    assert out.strip() not in keys.said


def test_a_terminal_shows_the_key_once_with_what_it_may(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_keys, "on_terminal", lambda: True)
    out = keys("create", "--name", "laptop", "--tenant", "acme", "--expires", "90d")
    for word in ("key", "tk_", "acme", "read, chat", "expires_at"):
        assert word in out
    assert "shown this once" in keys.said
    assert "tenant of its own" not in keys.said


def test_everything_that_was_said_is_kept(keys: Keys) -> None:
    (made,) = keys.json(
        *("create", "--name", "ci", "--tenant", "acme", "--scopes", "read, admin", "--models", "openai/*,demo/plain"),
        *("--expires", "12h", "--requests-per-minute", "60", "--runs", "0", "--cost-per-day", "1.5"),
    )
    secret = made.pop("key")
    assert secret.startswith(f"{made['key_id']}_")
    assert made["scopes"] == ["read", "admin"]
    assert made["models"] == ["openai/*", "demo/plain"]
    assert made["allowance"] == {"requests_per_minute": 60, "runs": 0, "cost_usd_per_day": 1.5}
    assert made["expires_at"] > made["created_at"]
    assert (made["state"], made["tenant"], made["name"]) == ("active", "acme", "ci")
    assert keys.json("list") == [made]


def test_each_key_without_a_tenant_has_its_own(keys: Keys) -> None:
    tenants = {keys.json("create", "--name", name)[0]["tenant"] for name in "ab"}
    assert len(tenants) == 2
    assert all(len(tenant) > 32 for tenant in tenants)


def test_a_list_shows_no_secret(keys: Keys, tmp_path: Path) -> None:
    secret = keys("create", "--name", "laptop").strip()
    out = keys("list") + keys("list", "--json")
    assert secret[:13] in out
    assert secret[14:] not in out
    kept = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert secret[14:].encode() not in kept


@pytest.mark.parametrize("by", ["id", "key"])
def test_a_key_is_revoked_by_its_id_or_itself(keys: Keys, by: str) -> None:
    secret = keys("create", "--name", "laptop").strip()
    named = secret if by == "key" else secret[:13]
    assert keys("revoke", named).strip() == secret[:13]
    assert "laptop: revoked" in keys.said
    assert keys.json("list")[0]["state"] == "revoked"
    assert keys.json("revoke", named)[0]["state"] == "revoked"
    assert "was revoked before" in keys.said


def test_a_key_that_is_not_there_is_an_error(keys: Keys) -> None:
    keys("revoke", "tk_0123456789", status=1)
    assert "there is no key tk_0123456789" in keys.said


@pytest.mark.parametrize(
    "words",
    [
        ("create",),
        ("create", "--name", ""),
        ("create", "--name", "a\nb"),
        ("create", "--name", "x", "--tenant", "a b"),
        ("create", "--name", "x", "--scopes", "write"),
        ("create", "--name", "x", "--scopes", ","),
        ("create", "--name", "x", "--models", "gpt"),
        ("create", "--name", "x", "--expires", "soon"),
        ("create", "--name", "x", "--expires", "0d"),
        ("create", "--name", "x", "--runs", "-1"),
        ("create", "--name", "x", "--cost-per-day", "nan"),
        ("create", "--name", "x", "--tokens-per-day", "1.5"),
        ("revoke",),
        (),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_makes_no_key(words: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", *words, "--data-dir", str(tmp_path / "data")])
    assert ended.value.code == 2
    assert not (tmp_path / "data").exists()


def test_a_directory_that_cannot_be_used_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["keys", "list", "--data-dir", str(tmp_path / "file")]) == 1
    assert "the file of API keys" in capsys.readouterr().err
